"""Measures the whole `pintail ingest` of one large file, beside DuckDB and Polars, which only write Parquet (zstd).

    python3 -m venv peers && peers/bin/pip install duckdb==1.5.5 duckdb-extension-tpch==1.5.5 polars
    peers/bin/python bench/ingest.py "${CARGO_TARGET_DIR:-target}/debug/pintail" FOLDER [FILE...]

The files are those of bench/reader.py, made in FOLDER where they are missing (about 3 GB); `large.csv` is lineitem seven
times over (5.4 GB), made when it is named. Each run of Pintail has a new lake, with a project that declares all columns
(contract) or without one (zero configuration). Time is wall clock and memory the peak of the whole process; the median of
RUNS (3 without it in the environment) that take turns, and its ratio to DuckDB's.
"""

import os
import shutil
import statistics
import sys
from pathlib import Path

import reader

RUNS = int(os.environ.get("RUNS", "3"))
FILES = reader.FILES | {"large.csv": reader.LINEITEM}


def make_large(folder):
    with open(folder / "lineitem.csv", "rb") as source, open(folder / "large.csv", "wb") as file:
        file.write(source.readline())
        start = source.tell()
        for _ in range(7):
            source.seek(start)
            shutil.copyfileobj(source, file, 1 << 24)


def write_project(folder, columns):
    (folder / "models").mkdir(parents=True)
    (folder / "dbt_project.yml").write_text("name: bench\nversion: '1.0.0'\nprofile: bench\n")
    listed = "".join("          - {{name: {}, data_type: '{}'}}\n".format(*column.split(":")) for column in columns.split(";"))
    source = f"sources:\n  - name: bench\n    tables:\n      - name: data\n        columns:\n{listed}"
    (folder / "models/sources.yml").write_text(source)


class Lake:
    """A lake whose raw zone holds one file, and a project for it."""

    def __init__(self, folder, path, columns):
        self.folder, self.project = folder / "lake", folder / "project"
        for old in (self.folder, self.project):
            shutil.rmtree(old, ignore_errors=True)
        (self.folder / "raw/data").mkdir(parents=True)
        os.link(path, self.folder / "raw/data" / path.name)
        write_project(self.project, columns)

    def ingest(self, pintail, project):
        for zone in ("silver", "gold"):
            shutil.rmtree(self.folder / zone, ignore_errors=True)
        command = [pintail, "ingest", "--lake", str(self.folder)]
        return reader.run(command + (["--project", str(self.project)] if project else []))


def measure(pintail, path, columns):
    lake = Lake(path.parent, path, columns)
    loaders = {
        "DuckDB": lambda: reader.run(reader.duckdb_copy(path, columns)),
        "Polars": lambda: reader.run(reader.polars_sink(path)),
        "Pintail, contract": lambda: lake.ingest(pintail, True),
        "Pintail, zero configuration": lambda: lake.ingest(pintail, False),
    }
    results = {name: [] for name in loaders}
    for _ in range(RUNS):
        for name, load in loaders.items():
            results[name].append(load())
    return results


def main():
    if len(sys.argv) < 3:
        sys.exit("usage: python3 bench/ingest.py PINTAIL FOLDER [FILE...]")
    pintail, folder = sys.argv[1], Path(sys.argv[2]).resolve()
    names = sys.argv[3:] or list(reader.FILES)
    if not (folder / "bad.csv").exists():
        # In a process of its own: a child's peak memory begins with what its parent has.
        os.spawnl(os.P_WAIT, sys.executable, sys.executable, reader.__file__, "-", str(folder), "--make")
    if "large.csv" in names and not (folder / "large.csv").exists():
        make_large(folder)
    print("| file | loader | s | to DuckDB | MB/s | peak MiB |\n| --- | --- | --- | --- | --- | --- |")
    for name in names:
        path = folder / name
        results = measure(pintail, path, FILES[name])
        seconds = {loader: statistics.median(run[0] for run in runs) for loader, runs in results.items() if None not in runs}
        for loader, runs in results.items():
            if loader not in seconds:
                print(f"| {name} | {loader} | failed | | | |")
                continue
            own, of = seconds[loader], seconds.get("DuckDB", float("nan"))
            memory = max(run[1] for run in runs)
            print(f"| {name} | {loader} | {own:.2f} | {own / of:.2f}x | {path.stat().st_size / 1e6 / own:.0f} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()

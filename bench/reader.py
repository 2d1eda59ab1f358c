"""Measures the strict reader by itself, and the loaders that people use today, on the same files in the same run.

    cargo build -p records --example throughput
    python3 -m venv peers && peers/bin/pip install duckdb==1.5.5 duckdb-extension-tpch==1.5.5 polars
    peers/bin/python bench/reader.py "${CARGO_TARGET_DIR:-target}/debug/examples/throughput" FOLDER

The files (TPC-H lineitem SF1 as CSV and NDJSON, a wide one, a text-heavy one, one with 1 % bad records) are made in FOLDER
where they are missing: about 3 GB. Reader alone: records counted and typed, nothing written. DuckDB and Polars write Parquet
(zstd). Time is wall clock and memory the peak of the whole process; the median of three runs that take turns.
"""

import importlib.util
import json
import os
import statistics
import sys
import time
from pathlib import Path

RUNS = 3
LINEITEM = (
    "l_orderkey:BIGINT;l_partkey:BIGINT;l_suppkey:BIGINT;l_linenumber:BIGINT;l_quantity:DECIMAL(15,2);"
    "l_extendedprice:DECIMAL(15,2);l_discount:DECIMAL(15,2);l_tax:DECIMAL(15,2);l_returnflag:VARCHAR;l_linestatus:VARCHAR;"
    "l_shipdate:DATE;l_commitdate:DATE;l_receiptdate:DATE;l_shipinstruct:VARCHAR;l_shipmode:VARCHAR;l_comment:VARCHAR"
)
WIDE = ";".join(f"c{number}:BIGINT" for number in range(500))
TEXT = "id:BIGINT;title:VARCHAR;body:VARCHAR"
FILES = {"lineitem.csv": LINEITEM, "lineitem.ndjson": LINEITEM, "wide.csv": WIDE, "text.csv": TEXT, "bad.csv": LINEITEM}


def make_lineitem(folder):
    import duckdb

    package = Path(importlib.util.find_spec("duckdb_extension_tpch").submodule_search_locations[0])
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"LOAD '{package}/extensions/v{duckdb.__version__}/tpch.duckdb_extension'")
    connection.execute("CALL dbgen(sf = 1)")
    connection.execute(f"COPY lineitem TO '{folder}/lineitem.csv' (HEADER)")
    connection.execute(f"COPY lineitem TO '{folder}/lineitem.ndjson' (FORMAT json)")


def make_others(folder):
    with open(folder / "wide.csv", "w") as file:
        file.write(",".join(f"c{number}" for number in range(500)) + "\n")
        for row in range(60_000):
            file.write(",".join(str((row * 7919 + column * 104_729) % 1_000_003) for column in range(500)) + "\n")
    with open(folder / "text.csv", "w") as file:
        file.write("id,title,body\n")
        for row in range(400_000):
            body = "\n".join(f'line {line} says ""{row * line}"", and goes on' for line in range(8))
            file.write(f'{row},"title, {row}","{body}"\n')
    with open(folder / "lineitem.csv") as source, open(folder / "bad.csv", "w") as file:
        for number, line in enumerate(source):
            file.write(line.replace(",", ",x", 1) if number % 100 == 50 else line)


def peer(code):
    return [sys.executable, "-c", f"import os\nos.environ['POLARS_MAX_THREADS'] = '2'\n{code}"]


def duckdb_copy(path, columns):
    names = ", ".join(f"'{name}': '{kind}'" for name, kind in (column.split(":") for column in columns.split(";")))
    read = "read_json" if path.suffix == ".ndjson" else "read_csv"
    extra = "" if read == "read_json" else ", auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"'"
    extra += ", ignore_errors = true"
    return peer(
        "import duckdb\n"
        "duckdb.execute('SET threads = 2')\n"
        f'''duckdb.execute("""COPY (FROM {read}('{path}', columns = {{{names}}}{extra})) '''
        f'''TO '{path}.parquet' (FORMAT parquet, COMPRESSION zstd)""")'''
    )


def polars_sink(path):
    scan = "scan_ndjson" if path.suffix == ".ndjson" else "scan_csv"
    return peer(f"import polars\npolars.{scan}('{path}').sink_parquet('{path}.parquet', compression='zstd')")


def run(command):
    """Seconds, peak MiB and what it printed; `None` where it failed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(write, 1)
        os.close(read)
        os.execvp(command[0], command)
    os.close(write)
    begin = time.perf_counter()
    with os.fdopen(read) as pipe:
        printed = pipe.read()
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - begin
    return (seconds, usage.ru_maxrss / 1024, printed) if status == 0 else None


def commands(throughput, path, columns):
    reader = [throughput, "records", str(path)]
    yield "Pintail's reader, contract, 1 thread", [*reader, "1", columns]
    yield "Pintail's reader, contract, 2 threads", [*reader, "2", columns]
    yield "Pintail's reader, zero configuration, 2 threads", [*reader, "2"]
    alone = "simd-json" if path.suffix == ".ndjson" else "csv"
    yield f"{alone} (types nothing), 1 thread", [throughput, alone, str(path)]
    yield "DuckDB to Parquet, 2 threads", duckdb_copy(path, columns)
    yield "Polars to Parquet, 2 threads", polars_sink(path)


def main():
    if len(sys.argv) < 3:
        sys.exit("usage: python3 bench/reader.py THROUGHPUT FOLDER [FILE...]")
    throughput, folder = sys.argv[1], Path(sys.argv[2])
    if sys.argv[3:] == ["--make"]:
        make_lineitem(folder)
        return make_others(folder)
    if not (folder / "bad.csv").exists():
        # In a process of its own: a child's peak memory begins with what its parent has.
        os.spawnl(os.P_WAIT, sys.executable, sys.executable, __file__, throughput, str(folder), "--make")
    print("| file | reader | s | MB/s | peak MiB | records, rejects |\n| --- | --- | --- | --- | --- | --- |")
    for name in sys.argv[3:] or FILES:
        path, results = folder / name, {}
        for _ in range(RUNS):
            for label, command in commands(throughput, path, FILES[name]):
                results.setdefault(label, []).append(run(command))
        for label, runs in results.items():
            if None in runs:
                print(f"| {name} | {label} | failed | | | |")
                continue
            seconds = statistics.median(run[0] for run in runs)
            found = json.loads(runs[0][2]) if runs[0][2].startswith("{") else None
            counts = f"{found['records']}, {found['rejects']}" if found else ""
            memory = max(run[1] for run in runs)
            print(f"| {name} | {label} | {seconds:.2f} | {path.stat().st_size / 1e6 / seconds:.0f} | {memory:.0f} | {counts} |", flush=True)


if __name__ == "__main__":
    main()

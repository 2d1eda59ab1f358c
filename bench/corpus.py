"""Reads the reader's corpus with the loaders that people use today, and writes the table in docs/corpus.md.

    peers/bin/pip install duckdb==1.5.5 polars pandas
    peers/bin/python bench/corpus.py > docs/corpus.md

For each file: how many of the rows that were meant come out right, how many come out that were not meant, and how many of
those meant are neither a row nor a reject that the tool reports. A tool that refuses a file says so; nothing is wrong then.
The dialect and the types are given to each tool as `case.json` has them; DuckDB keeps its rejects (`store_rejects`).
"""

import datetime
import json
from pathlib import Path

import duckdb
import pandas
import polars

CORPUS = Path(__file__).parent.parent / "handler/records/tests/corpus"
POLARS = {"BIGINT": polars.Int64, "VARCHAR": polars.String, "DECIMAL(10,2)": polars.Decimal(10, 2), "DATE": polars.Date, "BOOLEAN": polars.Boolean}
PANDAS = {"BIGINT": "Int64", "VARCHAR": "string", "BOOLEAN": "boolean"}


def text(value):
    """A value as case.json writes it."""
    if value is None or value is pandas.NA or value is pandas.NaT or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (datetime.datetime, pandas.Timestamp)):
        return value.date().isoformat()
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value)


class Case:
    def __init__(self, folder):
        self.name = folder.name
        case = json.loads((folder / "case.json").read_text())
        self.about, self.options, self.columns, self.truth = (case[key] for key in ("about", "options", "columns", "truth"))
        self.path = next(folder.glob("input.*"))
        self.json = self.options.get("format") == "json"
        rejects = json.loads((folder / "rejects.json").read_text())
        self.refused = isinstance(rejects, str)
        self.ours = [row[1] for row in json.loads((folder / "rows.json").read_text())], 0 if self.refused else len(rejects)

    def byte(self, key, default):
        return chr(self.options[key]) if self.options.get(key) else default


def read_duckdb(case):
    connection = duckdb.connect()
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in case.columns)
    if case.json:
        rows = connection.execute(f"SELECT * FROM read_json('{case.path}', columns = {{{columns}}}, ignore_errors = true)").fetchall()
        return [[text(value) for value in row] for row in rows], 0
    header = case.options.get("header", True)
    nulls = ", ".join(f"'{token}'" for token in case.options.get("null_tokens", [""]))
    quote = case.byte("quote", '"')
    dialect = {
        "delim": case.byte("delimiter", ","), "quote": quote.replace("'", "''"), "escape": case.byte("escape", quote).replace("'", "''"),
        "comment": case.byte("comment", ""), "decimal_separator": case.byte("decimal", "."),
        "encoding": {"latin1": "latin-1", "shift_jis": "shift_jis"}.get(case.options.get("encoding"), "utf-8"),
    }
    settings = ", ".join(f"{key} = '{value}'" for key, value in dialect.items() if value)
    pad = ", null_padding = true" if case.options.get("ragged") else ""
    rows = connection.execute(
        f"SELECT * FROM read_csv('{case.path}', columns = {{{columns}}}, auto_detect = false, header = {header}, {settings}, "
        f"nullstr = [{nulls}], skip = {case.options.get('preamble', 0)}{pad}, store_rejects = true)"
    ).fetchall()
    rejects = connection.execute("SELECT count(DISTINCT line) FROM reject_errors").fetchone()[0]
    return [[text(value) for value in row] for row in rows], rejects


def read_polars(case):
    schema = {name: POLARS.get(kind, polars.String) for name, kind in case.columns}
    if case.json:
        frame = polars.read_ndjson(case.path, schema=schema, ignore_errors=True)
    else:
        frame = polars.read_csv(
            case.path, schema_overrides=schema, has_header=case.options.get("header", True), separator=case.byte("delimiter", ","),
            quote_char=case.byte("quote", '"'), comment_prefix=case.byte("comment", None), skip_rows=case.options.get("preamble", 0),
            null_values=case.options.get("null_tokens"), decimal_comma=case.byte("decimal", ".") == ",", ignore_errors=True,
            truncate_ragged_lines=bool(case.options.get("ragged")), encoding=case.options.get("encoding", "utf8"),
        )
        if case.options.get("header", True):
            frame = frame.select([name for name, _ in case.columns])
    return [[text(value) for value in row] for row in frame.rows()], 0


def read_pandas(case):
    dtype = {name: PANDAS[kind] for name, kind in case.columns if kind in PANDAS}
    if case.json:
        frame = pandas.read_json(case.path, lines=not case.name.startswith("json_array"), dtype=False, convert_dates=["day"])
    else:
        frame = pandas.read_csv(
            case.path, dtype=dtype, sep=case.byte("delimiter", ","), quotechar=case.byte("quote", '"'), escapechar=case.byte("escape", None),
            comment=case.byte("comment", None), skiprows=case.options.get("preamble", 0), decimal=case.byte("decimal", "."),
            encoding=case.options.get("encoding", "utf-8"), keep_default_na=False, na_values=case.options.get("null_tokens", [""]),
            header=0 if case.options.get("header", True) else None, names=None if case.options.get("header", True) else [name for name, _ in case.columns],
            skipinitialspace=case.options.get("trim", False), on_bad_lines="skip",
            parse_dates=[name for name, kind in case.columns if kind == "DATE"],
        )
    frame = frame[[name for name, _ in case.columns]]
    return [[text(value) for value in row] for row in frame.itertuples(index=False)], 0


def judge(case, rows, rejects):
    """Right, wrong, vanished."""
    left = [list(row) for row in case.truth]
    wrong = 0
    for row in rows:
        if row in left:
            left.remove(row)
        else:
            wrong += 1
    return len(case.truth) - len(left), wrong, max(0, len(left) - rejects - wrong)


def show(case, read):
    try:
        rows, rejects = read(case)
    except Exception:  # Each tool has its own errors; a refusal is an answer.
        return None
    return judge(case, rows, rejects)


def main():
    readers = {"Pintail": lambda case: case.ours, "DuckDB": read_duckdb, "Polars": read_polars, "pandas": read_pandas}
    totals = {name: [0, 0, 0, 0] for name in readers}
    print("# The corpus, through four readers\n")
    print(f"Made by `bench/corpus.py` with DuckDB {duckdb.__version__}, Polars {polars.__version__}, pandas {pandas.__version__}; the files are in `handler/records/tests/corpus`.")
    print("Each cell: rows right / rows wrong / rows that vanished without a reject, of the rows that were meant. A file that is refused as a whole loses nothing in silence.\n")
    print("Rows are wrong when they were not meant: shifted, cut, changed, or made of half a field. The dialect and the types are given to every reader.\n")
    print("Two records that were joined into one line are one reject, so one of them counts as vanished here; its text is in the reject.\n")
    lines = []
    for folder in sorted(CORPUS.iterdir()):
        case, cells = Case(folder), []
        for name, read in readers.items():
            found = None if name == "Pintail" and case.refused else show(case, read)
            total = totals[name]
            if found is None:
                total[3] += 1
                cells.append("refused")
            else:
                total[0], total[1], total[2] = (total[index] + found[index] for index in range(3))
                cells.append(" / ".join(map(str, found)) if found[1] == found[2] == 0 else "**" + " / ".join(map(str, found)) + "**")
        lines.append(f"| {case.about} | {len(case.truth)} | " + " | ".join(cells) + " |")
    print("| | rows right | rows wrong | rows vanished | files refused |\n| --- | --- | --- | --- | --- |")
    for name, total in totals.items():
        print(f"| {name} | " + " | ".join(map(str, total)) + " |")
    print("\n| what is wrong | rows meant | " + " | ".join(readers) + " |\n| --- | --- |" + " --- |" * len(readers))
    print("\n".join(lines))


if __name__ == "__main__":
    main()

"""Reads every Delta table of a lake with readers that are not ours and compares each with `pintail query`.

    python readback.py PINTAIL LAKE

Readers: the `deltalake` and `polars` packages and DuckDB's `delta` extension. Exact values; a table is a multiset of rows.
"""

import importlib.util
import sys
from pathlib import Path

import duckdb
import polars
import rows


def with_polars(folder):
    return polars.read_delta(str(folder)).to_arrow()


def with_duckdb(folder):
    package = importlib.util.find_spec("duckdb_extension_delta")
    extension = next(Path(package.submodule_search_locations[0]).rglob("delta.duckdb_extension"))
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    connection.execute(f"LOAD '{extension}'")
    return connection.execute("SELECT * FROM delta_scan(?)", [str(folder)]).to_arrow_table()


READERS = {"deltalake": rows.stored, "polars": with_polars, "duckdb": with_duckdb}


def compare(pintail, lake, zone, name, folder):
    """Prints one line per reader; returns how many differ."""
    objects = rows.query(pintail, lake, zone, name)
    expected_columns, failures = None, 0
    for reader, read in READERS.items():
        table = read(folder)
        columns = rows.columns_of(table.schema)
        expected_columns = expected_columns or columns
        problems = [] if columns == expected_columns else [f"{reader} sees columns {columns}, deltalake sees {expected_columns}"]
        problems += rows.difference(rows.rows_of_json(objects, table.schema), rows.rows_of(table), "pintail", reader)
        print(f"{zone + '.' + name:<32} {reader:<10} {table.num_rows:>8} {'differs' if problems else 'ok'}")
        for problem in problems:
            print(f"    {problem}")
        failures += bool(problems)
    return failures


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: python readback.py PINTAIL LAKE")
    pintail, lake = sys.argv[1], Path(sys.argv[2]).resolve()
    tables = rows.delta_tables(lake)
    if not tables:
        sys.exit(f"there is no Delta table below {lake}/silver or {lake}/gold")
    print(f"{'table':<32} {'reader':<10} {'rows':>8}")
    failures = sum(compare(pintail, lake, *table) for table in tables)
    if failures:
        sys.exit(f"{failures} comparisons differ")


if __name__ == "__main__":
    main()

"""Compares every table of a lake in a folder with the table of that name in buckets, row for row. Both are read by `deltalake`.

    SILVER=bucket GOLD=bucket python same.py LAKE

Of silver tables only rows of files that the folder has, too: other files may be in the buckets. Not compared is the lineage that
says when, and in which version of the object, a file was sent.
"""

import os
import sys

import pyarrow.compute
import rows

OF_THE_WAY = {"_source_version", "_source_modified_at", "_ingested_at", "version"}


def of_files(table, files):
    """The rows that come from one of these files."""
    column = next((name for name in ("_source_key", "key") if name in table.schema.names), None)
    return table.filter(pyarrow.compute.is_in(table.column(column), files)) if column else table


def compare(zone, name, folder):
    """Prints a line; returns whether the tables are the same."""
    here, there = rows.stored(folder), rows.stored(f"s3://{os.environ[zone.upper()]}/{name}")
    key = next((name for name in ("_source_key", "key") if name in here.schema.names), None)
    if key:
        there = of_files(there, here.column(key).unique())
    columns = [rows.columns_of(table.schema, OF_THE_WAY) for table in (here, there)]
    problems = [] if columns[0] == columns[1] else [f"columns {columns[0]} and {columns[1]}"]
    if not problems:
        problems = rows.difference(rows.rows_of(here, OF_THE_WAY), rows.rows_of(there, OF_THE_WAY), "the folder", "the buckets", 1e-9)
    print(f"{zone + '.' + name:<32} {here.num_rows:>8} {'differs' if problems else 'same'}")
    for problem in problems:
        print(f"    {problem}")
    return not problems


def main():
    tables = rows.delta_tables(sys.argv[1])
    same = [compare(*table) for table in tables]
    if not all(same) or not tables:
        sys.exit(f"{same.count(False)} of {len(same)} tables differ")


if __name__ == "__main__":
    main()

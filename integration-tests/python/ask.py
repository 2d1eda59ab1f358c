"""Prints the rows that SQL gives over the Delta tables of a lake in buckets, as a JSON list of lists.

    SILVER=bucket GOLD=bucket python ask.py SQL

The tables that the SQL names (`silver.x`, `gold.y`) are read by the `deltalake` package and asked by DuckDB: nothing here is ours.
Access stands in the environment, as every AWS tool has it.
"""

import json
import os
import re
import sys

import duckdb
import rows


def main():
    sql = sys.argv[1]
    with duckdb.connect() as connection:
        for zone, name in sorted(set(re.findall(r"\b(silver|gold)\.(\w+)", sql))):
            connection.register("stored", rows.stored(f"s3://{os.environ[zone.upper()]}/{name}"))
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {zone}")
            connection.execute(f"CREATE TABLE {zone}.{name} AS FROM stored")
        print(json.dumps(connection.execute(sql).fetchall(), default=str))


if __name__ == "__main__":
    main()

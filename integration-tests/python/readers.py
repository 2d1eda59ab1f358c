"""Reads every table of a lake in buckets with programs that are not ours, straight from S3, and compares each with `pintail query`.

    SILVER=bucket GOLD=bucket python readers.py PINTAIL LAKE PYTHON

LAKE is what `pintail --lake` takes, PYTHON an interpreter that has pyspark. Readers: the `deltalake` and `polars` packages, DuckDB's
`delta` extension, and Spark, which gets the Parquet files that a table's log lists. Exact values; a table is a multiset of rows.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote, urlparse

import deltalake
import duckdb
import polars
import pyarrow.fs
import rows


def connection():
    """DuckDB with its extensions from PyPI."""
    made = duckdb.connect(config={"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    for name in ("httpfs", "delta"):
        package = importlib.util.find_spec(f"duckdb_extension_{name}")
        made.execute(f"LOAD '{next(Path(package.submodule_search_locations[0]).rglob(f'{name}.duckdb_extension'))}'")
    key, secret, region = (os.environ[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "REGION"))
    endpoint = urlparse(os.environ["AWS_ENDPOINT_URL"]).netloc
    made.execute(f"CREATE SECRET (TYPE s3, KEY_ID '{key}', SECRET '{secret}', REGION '{region}', ENDPOINT '{endpoint}', USE_SSL false, URL_STYLE 'path')")
    return made


DUCKDB = connection()
READERS = {
    "deltalake": rows.stored,
    "polars": lambda uri: polars.read_delta(uri).to_arrow(),
    "duckdb": lambda uri: DUCKDB.execute("SELECT * FROM delta_scan(?)", [uri]).to_arrow_table(),
}


def tables():
    """The stored tables: (zone, address)."""
    s3 = storage()
    for zone in ("silver", "gold"):
        bucket = os.environ[zone.upper()]
        for found in sorted(s3.get_file_info(pyarrow.fs.FileSelector(bucket)), key=lambda info: info.path):
            if s3.get_file_info(f"{found.path}/_delta_log").type == pyarrow.fs.FileType.Directory:
                yield zone, f"s3://{found.path}"


def storage():
    return pyarrow.fs.S3FileSystem(endpoint_override=os.environ["AWS_ENDPOINT_URL"], region=os.environ["AWS_REGION"])


def with_spark(tables, python):
    """The rows of each table as Spark reads them: it gets the Parquet files that each log lists, and neither S3 nor Delta."""
    with tempfile.TemporaryDirectory() as scratch:
        for name, uri in tables:
            for source in deltalake.DeltaTable(uri).file_uris():
                at = unquote(source.removeprefix("s3://"))
                target = Path(scratch) / name / at.split("/", 2)[2]
                target.parent.mkdir(parents=True, exist_ok=True)
                with storage().open_input_stream(at) as stream:
                    target.write_bytes(stream.read())
        done = subprocess.run([python, Path(__file__).with_name("spark.py"), scratch], check=False, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"Spark, which needs Java 17 or newer:\n{done.stderr}")
        return json.loads(done.stdout, parse_float=Decimal)


def compare(expected, by_spark, name, uri):
    """Prints one line per reader; returns how many differ."""
    found = {reader: read(uri) for reader, read in READERS.items()}
    schema = found["deltalake"].schema
    expected = rows.rows_of_json(expected, schema)
    seen = {reader: (rows.columns_of(table.schema), rows.rows_of(table)) for reader, table in found.items()}
    seen["spark"] = (rows.columns_of(schema), rows.rows_of_json(by_spark, schema))
    failures = 0
    for reader, (columns, read) in seen.items():
        problems = [] if columns == rows.columns_of(schema) else [f"{reader} sees columns {columns}, deltalake {rows.columns_of(schema)}"]
        problems += rows.difference(expected, read, "pintail", reader)
        print(f"{name:<32} {reader:<10} {len(read):>8} {'differs' if problems else 'same'}")
        for problem in problems:
            print(f"    {problem}")
        failures += bool(problems)
    return failures


def main():
    pintail, lake, spark = sys.argv[1:]
    found = [(f"{zone}.{uri.rsplit('/', 1)[1]}", uri) for zone, uri in tables()]
    by_spark = with_spark(found, spark)
    failures = sum(compare(rows.query(pintail, lake, *name.split(".")), by_spark[name], name, uri) for name, uri in found)
    if failures or not found:
        sys.exit(f"{failures} comparisons differ")


if __name__ == "__main__":
    main()

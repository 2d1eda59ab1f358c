"""A first serverless DuckDB function: read the event, GET, COPY to Parquet, PUT. Nothing is typed by contract, counted or committed."""

import os
from urllib.parse import unquote_plus

import boto3
import duckdb

s3 = boto3.client("s3")


def handler(event, context):
    for record in event["Records"]:
        key = unquote_plus(record["s3"]["object"]["key"])
        s3.download_file(record["s3"]["bucket"]["name"], key, "/tmp/peer.csv")
        duckdb.sql("COPY (FROM read_csv('/tmp/peer.csv')) TO '/tmp/peer.parquet' (FORMAT parquet, COMPRESSION zstd)")
        s3.upload_file("/tmp/peer.parquet", os.environ["OUT"], key + ".parquet")
    return {"files": len(event["Records"])}

"""The same as peer_duckdb.py with Polars."""

import os
from urllib.parse import unquote_plus

import boto3
import polars

s3 = boto3.client("s3")


def handler(event, context):
    for record in event["Records"]:
        key = unquote_plus(record["s3"]["object"]["key"])
        s3.download_file(record["s3"]["bucket"]["name"], key, "/tmp/peer.csv")
        polars.read_csv("/tmp/peer.csv", try_parse_dates=True).write_parquet("/tmp/peer.parquet", compression="zstd")
        s3.upload_file("/tmp/peer.parquet", os.environ["OUT"], key + ".parquet")
    return {"files": len(event["Records"])}

"""Prints the rows of tables as Spark reads them, as JSON: {table: [row, ...]}. A table is a folder of Parquet files.

    python spark.py FOLDER
"""

import json
import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession

SETTINGS = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "1g",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "1",
    "spark.ui.enabled": "false",
    # The table's own type says what a partition's value is.
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    # A table grows columns; files that are older do not have them.
    "spark.sql.parquet.mergeSchema": "true",
}


def read(spark, folder):
    files = [str(file) for file in sorted(folder.rglob("*.parquet"))]
    frame = spark.read.option("basePath", str(folder)).parquet(*files)
    return [row.asDict(recursive=True) for row in frame.collect()]


def main():
    os.environ["TZ"] = "UTC"
    builder = SparkSession.builder.master("local[2]")
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    tables = {folder.name: read(spark, folder) for folder in sorted(Path(sys.argv[1]).iterdir())}
    spark.stop()
    json.dump(tables, sys.stdout, default=str)


if __name__ == "__main__":
    main()

"""Builds a project with real dbt over the accepted records of a lake and compares every model with the lake's table.

    python dbt_equals.py PINTAIL LAKE PROJECT

The accepted records are the silver tables of the sources without lineage columns, exported to Parquet; the project's
variable `accepted` points dbt at them. Doubles may differ by 1e-9 of their value, everything else is exact.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import pyarrow.parquet
import rows

TOLERANCE = 1e-9


def export_accepted(lake, folder):
    folder.mkdir()
    for zone, name, table in rows.delta_tables(lake):
        if zone == "silver" and name != "quarantine":
            records = rows.stored(table)
            records = records.drop_columns([column for column in rows.LINEAGE if column in records.schema.names])
            pyarrow.parquet.write_table(records, folder / f"{name}.parquet")


def build(project, accepted, database):
    """Runs dbt's seeds, models and tests; returns its manifest."""
    environment = {**os.environ, "DBT_DUCKDB_PATH": str(database), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_PROFILES_DIR": str(project)}
    command = [sys.executable, "-m", "dbt.cli.main", "--no-use-colors", "build", "--vars", json.dumps({"accepted": str(accepted)})]
    done = subprocess.run(command, check=False, cwd=project, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    print(done.stdout.strip().splitlines()[-1])
    return json.loads((project / "target" / "manifest.json").read_text())


def built_models(manifest):
    """(zone, name, relation in dbt's database, is a view), sorted; ephemeral models have no table."""
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    models = [node for node in models if node["config"]["materialized"] != "ephemeral"]
    zone = {True: "silver", False: "gold"}
    return sorted(
        (zone[node["config"].get("schema") == "silver"], node["name"], node["relation_name"], node["config"]["materialized"] == "view") for node in models
    )


def compare(pintail, lake, connection, zone, name, relation, is_view):
    """Prints one line; returns whether the table differs."""
    theirs = connection.execute(f"SELECT * FROM {relation}").to_arrow_table()
    folder = Path(lake) / zone / name
    if is_view and not folder.exists():
        ours_rows = rows.rows_of_json(rows.query(pintail, lake, zone, name), theirs.schema)
        problems = []
    else:
        ours = rows.stored(folder)
        ours_rows = rows.rows_of(ours, without=rows.LINEAGE)
        ours_names, their_names = sorted(set(ours.schema.names) - set(rows.LINEAGE)), sorted(theirs.schema.names)
        problems = [] if ours_names == their_names else [f"pintail has columns {ours_names}, dbt has {their_names}"]
    problems += rows.difference(ours_rows, rows.rows_of(theirs), "pintail", "dbt", TOLERANCE)
    print(f"{zone + '.' + name:<32} {len(ours_rows):>8} {'differs' if problems else 'ok'}")
    for problem in problems:
        print(f"    {problem}")
    return bool(problems)


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: python dbt_equals.py PINTAIL LAKE PROJECT")
    pintail, lake, source = sys.argv[1], Path(sys.argv[2]).resolve(), Path(sys.argv[3]).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        project, accepted, database = Path(scratch) / "project", Path(scratch) / "accepted", Path(scratch) / "dbt.duckdb"
        shutil.copytree(source, project, ignore=shutil.ignore_patterns("target", "logs", "sample"))
        export_accepted(lake, accepted)
        models = built_models(build(project, accepted, database))
        with duckdb.connect(str(database), read_only=True) as connection:
            print(f"{'model':<32} {'rows':>8}")
            differing = sum(compare(pintail, lake, connection, *model) for model in models)
    if differing or not models:
        sys.exit(f"{differing} of {len(models)} models differ")


if __name__ == "__main__":
    main()

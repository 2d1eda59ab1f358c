"""Rows of any reader in one comparable form, and the difference of two sets of them."""

import json
import math
import struct
import subprocess
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import deltalake
from pyarrow import types

LINEAGE = ("_source_key", "_source_version", "_source_modified_at", "_ingested_at", "_record_number")


def delta_tables(lake):
    """The stored tables: (zone, name, folder), sorted."""
    found = [log.parent for zone in ("silver", "gold") for log in (Path(lake) / zone).glob("*/_delta_log")]
    return sorted((folder.parent.name, folder.name, folder) for folder in found)


def stored(folder):
    """A Delta table as the `deltalake` package reads it.

    Without threads: with them, deltalake 1.6.6 on pyarrow 26.0.1 aborts every second process at its exit
    ("terminate called without an active exception"), after all is read.
    """
    return deltalake.DeltaTable(folder).to_pyarrow_dataset().to_table(use_threads=False)


def query(pintail, lake, zone, name):
    """The rows of a table as `pintail query` gives them. Numbers keep every digit."""
    command = [pintail, "query", "--lake", str(lake), "--format", "json", f'SELECT * FROM {zone}."{name}"']
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr or done.stdout[:2000]}")
    return json.loads(done.stdout, parse_float=Decimal)


def kind(data_type):
    """The type's name, the same for all of Arrow's ways to lay it out."""
    if types.is_dictionary(data_type):
        return kind(data_type.value_type)
    if types.is_string(data_type) or types.is_large_string(data_type) or types.is_string_view(data_type):
        return "string"
    if types.is_binary(data_type) or types.is_large_binary(data_type) or types.is_binary_view(data_type):
        return "binary"
    if types.is_timestamp(data_type):
        return "timestamp" if data_type.tz else "timestamp_ntz"
    if types.is_decimal(data_type):
        return f"decimal({data_type.precision}, {data_type.scale})"
    if types.is_map(data_type):
        return f"map({kind(data_type.key_type)}, {kind(data_type.item_type)})"
    if types.is_list(data_type) or types.is_large_list(data_type) or types.is_list_view(data_type):
        return f"list({kind(data_type.value_type)})"
    if types.is_struct(data_type):
        return "struct(" + ", ".join(f"{field.name} {kind(field.type)}" for field in data_type) + ")"
    return str(data_type)


def columns_of(schema, without=()):
    """Name to kind, sorted by name."""
    return {name: kind(schema.field(name).type) for name in sorted(schema.names) if name not in without}


def rows_of(table, without=()):
    """An Arrow table's rows as tuples of plain values, columns sorted by name."""
    names = [name for name in sorted(table.schema.names) if name not in without]
    columns = [[plain(value, table.schema.field(name).type) for value in table.column(name).to_pylist()] for name in names]
    return list(zip(*columns)) if names else []


def rows_of_json(objects, schema, without=()):
    """The rows of `pintail query --format json`, read with the types of a schema."""
    names = [name for name in sorted(schema.names) if name not in without]
    for found in objects:
        unknown = set(found) ^ set(schema.names)
        if unknown:
            raise SystemExit(f"pintail query and the stored table differ in columns: {sorted(unknown)}")
    return [tuple(plain(found[name], schema.field(name).type) for name in names) for found in objects]


def plain(value, data_type):
    """One value, from Python or from JSON, as something that compares and sorts by its exact meaning."""
    if value is None:
        return None
    if types.is_dictionary(data_type):
        return plain(value, data_type.value_type)
    if types.is_boolean(data_type):
        return bool(value)
    if types.is_integer(data_type):
        return int(value)
    if types.is_decimal(data_type):
        number = Decimal(str(value))
        return int(number) if number == number.to_integral_value() else str(number.normalize())
    if types.is_floating(data_type):
        return plain_float(float(value), data_type)
    if types.is_timestamp(data_type):
        return plain_timestamp(value, data_type)
    if types.is_date(data_type):
        return (value if isinstance(value, date) else date.fromisoformat(value)).isoformat()
    if types.is_map(data_type):
        return plain_map(value, data_type)
    if types.is_struct(data_type):
        return tuple((field.name, plain(value[field.name], field.type)) for field in data_type)
    if types.is_list(data_type) or types.is_large_list(data_type) or types.is_list_view(data_type):
        return tuple(plain(item, data_type.value_type) for item in value)
    if kind(data_type) == "binary":
        return value if isinstance(value, str) else value.hex()
    return str(value)


def plain_float(value, data_type):
    if types.is_float32(data_type) and math.isfinite(value):
        value = struct.unpack("f", struct.pack("f", value))[0]
    return "nan" if math.isnan(value) else value


def plain_timestamp(value, data_type):
    if isinstance(value, str):
        text = value.strip().replace(" ", "T", 1)
        if text.endswith("Z"):
            text = text[:-1] + "+00:00"
        value = datetime.fromisoformat(text)
    if data_type.tz:
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat(timespec="microseconds")
    return value.replace(tzinfo=None).isoformat(timespec="microseconds")


def plain_map(value, data_type):
    """JSON has maps as objects, or as lists of {key, value}; Arrow has lists of pairs."""
    pairs = value.items() if isinstance(value, dict) else [(p["key"], p["value"]) if isinstance(p, dict) else p for p in value]
    return tuple(sorted((plain(key, data_type.key_type), plain(item, data_type.item_type)) for key, item in pairs))


def order(row):
    """Sorts rows of mixed types; doubles last, so that a tolerated difference does not reorder rows."""
    return repr([v for v in row if not isinstance(v, float)]), repr([v for v in row if isinstance(v, float)])


def same(one, other, tolerance):
    if isinstance(one, float) and isinstance(other, float):
        return one == other or math.isclose(one, other, rel_tol=tolerance)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(same(a, b, tolerance) for a, b in zip(one, other))
    return type(one) is type(other) and one == other


def difference(ours, theirs, ours_name, theirs_name, tolerance=0.0):
    """What a person needs to see where two multisets of rows differ; empty when they do not."""
    if len(ours) != len(theirs):
        rest_ours, rest_theirs = unmatched(ours, theirs), unmatched(theirs, ours)
        return [f"{ours_name} has {len(ours)} rows, {theirs_name} has {len(theirs)}", *only(rest_ours, ours_name), *only(rest_theirs, theirs_name)]
    pairs = zip(sorted(ours, key=order), sorted(theirs, key=order))
    different = [(a, b) for a, b in pairs if not same(a, b, tolerance)]
    lines = [f"{len(different)} of {len(ours)} rows differ"] if different else []
    for a, b in different[:5]:
        lines += [f"  {ours_name}: {a}", f"  {theirs_name}: {b}"]
    return lines


def unmatched(rows, others):
    counts = {}
    for row in others:
        counts[repr(row)] = counts.get(repr(row), 0) + 1
    rest = []
    for row in rows:
        if counts.get(repr(row), 0):
            counts[repr(row)] -= 1
        else:
            rest.append(row)
    return rest


def only(rows, name):
    return [f"  only in {name}: {row}" for row in rows[:5]]

"""Writes the raw files of the sample lake, with the mess that real files have. Deterministic.

    python generate.py                  writes raw/ and expected.json beside this file
    python generate.py --check          compares what is there with what would be written
    python generate.py --accepted DIR   writes the records that must be accepted as DIR/TABLE.parquet

Every record is made together with the reason for which it must be quarantined (None: accepted), so that the
expected counts, and the accepted records, come from here and not from a reader.
"""

import argparse
import gzip
import io
import json
import random
import sys
import zlib
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow
import pyarrow.parquet

HERE = Path(__file__).parent
FIRST_DAY = date(2026, 10, 1)
DAYS = 14
ORDERS_PER_DAY = 220

TYPES = {
    "orders": pyarrow.schema(
        [
            ("order_id", pyarrow.int64()),
            ("customer_id", pyarrow.int64()),
            ("ordered_at", pyarrow.timestamp("us")),
            ("status", pyarrow.string()),
            ("quantity", pyarrow.int32()),
            ("amount", pyarrow.decimal128(10, 2)),
            ("note", pyarrow.string()),
        ]
    ),
    "customers": pyarrow.schema(
        [
            ("customer_id", pyarrow.int64()),
            ("name", pyarrow.string()),
            ("email", pyarrow.string()),
            ("country", pyarrow.string()),
            ("signed_up_on", pyarrow.date32()),
            ("address", pyarrow.struct([("city", pyarrow.string()), ("postcode", pyarrow.string())])),
            ("interests", pyarrow.list_(pyarrow.string())),
            ("updated_at", pyarrow.timestamp("us")),
        ]
    ),
    "payments": pyarrow.schema(
        [
            ("payment_id", pyarrow.int64()),
            ("order_id", pyarrow.int64()),
            ("method", pyarrow.string()),
            ("amount", pyarrow.decimal128(10, 2)),
            ("paid_at", pyarrow.timestamp("us")),
        ]
    ),
    "refunds": pyarrow.schema(
        [
            ("refund_id", pyarrow.int64()),
            ("order_id", pyarrow.int64()),
            ("refunded_on", pyarrow.date32()),
            ("amount", pyarrow.decimal128(10, 2)),
            ("reason", pyarrow.string()),
        ]
    ),
}


@dataclass
class Record:
    values: dict
    reason: str | None = None  # why it must be quarantined
    line: str | None = None  # the text as it stands in the file, where it is not simply the values


@dataclass
class RawFile:
    key: str
    content: bytes
    records: list = field(default_factory=list)
    unreadable: str | None = None  # why the whole file counts as one quarantined record

    def expected(self):
        if self.unreadable:
            return {"records": 1, "accepted": 0, "quarantined": 1, "mess": {self.unreadable: 1}, "status": "quarantined"}
        mess = {}
        for record in self.records:
            if record.reason:
                mess[record.reason] = mess.get(record.reason, 0) + 1
        quarantined = sum(mess.values())
        accepted = len(self.records) - quarantined
        status = "ingested" if accepted or not self.records else "quarantined"
        return {"records": len(self.records), "accepted": accepted, "quarantined": quarantined, "mess": dict(sorted(mess.items())), "status": status}


class Dice:
    """Only `random()` is the same in every version of Python, so everything is made of it."""

    def __init__(self, seed):
        self.random = random.Random(seed).random

    def number(self, low, high):
        return low + int(self.random() * (high - low + 1))

    def pick(self, items):
        return items[int(self.random() * len(items))]

    def chance(self, share):
        return self.random() < share

    def money(self, low, high):
        return Decimal(self.number(low * 100, high * 100)) / 100


def csv_field(value, delimiter=","):
    if value is None:
        return ""
    text = f"{value:.2f}" if isinstance(value, Decimal) else str(value)
    if any(mark in text for mark in (delimiter, '"', "\n", "\r")):
        return '"' + text.replace('"', '""') + '"'
    return text


def csv_bytes(columns, records, delimiter=",", newline="\n", header=None, ends_with_newline=True):
    lines = [delimiter.join(header or columns)]
    for record in records:
        lines.append(record.line if record.line is not None else delimiter.join(csv_field(record.values.get(c), delimiter) for c in columns))
    return (newline.join(lines) + (newline if ends_with_newline else "")).encode()


def gzipped(content):
    return gzip.compress(content, compresslevel=9, mtime=0)


def spoil(record, reason, **texts):
    """The record with some fields replaced by texts that must be refused."""
    return Record({**record.values, **texts}, reason)


# Orders

ORDER_COLUMNS = ["order_id", "customer_id", "ordered_at", "status", "quantity", "amount", "note"]
NOTES = [
    None,
    None,
    None,
    None,
    "leave at the door",
    "please ring, then wait",
    'engraving: "für Zoë"',
    "second floor\nleft door",
    "ご自宅用, 包装なし",
    "gift – no invoice",
]


def orders_of(day_number):
    dice = Dice(f"orders {day_number}")
    day = FIRST_DAY + timedelta(days=day_number)
    records = []
    for number in range(ORDERS_PER_DAY):
        late = day_number > 0 and number < 3  # the evening before, written after midnight
        clock = timedelta(hours=23, minutes=50 + number) - timedelta(days=1) if late else timedelta(seconds=dice.number(0, 86_399))
        records.append(
            Record(
                {
                    "order_id": 10_000 + day_number * 1_000 + number,
                    "customer_id": dice.number(1, 400),
                    "ordered_at": datetime.combine(day, datetime.min.time()) + clock,
                    "status": dice.pick(["placed", "shipped", "shipped", "delivered", "delivered", "delivered", "returned", "cancelled"]),
                    "quantity": dice.number(1, 9),
                    "amount": dice.money(5, 400),
                    "note": dice.pick(NOTES),
                }
            )
        )
    return day, records


def order_files():
    for day_number in range(DAYS):
        day, records = orders_of(day_number)
        columns, options, name = ORDER_COLUMNS, {}, f"orders/{day}.csv"
        compress = day_number in (3, 4, 8, 11, 12)
        cut = False
        if day_number == 1:  # bad dates
            records[20] = spoil(records[20], "bad date", ordered_at="2026-02-30 10:15:00")
            records[87] = spoil(records[87], "bad date", ordered_at="10/02/2026 8:30 PM")
            records[140] = spoil(records[140], "bad date", ordered_at="yesterday")
        if day_number == 2:  # shifted rows
            values = records[33].values
            records[33] = Record(values, "extra field", f"{values['order_id']},{values['customer_id']},,{values['ordered_at']},placed,2,19.99,")
            records[34] = Record(records[34].values, "extra field", ",".join(csv_field(records[34].values[c]) for c in columns) + ",")
            records[150] = Record(records[150].values, "missing field", f"{records[150].values['order_id']},17")
        if day_number == 4:  # an upload that broke off, then the record is cut too
            values = records[-1].values
            records[-1] = Record(values, "missing field", f"{values['order_id']},{values['customer_id']},2026-10-0")
            options["ends_with_newline"] = False
        if day_number == 5:  # the same order twice in one file
            records.insert(101, Record(dict(records[100].values, status="shipped"), "duplicate key"))
            records.insert(102, Record(dict(records[100].values, status="delivered"), "duplicate key"))
        if day_number == 6:  # another order of columns, another spelling
            columns = ["status", "order_id", "amount", "quantity", "ordered_at", "customer_id", "note"]
            options["header"] = ["Status", "Order_ID", "Amount", "Quantity", "Ordered_At", "Customer_ID", "Note"]
        if day_number == 7:  # values that other readers round or guess
            records[12] = spoil(records[12], "not an integer", quantity="1.5")
            records[55] = spoil(records[55], "not a decimal", amount="12,50")
            records[56] = spoil(records[56], "not a decimal", amount="1e2x")
            records[57] = spoil(records[57], "too many decimals", amount="19.999")
            records[90] = spoil(records[90], "expression", quantity="0")
        if day_number == 9:  # empty and unknown status, saved by a spreadsheet (byte order mark, CRLF)
            records[5] = spoil(records[5], "empty value", status=None)
            records[6] = spoil(records[6], "unknown value", status="teleported")
            records[7] = spoil(records[7], "empty value", customer_id=None)
            options["newline"] = "\r\n"
        if day_number >= 10:  # a new column from this day on
            columns = [*ORDER_COLUMNS, "channel"]
            for number, record in enumerate(records):
                record.values["channel"] = ["web", "app", "phone"][number % 3]
        content = csv_bytes(columns, records, **options)
        if day_number == 9:
            content = b"\xef\xbb\xbf" + content
        if compress:
            name, content = name + ".gz", gzipped(content)
        if day_number == 12:  # half a gzip file
            cut, content = True, content[: len(content) // 2]
        yield RawFile(name, content, [] if cut else records, "unreadable" if cut else None)
    yield RawFile("orders/2026-10-15.csv", csv_bytes(ORDER_COLUMNS, []))  # a day without orders: only the header
    yield RawFile("orders/_SUCCESS", b"")


# Customers

COUNTRIES = ["DE"] * 6 + ["AT", "CH", "FR", "NL", "PL", "DK", "ES", "IT", "BR", "JP", "US", "SE"]
CITIES = {
    "DE": "Köln",
    "AT": "Wien",
    "CH": "Zürich",
    "FR": "Orléans",
    "NL": "Delft",
    "PL": "Łódź",
    "DK": "Århus",
    "ES": "Málaga",
    "IT": "Forlì",
    "BR": "São Paulo",
    "JP": "京都",
    "US": "Portland",
    "SE": "Malmö",
}
FIRST_NAMES = ["Zoë", "Jürgen", "Anaïs", "Łukasz", "Søren", "María José", "José", "さくら", "Emily", "Noah", "Olga", "Çağla"]
LAST_NAMES = ["Müller", "O'Neill", "Núñez", "Kowalski", "Østergård", "d'Alembert", "da Silva", "田中", "Smith", "van der Berg", "Ivanova", "Öztürk"]
INTERESTS = ["books", "garden", "bikes", "tea", "music"]


def customer(dice, number, updated_at):
    country = dice.pick(COUNTRIES)
    first, last = dice.pick(FIRST_NAMES), dice.pick(LAST_NAMES)
    return Record(
        {
            "customer_id": number,
            "name": f"{first} {last}" + (" " if dice.chance(0.05) else ""),
            "email": None if dice.chance(0.03) else f"Customer{number}@Example.org",
            "country": country.lower() if dice.chance(0.1) else country,
            "signed_up_on": date(2025, 1, 1) + timedelta(days=dice.number(0, 600)),
            "address": {"city": CITIES[country], "postcode": f"{dice.number(0, 99_999):05}"},
            "interests": [interest for interest in INTERESTS if dice.chance(0.3)],
            "updated_at": updated_at + timedelta(seconds=number),
        }
    )


def json_line(record):
    if record.line is not None:
        return record.line
    values = {
        name: value.isoformat(" ") if isinstance(value, datetime) else value.isoformat() if isinstance(value, date) else value
        for name, value in record.values.items()
    }
    return json.dumps(values, ensure_ascii=False)


def ndjson_bytes(records, ends_with_newline=True):
    return ("\n".join(json_line(record) for record in records) + ("\n" if ends_with_newline else "")).encode()


def customer_files():
    dice = Dice("customers")
    first = [customer(dice, number, datetime(2026, 9, 30, 20)) for number in range(1, 301)]
    first[40] = spoil(first[40], "not an integer", customer_id="forty-one")
    first[77] = spoil(first[77], "bad date", signed_up_on="2025-13-01")
    first[120].values.pop("country")
    first[120].reason = "empty value"
    first[200] = spoil(first[200], "expression", country="Germany")
    first[201] = spoil(first[201], "empty value", name=None)
    yield RawFile("customers/2026-10-01.ndjson", ndjson_bytes(first), first)

    second = [customer(dice, number, datetime(2026, 10, 7, 20)) for number in range(280, 401)]
    changed = second[49].values  # twice in one file: the later one counts, and gold finds it by updated_at
    second.insert(50, Record(dict(changed, country="AT", updated_at=changed["updated_at"] + timedelta(hours=1))))
    last = second[-1]
    last.line = json_line(Record(last.values))[:60]
    last.reason = "not JSON"
    yield RawFile("customers/2026-10-08.ndjson", ndjson_bytes(second, ends_with_newline=False), second)

    third = [customer(dice, number, datetime(2026, 10, 11, 20)) for number in range(1, 401, 9)]
    for number, record in enumerate(third):
        record.values["loyalty"] = {"tier": "gold", "points": number * 10}
    yield RawFile("customers/2026-10-12.ndjson.gz", gzipped(ndjson_bytes(third)), third)


# Payments

PAYMENT_COLUMNS = ["payment_id", "order_id", "method", "amount", "paid_at"]


def payments_of(first_day, days):
    dice = Dice(f"payments {first_day}")
    records = []
    for day_number in range(first_day, first_day + days):
        _, orders = orders_of(day_number)
        for order in orders:
            if order.values["status"] in ("placed", "cancelled"):
                continue
            parts = [order.values["amount"]]
            if dice.chance(0.1):  # paid in two parts
                parts = [Decimal("5.00"), order.values["amount"] - Decimal("5.00")]
            for number, amount in enumerate(parts):
                records.append(
                    Record(
                        {
                            "payment_id": order.values["order_id"] * 10 + number,
                            "order_id": order.values["order_id"],
                            "method": dice.pick(["card", "card", "card", "transfer", "voucher"]),
                            "amount": amount,
                            "paid_at": order.values["ordered_at"] + timedelta(seconds=dice.number(5, 90_000)),
                        }
                    )
                )
    return records


def parquet_bytes(schema, records):
    sink = io.BytesIO()
    table = pyarrow.Table.from_pylist([record.values for record in records], schema=schema)
    pyarrow.parquet.write_table(table, sink, compression="zstd", row_group_size=500)
    return sink.getvalue()


def payment_files():
    week = payments_of(0, 7)
    week[30] = spoil(week[30], "empty value", method=None)
    week[31] = spoil(week[31], "unknown value", method="barter")
    week[32] = spoil(week[32], "expression", amount=Decimal("-3.50"))
    yield RawFile("payments/week-40.parquet", parquet_bytes(TYPES["payments"], week), week)

    old = payments_of(7, 1)
    old[3] = spoil(old[3], "bad date", paid_at="2026-10-08 25:00:00")
    yield RawFile("payments/legacy-2026-10-08.csv.gz", gzipped(csv_bytes(PAYMENT_COLUMNS, old)), old)

    narrow = payments_of(8, 3)  # another writer: 32-bit order ids, other order of columns
    fields = {f.name: f for f in TYPES["payments"]}
    schema = pyarrow.schema([fields["paid_at"], pyarrow.field("order_id", pyarrow.int32()), fields["payment_id"], fields["amount"], fields["method"]])
    yield RawFile("payments/week-41a.parquet", parquet_bytes(schema, narrow), narrow)

    damaged = parquet_bytes(TYPES["payments"], payments_of(11, 3))
    yield RawFile("payments/week-41b.parquet", damaged[: len(damaged) - 700], unreadable="unreadable")


# Refunds

REFUND_COLUMNS = ["refund_id", "order_id", "refunded_on", "amount", "reason"]


def refunds_of(name, days):
    dice = Dice(f"refunds {name}")
    records = []
    for day_number in days:
        day, orders = orders_of(day_number)
        for order in orders:
            if order.values["status"] == "returned":
                records.append(
                    Record(
                        {
                            "refund_id": order.values["order_id"] + 500_000,
                            "order_id": order.values["order_id"],
                            "refunded_on": day + timedelta(days=dice.number(1, 9)),
                            "amount": order.values["amount"],
                            "reason": dice.pick(["too small", "broken; box was open", "n/a", "changed mind"]),
                        }
                    )
                )
    return records


def refund_bytes(records):
    def text(value):
        return value.strftime("%d.%m.%Y") if isinstance(value, date) else value

    return csv_bytes(REFUND_COLUMNS, [Record({name: text(value) for name, value in r.values.items()}) for r in records], delimiter=";")


def refund_files():
    first = refunds_of("first", range(5))
    first[4] = spoil(first[4], "not a decimal", amount="12,50")
    first[9] = spoil(first[9], "bad date", refunded_on="2026-10-08")
    content = refund_bytes(first)
    for record in first:
        if record.values["reason"] == "n/a":
            record.values["reason"] = None
    yield RawFile("refunds/first-half.csv", content, first)

    second = refunds_of("second", range(5, 8))  # somebody changed the number format: nearly every amount has a comma
    for number, record in enumerate(second):
        if number % 4:
            second[number] = spoil(record, "too many rejects", amount=str(record.values["amount"]).replace(".", ","))
        else:
            record.reason = "too many rejects"
    yield RawFile("refunds/second-half.csv", refund_bytes(second), second)


# Web visits: no source claims them, so their types are inferred


def visit_files():
    columns = ["visited_at", "visitor", "page", "code", "duration_ms", "bot"]
    dice = Dice("visits")

    def visits(day, count):
        return [
            Record(
                {
                    "visited_at": datetime.combine(day, datetime.min.time()) + timedelta(seconds=dice.number(0, 86_399)),
                    "visitor": dice.number(1, 500),
                    "page": dice.pick(["/", "/tea", "/bikes?color=red,blue", "/о-нас", "/cart"]),
                    "code": f"{dice.number(1, 99):03}",
                    "duration_ms": dice.number(1, 90_000),
                    "bot": dice.pick(["true", "false", "false", "false"]),
                }
            )
            for _ in range(count)
        ]

    first = visits(FIRST_DAY, 200)
    yield RawFile(f"web_visits/{FIRST_DAY}.csv", csv_bytes(columns, first), first)
    second = visits(FIRST_DAY + timedelta(days=1), 150)
    for record in second:
        record.values["referrer"] = dice.pick([None, "https://example.org/?q=tea", "newsletter"])
    second[10] = spoil(second[10], "not an integer", duration_ms="fast")
    yield RawFile(f"web_visits/{FIRST_DAY + timedelta(days=1)}.csv", csv_bytes([*columns, "referrer"], second), second)


# Writing and checking


def all_files():
    return [*order_files(), *customer_files(), *payment_files(), *refund_files(), *visit_files()]


def expected(files):
    return {f.key: f.expected() for f in sorted(files, key=lambda f: f.key) if not f.key.split("/")[-1].startswith("_")}


def expected_text(files):
    return json.dumps(expected(files), indent=2, ensure_ascii=False) + "\n"


def meaning(key, content):
    """What a file says, whichever release of zlib or pyarrow wrote it."""
    if content[-4:] == b"PAR1":
        return pyarrow.parquet.read_table(io.BytesIO(content))
    if content[:4] == b"PAR1":
        return "damaged"  # its bytes depend on the release of pyarrow
    if key.endswith(".gz"):
        inflate = zlib.decompressobj(31)
        text = inflate.decompress(content)
        return text if inflate.eof else ("truncated", text[:4_000])
    return content


def check(files):
    wanted = {f"raw/{f.key}": f.content for f in files} | {"expected.json": expected_text(files).encode()}
    present = {p.relative_to(HERE).as_posix() for p in (HERE / "raw").rglob("*") if p.is_file()}
    problems = [f"{path}: is not made by generate.py" for path in sorted(present - set(wanted))]
    for path, content in wanted.items():
        here = HERE / path
        if not here.is_file():
            problems.append(f"{path}: is missing")
        elif here.read_bytes() != content and meaning(path, here.read_bytes()) != meaning(path, content):
            problems.append(f"{path}: differs")
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit("the sample is not what generate.py writes; run: python pipeline/sample/generate.py")
    print(f"{len(wanted)} sample files are as generated")


def write(files):
    for file in files:
        path = HERE / "raw" / file.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
    (HERE / "expected.json").write_text(expected_text(files), encoding="utf-8")


def typed(values, schema):
    """A record as its contract types it; a declared column only."""
    return {name: values.get(name) for name in schema.names}


def write_accepted(files, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for table, schema in TYPES.items():
        rows = [typed(r.values, schema) for f in files if f.key.startswith(f"{table}/") for r in f.records if not r.reason]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), folder / f"{table}.parquet")
        print(f"{table}: {len(rows)} accepted records")


def main():
    parser = argparse.ArgumentParser(description="Writes the raw files of the sample lake.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument("--accepted", type=Path, help="write the records that must be accepted as Parquet into this folder")
    arguments = parser.parse_args()
    files = all_files()
    if arguments.check:
        check(files)
    elif arguments.accepted:
        write_accepted(files, arguments.accepted)
    else:
        write(files)


if __name__ == "__main__":
    main()

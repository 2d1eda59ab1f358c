//! Read back: other engines read the tables as `pintail query` does, and dbt builds the same ones.

use std::path::Path;

use crate::lake::{Lake, PINTAIL, demo};
use crate::python;

#[test]
fn three_other_readers_see_the_demo_as_query_does() {
    let lake = demo();
    let done = python::run("readback.py", &[Path::new(PINTAIL), &lake.path("")]);
    for table in
        ["gold.customer_value", "gold.orders_by_day", "silver.quarantine", "silver.stg_orders", "silver.web_visits"]
    {
        assert_eq!(
            done.stdout.lines().filter(|line| line.starts_with(table) && line.ends_with(" ok")).count(),
            3,
            "{done}"
        );
    }
}

#[test]
fn dbt_builds_the_tables_of_the_demo_row_for_row() {
    let lake = demo();
    let done = python::run("dbt_equals.py", &[Path::new(PINTAIL), &lake.path(""), &lake.folder().join("lake/project")]);
    assert_eq!(done.stdout.lines().filter(|line| line.ends_with(" ok")).count(), 11, "{done}");
}

#[test]
fn three_other_readers_see_every_type_and_partition_as_query_does() {
    let lake = Lake::of(include_str!("../fixtures/stories/types.txt"));
    let done = lake.ingest(0, &[]);
    assert_eq!(done.told(), "kinds/a.ndjson: ingested 4/4/0");
    lake.audit();
    assert_eq!(
        lake.query("SELECT total, unsigned_total, gap, span, nanos, word FROM gold.sums WHERE text LIKE 'a,b%'"),
        "-9223372036854775808,18446744073709551615,3 days,22:59:59.999999,2026-01-01T00:00:00.123456,b"
    );
    assert_eq!(
        lake.pintail(&[
            "query",
            "--lake",
            "lake",
            "--format",
            "json",
            "SELECT single, double, zoned FROM silver.kinds ORDER BY id"
        ])
        .exits(0)
        .stdout
        .trim(),
        r#"[{"single":1.5,"double":1e+308,"zoned":"2025-12-31T22:00:00Z"},{"single":"NaN","double":"NaN","zoned":null},{"single":"-Infinity","double":"Infinity","zoned":null},{"single":null,"double":-0.0,"zoned":null}]"#
    );
    let done = python::run("readback.py", &[Path::new(PINTAIL), &lake.path("")]);
    assert_eq!(done.stdout.lines().filter(|line| line.ends_with(" ok")).count(), 30, "{done}");
}

#[test]
fn an_empty_text_is_no_partition_and_withholds_the_table() {
    let lake = Lake::of(
        "-- raw/words.csv --\nid,word\n1,\"\"\n2,b\n\
         -- models/sources.yml --\nsources:\n  - name: raw\n    tables:\n      - name: words\n        meta: {null_tokens: [NULL]}\n\
         -- models/gold/by_word.sql --\n{{ config(partition_by=['word']) }} select id, word from {{ source('raw', 'words') }}\n",
    );
    let done = lake.ingest(1, &[]);
    let gold = &done.receipt("words.csv")["gold"][0];
    assert_eq!(gold["status"], "withheld", "{done}");
    assert_eq!(
        gold["reason"],
        "partition column \"word\": Invalid argument error: an empty string is no partition value: Delta reads it back as NULL"
    );
}

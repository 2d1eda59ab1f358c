//! The demonstration: what it shows is what the sample's own list of its mess says.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::lake::{Lake, demo};

const EXPECTED: &str = include_str!("../../../pipeline/sample/expected.json");

#[test]
fn the_demo_accounts_for_every_file_as_the_sample_says() {
    let lake = demo();
    let history = lake.pintail(&["history", "--lake", "lake", "--format", "json"]).exits(0);
    let history: Vec<Value> = serde_json::from_str(&history.stdout).unwrap();
    let counts = |entry: &Value| json!([entry["status"], entry["records"], entry["accepted"], entry["quarantined"]]);
    let found: BTreeMap<String, Value> =
        history.iter().map(|entry| (entry["key"].as_str().unwrap_or_default().to_owned(), counts(entry))).collect();
    let expected: BTreeMap<String, Value> = serde_json::from_str(EXPECTED).unwrap();
    let expected: BTreeMap<String, Value> = expected
        .iter()
        .filter(|(_, entry)| entry["status"] != "ignored")
        .map(|(key, entry)| (key.clone(), counts(entry)))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(found.len(), 26);
}

#[test]
fn the_demo_shows_counts_a_gold_table_rejects_and_what_to_try_next() {
    let lake = Lake::of("");
    let done = lake.pintail(&["demo"]).exits(0);
    for text in [
        "orders/2026-10-03.csv              220 records, 3 quarantined",
        "26 files: 5849 records = 5736 accepted + 113 quarantined; 0 unchanged, 1 ignored",
        "gold.orders_by_day: refreshed, version 0",
        "│ 2026-10-01 ┆    203 ┆   975 ┆ 42961.95 ┆",
        "has 8 fields, the header has 7",
        "pintail audit --lake pintail-demo --project pintail-demo/project",
    ] {
        assert!(done.stdout.contains(text), "{text:?} is not shown\n{done}");
    }
}

#[test]
fn the_demo_refuses_a_folder_that_holds_something_else() {
    let lake = Lake::of("-- raw/mine.csv --\na\n1\n");
    lake.pintail(&["demo", "lake"]).exits(2).says("lake is not empty and not the demo's; name another folder");
}

#[test]
fn the_audit_proves_the_demo() {
    let lake = demo();
    let done = lake.pintail(&["audit", "--lake", "lake", "--project", "lake/project"]).exits(0);
    assert_eq!(
        done.stdout,
        "26 raw objects: 5849 records = 5736 accepted + 113 quarantined\n\
         gold equals its SQL: orders_by_day, order_balance, customer_value, payments_by_day, revenue_by_country, revenue_by_week\n\
         everything agrees\n"
    );
}

#[test]
fn a_second_ingest_of_the_demo_commits_nothing() {
    let lake = demo();
    let before = lake.table_files();
    let arguments = ["ingest", "--lake", "lake", "--project", "lake/project"];
    let done = lake.pintail(&arguments).exits(0);
    let first = done.stdout.lines().next();
    assert_eq!(first, Some("0 files: 0 records = 0 accepted + 0 quarantined; 26 unchanged, 1 ignored"), "{done}");
    let json = lake.pintail(&[&arguments[..], &["--json"]].concat()).exits(0);
    assert_eq!(json.stdout, "", "{json}");
    assert_eq!(lake.table_files(), before);
}

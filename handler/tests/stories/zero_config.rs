//! Without a project: the name of the table comes from the key, the types from the whole first file.

use std::fs;

use crate::lake::Lake;

const FIRST: &str = include_str!("../fixtures/stories/inferred.txt");

fn columns(lake: &Lake, table: &str) -> String {
    let sql = format!(
        "SELECT string_agg(name || ' ' || type, ', ' ORDER BY position) FROM (SELECT column_name AS name, column_type AS type, \
         row_number() OVER () AS position FROM (DESCRIBE silver.{table})) WHERE NOT starts_with(name, '_')"
    );
    lake.query(&sql).trim_matches('"').to_owned()
}

#[test]
fn a_table_is_named_by_the_first_folder_or_the_file() {
    let lake = Lake::of("");
    for key in ["Order Lines/2026/a.csv", "data.2026.csv", "Ünits/a.csv", "tables.tsv"] {
        lake.write(&format!("raw/{key}"), "a\n1\n");
    }
    let done = lake.ingest(0, &[]);
    let tables = |key: &str| done.receipt(key)["silver"][0]["table"].as_str().unwrap_or_default().to_owned();
    assert_eq!(tables("Order Lines/2026/a.csv"), "order_lines");
    assert_eq!(tables("data.2026.csv"), "data");
    assert_eq!(tables("Ünits/a.csv"), "_nits");
    assert_eq!(tables("tables.tsv"), "tables");
    lake.audit();
}

#[test]
fn types_are_inferred_strictly_over_the_whole_first_file() {
    let lake = Lake::of(FIRST);
    lake.ingest(0, &[]);
    assert_eq!(
        columns(&lake, "visits"),
        "id BIGINT, code VARCHAR, flag BOOLEAN, price DOUBLE, day DATE, moment TIMESTAMP, late VARCHAR, nothing VARCHAR"
    );
    assert_eq!(
        lake.query("SELECT id, code, flag, price, day, moment, late FROM silver.visits WHERE id < 3 ORDER BY id"),
        "1,007,true,1.5,2026-01-01,2026-01-01T10:00:00,1\n2,008,false,2.0,2026-01-02,2026-01-02T10:00:00.500,2"
    );
}

#[test]
fn a_later_file_adds_columns_and_its_misfits_are_quarantined() {
    let lake = Lake::of(FIRST);
    lake.ingest(0, &[]);
    lake.write("raw/visits/2.csv", "id,code,new column\n101,x,7\nfour,y,8\n103,z,\n");
    let done = lake.ingest(0, &[]);
    assert_eq!(done.told(), "visits/2.csv: ingested 3/2/1");
    assert_eq!(lake.reasons(), "visits/2.csv:2: column \"id\": \"four\" is not BIGINT");
    assert_eq!(
        columns(&lake, "visits"),
        "id BIGINT, code VARCHAR, flag BOOLEAN, price DOUBLE, day DATE, moment TIMESTAMP, late VARCHAR, nothing VARCHAR, new_column BIGINT"
    );
    assert_eq!(
        lake.query("SELECT id, code, price, new_column FROM silver.visits WHERE id > 100 ORDER BY id"),
        "101,x,,7\n103,z,,"
    );
    lake.audit();
}

#[test]
fn a_json_file_may_leave_columns_out_and_nest_them() {
    let lake = Lake::of(
        "-- raw/events.ndjson --\n{\"id\": 1, \"tags\": [\"a\"], \"place\": {\"city\": \"X\"}}\n{\"id\": 2, \"extra\": true}\n[1]\n",
    );
    let done = lake.ingest(0, &[]);
    assert_eq!(done.told(), "events.ndjson: ingested 3/2/1");
    assert_eq!(lake.query("SELECT id, extra FROM silver.events ORDER BY id"), "1,\n2,true");
    lake.audit();
}

#[test]
fn an_unknown_extension_is_quarantined_whole() {
    let lake = Lake::of("-- raw/reports/a.pdf --\nPK\n-- raw/reports/b.csv --\na\n1\n");
    let done = lake.ingest(0, &[]);
    assert_eq!(done.told(), "reports/a.pdf: quarantined 1/0/1\nreports/b.csv: ingested 1/1/0");
    assert_eq!(
        lake.reasons(),
        "reports/a.pdf:1: the extension is none of csv, tsv, txt, json, ndjson, jsonl, parquet (with .gz, .zst, .bz2, .xz or .sz), and no source declares a format"
    );
    lake.audit();
}

#[test]
fn keys_with_a_hidden_part_are_ignored_and_counted() {
    let lake = Lake::of("-- raw/a.csv --\na\n1\n");
    for key in ["_SUCCESS", ".DS_Store", "a/_SUCCESS", "a/._b.csv", "_tmp/x/b.csv"] {
        lake.write(&format!("raw/{key}"), "a\n1\n");
    }
    let done = lake.pintail(&["ingest", "--lake", "lake"]).exits(0);
    assert_eq!(
        done.stdout, "a.csv  1 record\n1 file: 1 record = 1 accepted + 0 quarantined; 0 unchanged, 5 ignored\n",
        "{done}"
    );
    let done = lake.ingest(1, &["_SUCCESS"]);
    assert_eq!(done.receipt("_SUCCESS")["status"], "failed", "{done}");
}

#[test]
fn compressed_files_are_read_as_what_they_hold() {
    let lake = Lake::of("");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/stories/compressed");
    for name in ["a.csv.gz", "b.CSV.zst", "c.ndjson.gz", "d.csv.gzip"] {
        lake.write(&format!("raw/visits/{name}"), fs::read(format!("{folder}/{name}")).unwrap());
    }
    let done = lake.ingest(0, &[]);
    assert_eq!(
        done.told(),
        "visits/a.csv.gz: ingested 2/2/0\nvisits/b.CSV.zst: ingested 2/2/0\nvisits/c.ndjson.gz: ingested 2/2/0\nvisits/d.csv.gzip: ingested 2/2/0"
    );
    assert_eq!(lake.query("SELECT DISTINCT id, page FROM silver.visits ORDER BY id"), "1,home\n2,cart");
    lake.audit();
}

#[test]
fn an_empty_file_and_a_header_alone_are_ingested_with_no_records() {
    let lake = Lake::of("-- raw/a/empty.csv --\n-- raw/a/header.csv --\nid,name\n-- raw/b/empty.ndjson --\n");
    let done = lake.ingest(0, &[]);
    assert_eq!(
        done.told(),
        "a/empty.csv: ingested 0/0/0\na/header.csv: ingested 0/0/0\nb/empty.ndjson: ingested 0/0/0"
    );
    lake.write("raw/a/rows.csv", "id,name\n1,x\n");
    assert_eq!(lake.ingest(0, &[]).told(), "a/rows.csv: ingested 1/1/0");
    assert_eq!(columns(&lake, "a"), "id BIGINT, name VARCHAR");
    lake.audit();
}

#[test]
fn odd_keys_are_kept_letter_by_letter() {
    let lake = Lake::of("");
    let keys =
        ["odd/a b+c%20d.csv", "odd/ü–ß 日本.csv", "odd/it's \"quoted\".csv", "odd/[x]{y}*?.csv", "odd/a\\b;--.csv"];
    for key in keys {
        lake.write(&format!("raw/{key}"), "a\n1\n");
    }
    let mut named = vec!["odd/a b+c%20d.csv"];
    let done = lake.ingest(0, &named);
    assert_eq!(done.receipts().len(), 1, "{done}");
    named.extend(keys);
    lake.ingest(0, &[]);
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    let stored = lake
        .pintail(&["query", "--lake", "lake", "--format", "json", "SELECT _source_key AS k FROM silver.odd ORDER BY k"])
        .exits(0);
    let stored: Vec<serde_json::Value> = serde_json::from_str(&stored.stdout).unwrap();
    assert_eq!(stored.iter().filter_map(|row| row["k"].as_str()).collect::<Vec<_>>(), sorted);
    lake.audit();
}

#[test]
fn a_key_that_gives_no_table_is_quarantined_with_the_reason() {
    let lake = Lake::of("-- raw/!!!.csv --\na\n1\n-- raw/quarantine/a.csv --\na\n1\n-- raw/good.csv --\na\n1\n");
    let done = lake.ingest(0, &[]);
    assert_eq!(
        done.told(),
        "!!!.csv: quarantined 1/0/1\ngood.csv: ingested 1/1/0\nquarantine/a.csv: quarantined 1/0/1"
    );
    assert_eq!(
        lake.reasons(),
        "!!!.csv:1: key \"!!!.csv\" gives no name of a table\nquarantine/a.csv:1: key \"quarantine/a.csv\" gives no name of a table"
    );
    lake.audit();
}

#[test]
fn two_columns_of_one_name_refuse_the_file() {
    let lake =
        Lake::of("-- raw/a.csv --\nx,x\n1,2\n3,4\n-- raw/b.csv --\na b,a_b\n1,2\n-- raw/c.csv --\n_source_key\n1\n");
    let done = lake.ingest(0, &[]);
    assert_eq!(done.told(), "a.csv: quarantined 2/0/2\nb.csv: quarantined 1/0/1\nc.csv: quarantined 1/0/1");
    assert_eq!(
        lake.reasons(),
        "a.csv:1: columns \"x\" and \"x\" have the same name in the table\n\
         a.csv:2: columns \"x\" and \"x\" have the same name in the table\n\
         b.csv:1: columns \"a b\" and \"a_b\" have the same name in the table\n\
         c.csv:1: column \"_source_key\" has the name of a column of Pintail's own"
    );
    lake.audit();
}

#[test]
fn an_inferred_contract_adopted_into_a_project_gives_the_same_rows() {
    let lake = Lake::of(FIRST);
    lake.ingest(0, &[]);
    lake.write("raw/visits/2.csv", "id,code,new column\n101,x,7\nfour,y,8\n");
    lake.ingest(0, &[]);
    let rows = "SELECT id, code, flag, price, day, moment, late, nothing, new_column, _source_key, _source_version, _record_number FROM silver.visits ORDER BY id";
    let (before, rejects) = (lake.query(rows), lake.reasons());
    let block = lake.pintail(&["contract", "--lake", "lake", "visits"]).exits(0).stdout;
    lake.pintail(&["init", "project"]).exits(0);
    for path in ["models/silver/stg_visits.sql", "models/gold/visits_by_day.sql"] {
        lake.remove(path);
    }
    lake.write("models/sources.yml", block);
    lake.pintail(&["check", "--project", "project"]).exits(0).says("1 sources, 0 models, 0 seeds, 0 tests: all bind");
    let again = lake.ingest(0, &["--again"]);
    assert_eq!(again.told(), "visits/1.csv: ingested 4/4/0\nvisits/2.csv: ingested 2/1/1");
    assert_eq!(lake.query(rows), before);
    assert_eq!(lake.reasons(), rejects);
    lake.audit();
}

/// More records than are looked at before the types are guessed.
const MANY: usize = 40_000;

#[test]
fn what_comes_late_in_a_large_file_counts_as_what_comes_first() {
    let lake = Lake::of("");
    let lines = |record: &str, last: &str| format!("{}{last}\n", format!("{record}\n").repeat(MANY));
    lake.write("raw/steady/1.csv", format!("a,b\n{}", lines("1,x", "2,y")));
    lake.write("raw/late/1.csv", format!("a,b\n{}", lines("1,", "x,7")));
    lake.write("raw/keys/1.ndjson", lines("{\"a\":1}", "{\"b\":\"2026-01-01\",\"a\":1.5}"));
    let done = lake.ingest(0, &[]);
    let many = MANY + 1;
    let told = |key: &str| format!("{key}: ingested {many}/{many}/0\n");
    assert_eq!(
        format!("{}\n", done.told()),
        [told("keys/1.ndjson"), told("late/1.csv"), told("steady/1.csv")].concat()
    );
    assert_eq!(columns(&lake, "steady"), "a BIGINT, b VARCHAR");
    assert_eq!(columns(&lake, "late"), "a VARCHAR, b BIGINT");
    assert_eq!(columns(&lake, "keys"), "a DOUBLE, b DATE");
    assert_eq!(lake.query("SELECT sum(b), count(*) FILTER (WHERE a = '1') FROM silver.late"), format!("7,{MANY}"));
    lake.audit();
}

#[test]
fn a_wrong_guess_leaves_nothing_behind_in_the_files_that_came_with_it() {
    let lake = Lake::of("");
    lake.write("raw/t/1.csv", format!("a\n{}x\n", "1\n".repeat(MANY)));
    lake.write("raw/t/2.csv", "a\n007\n8\n");
    let done = lake.ingest(0, &[]);
    assert_eq!(done.told(), format!("t/1.csv: ingested {0}/{0}/0\nt/2.csv: ingested 2/2/0", MANY + 1));
    assert_eq!(columns(&lake, "t"), "a VARCHAR");
    assert_eq!(lake.query("SELECT string_agg(a, ' ' ORDER BY a) FROM silver.t WHERE a <> '1'"), "007 8 x");
    lake.audit();
}

#[test]
fn a_file_that_cannot_be_read_to_its_end_gives_no_types() {
    let lake = Lake::of("");
    lake.write("raw/t/1.csv", "a\n1\n");
    lake.ingest(0, &[]);
    let mut open = format!("[{}", "{\"a\":1,\"c\":1},\n".repeat(MANY));
    open.truncate(open.len() - 5);
    lake.write("raw/t/2.json", open);
    let done = lake.ingest(0, &[]);
    assert_eq!(done.told(), "t/2.json: quarantined 1/0/1");
    assert_eq!(columns(&lake, "t"), "a BIGINT");
    lake.write("raw/t/2.json", "[{\"a\":1,\"c\":\"x\"}]");
    lake.ingest(0, &[]);
    assert_eq!(columns(&lake, "t"), "a BIGINT, c VARCHAR");
    lake.audit();
}

/// A declared source, and a file of it whose last record is not like the many before.
fn declared_with_a_late_record(on_new_column: &str, last: &str) -> Lake {
    let lake = Lake::of(&format!(
        "-- models/sources.yml --
sources:
  - name: shop
    tables:
      - name: t
        config: {{meta: {{on_new_column: {on_new_column}}}}}
        columns: [{{name: a, data_type: bigint}}, {{name: b}}]
"
    ));
    lake.write("raw/t/1.ndjson", format!("{}{last}\n", "{\"a\":1}\n".repeat(MANY)));
    lake
}

#[test]
fn a_declared_column_without_a_type_gets_it_from_values_that_come_late() {
    let lake = declared_with_a_late_record("add", "{\"a\":2,\"b\":7}");
    lake.ingest(0, &[]);
    assert_eq!(columns(&lake, "t"), "a BIGINT, b BIGINT");
    lake.audit();
}

#[test]
fn a_declared_source_may_refuse_a_key_that_comes_late() {
    let lake = declared_with_a_late_record("reject", "{\"a\":2,\"c\":7}");
    let done = lake.ingest(0, &[]);
    assert_eq!(done.told(), format!("t/1.ndjson: quarantined {0}/0/{0}", MANY + 1));
    assert!(
        lake.reasons().starts_with("t/1.ndjson:1: column \"c\" is not in the contract"),
        "{}",
        &lake.reasons()[..200]
    );
    lake.audit();
}

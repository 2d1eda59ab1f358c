//! The command line: exit codes, what stands on stdout, and what each command does and does not do.

use std::fs;

use serde_json::{Value, json};

use crate::lake::Lake;

const SHOP: &str = include_str!("../fixtures/stories/shop.txt");

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_wrong() {
    let lake = Lake::of(SHOP);
    lake.pintail(&["ingest"]).exits(2).says("--lake");
    lake.pintail(&["swim"]).exits(2).says("swim");
    lake.pintail(&["ingest", "--lake", "nowhere"]).exits(2).says("error: nowhere is no lake: it has no folder raw/");
    lake.pintail(&["query", "--lake", "nowhere", "SELECT 1"]).exits(2).says("nowhere is no lake");
    lake.pintail(&["query", "--lake", "lake", "SELECT 1", "--format", "xml"]).exits(2).says("xml");
    lake.pintail(&["vacuum", "--lake", "lake", "--retain", "soon"])
        .exits(2)
        .says("is no duration: a number and d, h, m or s, such as 7d");
    assert!(!lake.folder().join("nowhere").exists());
}

#[test]
fn a_receipt_has_every_field_and_nothing_else_is_on_stdout() {
    let lake = Lake::of(SHOP);
    lake.write("raw/orders/b.csv", "id,day,amount\n3,2026-01-03,x\n4,2026-01-03,4\n");
    lake.write("raw/notes.xlsx", "PK");
    let done = lake.ingest(0, &[]);
    assert_eq!(done.stdout.lines().count(), 3, "{done}");
    for (key, receipt) in done.receipts() {
        for field in [
            "source",
            "key",
            "version",
            "status",
            "records",
            "accepted",
            "quarantined",
            "silver",
            "gold",
            "bytes",
            "started_at",
            "duration_ms",
            "error",
        ] {
            assert!(receipt.get(field).is_some(), "{key} has no {field}\n{done}");
        }
    }
    let receipt = done.receipt("orders/b.csv");
    let table = |index: usize| {
        json!([
            receipt["silver"][index]["table"],
            receipt["silver"][index]["version"],
            receipt["silver"][index]["rows"]
        ])
    };
    assert_eq!(
        json!([
            receipt["source"],
            receipt["status"],
            receipt["records"],
            receipt["accepted"],
            receipt["quarantined"],
            receipt["bytes"],
            receipt["error"]
        ]),
        json!(["raw.orders", "ingested", 2, 1, 1, 44, null]),
        "{done}"
    );
    assert_eq!((table(0), table(1)), (json!(["orders", 0, 1]), json!(["stg_orders", 0, 1])), "{done}");
    assert_eq!(receipt["gold"], json!([{"table": "by_day", "version": 0, "status": "refreshed"}]), "{done}");
    let receipt = done.receipt("notes.xlsx");
    assert_eq!(receipt["status"], "quarantined", "{done}");
    assert_eq!(receipt["error"], "the object is an Excel workbook; export it as CSV", "{done}");
}

#[test]
fn unchanged_files_print_only_when_they_are_named() {
    let lake = Lake::of(SHOP);
    lake.ingest(0, &[]);
    assert_eq!(lake.ingest(0, &[]).stdout, "");
    assert_eq!(lake.ingest(0, &["orders/a.csv"]).told(), "orders/a.csv: unchanged 2/2/0");
    let done = lake.ingest(1, &["orders/nothing.csv"]);
    assert_eq!(
        done.receipt("orders/nothing.csv")["error"],
        "raw key \"orders/nothing.csv\" is refused: there is no such raw object",
        "{done}"
    );
}

#[test]
fn only_named_keys_are_read() {
    let lake = Lake::of(SHOP);
    lake.write("raw/orders/b.csv", "id,day,amount\n3,2026-01-03,3\n");
    assert_eq!(lake.ingest(0, &["orders/b.csv"]).told(), "orders/b.csv: ingested 1/1/0");
    assert_eq!(lake.query("SELECT id FROM silver.orders"), "3");
    assert_eq!(lake.ingest(0, &[]).told(), "orders/a.csv: ingested 2/2/0");
    lake.audit();
}

#[test]
fn a_dry_run_says_what_would_be_read_and_changes_nothing() {
    let lake = Lake::of(SHOP);
    let before = lake.files("");
    let done = lake.pintail(&["ingest", "--lake", "lake", "--project", "project", "--dry-run"]).exits(0);
    assert_eq!(done.stdout, "orders/a.csv: read -> silver/orders, silver/stg_orders\n", "{done}");
    assert_eq!(lake.files(""), before);
    let done = lake.ingest(0, &["--dry-run"]);
    let planned: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(
        planned,
        json!({"key": "orders/a.csv", "action": "read", "tables": ["silver/orders", "silver/stg_orders"]})
    );
    lake.ingest(0, &[]);
    let done = lake.pintail(&["ingest", "--lake", "lake", "--project", "project", "--dry-run"]).exits(0);
    assert_eq!(done.stdout, "nothing to read\n", "{done}");
}

#[test]
fn query_writes_csv_that_any_reader_understands() {
    let lake = Lake::of("");
    lake.write(
        "raw/t.ndjson",
        "{\"a\": \"x,y\\\"z\\nw\", \"b\": null, \"c\": [1, 2]}\n{\"a\": \"\", \"b\": 1.5, \"c\": []}\n",
    );
    lake.ingest(0, &[]);
    let done = lake
        .pintail(&[
            "query",
            "--lake",
            "lake",
            "--format",
            "csv",
            "SELECT a AS \"a,1\", b, c FROM silver.t ORDER BY a DESC",
        ])
        .exits(0);
    assert_eq!(done.stdout, "\"a,1\",b,c\n\"x,y\"\"z\nw\",,\"[1, 2]\"\n\"\",1.5,[]\n", "{done}");
}

#[test]
fn query_writes_json_with_the_types_that_json_has() {
    let lake = Lake::of("");
    let sql = "SELECT 1 AS i, 1.50::DECIMAL(5,2) AS d, true AS b, NULL AS n, DATE '2026-01-01' AS day, [1, NULL] AS l, {'k': 'v'} AS s, \
               9007199254740993 AS big, 'ü\"\\' AS t, 'nan'::DOUBLE AS f, TIMESTAMPTZ '2026-01-01 00:00:00+00' AS z, \
               MAP {7: [MAP {DATE '2026-01-01': 1.5::DOUBLE}]} AS m";
    let done = lake.pintail(&["query", "--lake", "lake", "--format", "json", sql]).exits(0);
    assert_eq!(
        done.stdout.trim(),
        r#"[{"i":1,"d":1.50,"b":true,"n":null,"day":"2026-01-01","l":[1,null],"s":{"k":"v"},"big":9007199254740993,"t":"ü\"\\","f":"NaN","z":"2026-01-01T00:00:00Z","m":{"7":[{"2026-01-01":1.5}]}}]"#
    );
    let empty = lake.pintail(&["query", "--lake", "lake", "--format", "json", "SELECT 1 AS i WHERE false"]).exits(0);
    assert_eq!(empty.stdout, "[]\n");
    let empty = lake.pintail(&["query", "--lake", "lake", "--format", "csv", "SELECT 1 AS i WHERE false"]).exits(0);
    assert_eq!(empty.stdout, "i\n");
}

#[test]
fn a_query_that_fails_says_why_and_ends_with_1() {
    let lake = Lake::of(SHOP);
    lake.ingest(0, &[]);
    lake.pintail(&["query", "--lake", "lake", "SELECT nothing FROM silver.orders"])
        .exits(1)
        .says("\"nothing\" not found");
    lake.pintail(&["query", "--lake", "lake", "SELEC 1"]).exits(1).says("syntax error");
    lake.pintail(&["query", "--lake", "lake", "SELECT * FROM silver.missing"])
        .exits(1)
        .says("\"silver.missing\" is none of");
}

#[test]
fn a_lake_without_tables_can_be_asked() {
    let lake = Lake::of("");
    for command in ["tables", "history", "quarantine"] {
        assert_eq!(lake.pintail(&[command, "--lake", "lake", "--format", "json"]).exits(0).stdout, "[]\n");
    }
    assert_eq!(lake.query("SELECT count(*) FROM silver.quarantine"), "0");
    lake.audit();
    lake.pintail(&["contract", "--lake", "lake", "orders"])
        .exits(1)
        .says("the lake has no such table; `pintail tables` lists them");
}

#[test]
fn tables_and_history_list_what_there_is() {
    let lake = Lake::of(SHOP);
    lake.ingest(0, &[]);
    let done = lake.pintail(&["tables", "--lake", "lake", "--format", "csv"]).exits(0);
    let names: Vec<&str> = done.stdout.lines().filter_map(|line| line.split(',').next()).collect();
    assert_eq!(names, ["table", "gold.by_day", "silver.orders", "silver.stg_orders"], "{done}");
    let done = lake.pintail(&["history", "--lake", "lake", "--format", "json"]).exits(0);
    let history: Vec<Value> = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(history.len(), 1, "{done}");
    assert_eq!((&history[0]["key"], &history[0]["status"]), (&json!("orders/a.csv"), &json!("ingested")), "{done}");
}

#[test]
fn quarantine_shows_where_each_record_stood() {
    let lake = Lake::of("-- raw/orders/a.csv --\nid,note\n1,\"two\nlines\"\n2,b,c\n");
    lake.ingest(0, &[]);
    let done = lake.pintail(&["quarantine", "--lake", "lake", "--format", "json"]).exits(0);
    let records: Vec<Value> = serde_json::from_str(&done.stdout).unwrap();
    let version = records[0]["version"].clone();
    assert_eq!(
        records,
        [
            json!({"source": "orders", "key": "orders/a.csv", "version": version, "record_number": 2, "line": 4, "byte_offset": 22,
            "raw": "2,b,c", "raw_base64": null, "reasons": ["has 3 fields, the header has 2"]})
        ],
        "{done}"
    );
}

#[test]
fn audit_finds_what_was_changed_behind_its_back() {
    let lake = Lake::of(SHOP);
    lake.ingest(0, &[]);
    lake.audit();
    lake.write("raw/orders/a.csv", "id,day,amount\n1,2026-01-01,5\n");
    lake.pintail(&["audit", "--lake", "lake"]).exits(1).says("difference: orders/a.csv");
    lake.ingest(0, &[]);
    lake.audit();
    lake.write("raw/orders/late.csv", "id,day,amount\n1,2026-01-01,5\n");
    lake.pintail(&["audit", "--lake", "lake"]).exits(1).says("difference: orders/late.csv: has no receipt; run ingest");
    lake.remove("raw/orders/late.csv");
    lake.remove("gold/by_day");
    lake.pintail(&["audit", "--lake", "lake", "--project", "project"]).exits(1).says("difference: gold.by_day");
    lake.ingest(0, &[]);
    lake.edit("models/gold/by_day.sql", "sum(amount)", "max(amount)");
    lake.pintail(&["audit", "--lake", "lake", "--project", "project"]).exits(1).says("difference: gold.by_day");
}

#[test]
fn vacuum_removes_only_what_no_version_within_the_retention_needs() {
    let lake = Lake::of(SHOP);
    for amount in 1..5 {
        lake.write("raw/orders/a.csv", format!("id,day,amount\n1,2026-01-01,{amount}\n2,2026-01-02,x\n"));
        lake.ingest(0, &[]);
    }
    lake.write("silver/orders/orphan-0.parquet", "never committed");
    let before = lake.table_files();
    lake.pintail(&["vacuum", "--lake", "lake"]).exits(0).says("0 files (0 bytes) removed");
    assert_eq!(lake.table_files(), before);
    let plan = lake.pintail(&["vacuum", "--lake", "lake", "--retain", "0s", "--dry-run"]).exits(0);
    assert_eq!(lake.table_files(), before);
    let done = lake.pintail(&["vacuum", "--lake", "lake", "--retain", "0s"]).exits(0);
    let named =
        |text: &str| text.lines().filter(|line| line.ends_with(".parquet")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(named(&done.stdout), named(&plan.stdout));
    assert!(named(&done.stdout).contains(&"silver/orders/orphan-0.parquet".to_owned()), "{done}");
    let left = lake.table_files();
    let parquet = left.iter().filter(|path| path.extension().is_some_and(|end| end == "parquet")).count();
    assert_eq!(parquet, 4, "{left:?}");
    assert_eq!(lake.query("SELECT amount FROM gold.by_day"), "4");
    lake.audit();
    lake.pintail(&["vacuum", "--lake", "lake", "--retain", "0s"]).exits(0).says("0 files (0 bytes) removed");
}

#[test]
fn init_writes_a_project_that_checks_and_runs() {
    let lake = Lake::of("-- raw/visits/a.csv --\nvisit_id,visited_at,page\n1,2026-01-01 10:00:00,Home\n");
    lake.pintail(&["init", "project"]).exits(0).says("wrote a starter project to project");
    lake.pintail(&["check", "--project", "project"]).exits(0).says("all bind");
    lake.ingest(0, &[]);
    assert_eq!(lake.query("SELECT * FROM gold.visits_by_day"), "2026-01-01,home,1");
    lake.audit();
    lake.pintail(&["init", "project"]).exits(2).says("project is not empty; name a new folder");
}

#[test]
fn check_names_the_model_and_the_file_of_a_wrong_column() {
    let lake = Lake::of(SHOP);
    lake.pintail(&["check", "--project", "project"])
        .exits(0)
        .says("project story: 1 sources, 2 models, 0 seeds, 0 tests: all bind");
    lake.edit("models/gold/by_day.sql", "sum(amount)", "sum(amuont)");
    let done = lake.pintail(&["check", "--project", "project"]).exits(1);
    done.says("error: model by_day (models/gold/by_day.sql:1): ").says("\"amuont\" not found").says("amount");
}

#[test]
fn a_broken_project_is_named_by_file_and_line_and_nothing_is_ingested() {
    let lake = Lake::of(SHOP);
    lake.edit("models/sources.yml", "data_type: date", "data_type: dat");
    lake.write("models/gold/other.sql", "select *\nfrom {{ ref('stg_odrers') }}");
    let before = lake.files("");
    for command in [&["check", "--project", "project"][..], &["ingest", "--lake", "lake", "--project", "project"]] {
        let done = lake.pintail(command).exits(1);
        assert_eq!(done.stdout, "", "{done}");
        done.says("error: the project has errors:")
            .says("models/sources.yml:9: data_type of column \"day\": unknown type \"dat\"")
            .says("models/gold/other.sql:2: ");
    }
    assert_eq!(lake.files(""), before);
    lake.pintail(&["check", "--project", "nowhere"]).exits(1).says("dbt_project.yml");
}

#[test]
fn help_names_every_command() {
    let done = Lake::of("").pintail(&["--help"]).exits(0);
    for command in
        ["ingest", "query", "tables", "history", "quarantine", "audit", "contract", "check", "init", "vacuum", "demo"]
    {
        assert!(
            done.stdout.lines().any(|line| line.trim_start().starts_with(&format!("{command} "))),
            "{command}\n{done}"
        );
    }
}

#[test]
fn a_failed_file_does_not_keep_its_neighbours_from_being_done() {
    use std::os::unix::fs::symlink;
    let lake = Lake::of(SHOP);
    symlink(fs::canonicalize("/").unwrap().join("etc/hostname"), lake.path("raw/orders/zz.csv")).unwrap();
    let done = lake.ingest(1, &[]);
    assert_eq!(done.told(), "orders/a.csv: ingested 2/2/0\norders/zz.csv: failed 0/0/0");
    assert_eq!(gold_rows(&lake), "2026-01-01,5\n2026-01-02,6");
}

fn gold_rows(lake: &Lake) -> String {
    lake.query("SELECT * FROM gold.by_day ORDER BY day")
}

//! Contracts: what a project says of its raw files, key by key, and what happens when it says something else later.

use crate::lake::Lake;

/// A project with one source table `t`, with `meta` for it in YAML's flow style and columns line by line.
fn sources(meta: &str, columns: &[&str]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| format!("          - {{{column}}}\n")).collect();
    let columns = columns.concat();
    format!(
        "sources:\n  - name: raw\n    tables:\n      - name: t\n        meta: {{{meta}}}\n        columns:\n{columns}"
    )
}

fn lake(meta: &str, columns: &[&str]) -> Lake {
    let lake = Lake::of("");
    lake.write("models/sources.yml", sources(meta, columns));
    lake.write("dbt_project.yml", include_str!("../fixtures/stories/dbt_project.yml"));
    lake
}

const AB: [&str; 2] = ["name: a, data_type: bigint", "name: b, data_type: varchar"];

/// A way to read a file: meta, key, bytes, the counts and the rows `a, b`.
type Reading = (&'static str, &'static str, &'static [u8], &'static str, &'static str);

/// `a,b` and `1,x`, packed.
const GZIP: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03K\xd4I\xe22\xd4\xa9\xe0\x02\x00\xf4\xa0\x01\x00\x08\x00\x00\x00";
const BZIP2: &[u8] = b"BZh91AY&SY\xd4{\xf1n\x00\x00\x02\xd9\x80\x00\x10\x00\x04 \x000\x00\x00@ \x00!\xa6\x99\xa0\xc0(\x15\x0b\x0b\xb9\x22\x9c(Hj=\xf8\xb7\x00";
const XZ: &[u8] = b"\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4F\x02\x00!\x01\x16\x00\x00\x00t/\xe5\xa3\x01\x00\x07a,b\x0a1,x\x0a\x00{\x8a$[\x0f3\xcb\xc6\x00\x01 \x08\xbb\x19\xd9\xbb\x1f\xb6\xf3}\x01\x00\x00\x00\x00\x04YZ";

const READINGS: [Reading; 25] = [
    ("", "t/a.csv", b"a,b\n1,x\n", "ingested 1/1/0", "1,x"),
    ("format: csv", "t/a.dat", b"a,b\n1,x\n", "ingested 1/1/0", "1,x"),
    ("format: json", "t/a.txt", b"{\"a\": 1, \"b\": \"x\"}\n", "ingested 1/1/0", "1,x"),
    ("format: json", "t/a.json", b"[{\"a\": 1, \"b\": \"x\"}, {\"b\": \"y\"}, 7]", "ingested 3/2/1", ",y\n1,x"),
    ("delimiter: \";\"", "t/a.csv", b"a;b\n1;x,y\n", "ingested 1/1/0", "1,\"x,y\""),
    ("delimiter: \"\\t\"", "t/a.csv", b"a\tb\n1\tx\n", "ingested 1/1/0", "1,x"),
    ("", "t/a.tsv", b"a\tb\n1\tx\n", "ingested 1/1/0", "1,x"),
    ("quote: \"'\"", "t/a.csv", b"a,b\n1,'x,y'\n", "ingested 1/1/0", "1,\"x,y\""),
    ("escape: \"\\\\\"", "t/a.csv", b"a,b\n1,\"x\\\"y\"\n", "ingested 1/1/0", "1,\"x\"\"y\""),
    ("encoding: latin1", "t/a.csv", b"a,b\n1,\xe4\n", "ingested 1/1/0", "1,\u{e4}"),
    ("header: false", "t/a.csv", b"1,x\n2,y\nz,y\n", "ingested 3/2/1", "1,x\n2,y"),
    ("preamble: 2", "t/a.csv", b"report\n\"of today\na,b\n1,x\n", "ingested 1/1/0", "1,x"),
    ("null_tokens: [n/a, \"-\"]", "t/a.csv", b"a,b\n-,n/a\n1,\n", "ingested 2/2/0", ",\n1,\"\""),
    ("comment: \"#\"", "t/a.csv", b"# of today\na,b\n#1,y\n1,x\n", "ingested 1/1/0", "1,x"),
    ("ragged: pad", "t/a.csv", b"a,b\n1\n2,x,y\n", "ingested 2/1/1", "1,"),
    ("ragged: reject", "t/a.csv", b"a,b\n1\n2,x\n", "ingested 2/1/1", "2,x"),
    ("trim: true", "t/a.csv", b"a,b\n 1 ,\tx \n 2 ,\" y\"\n", "ingested 2/2/0", "1,x\n2, y"),
    ("concatenated: true", "t/a.json", b"{\"a\": 1,\n\"b\": \"x\"} {\"a\": 2}", "ingested 2/2/0", "1,x\n2,"),
    ("compression: none", "t/a.csv.gz", b"a,b\n1,x\n", "ingested 1/1/0", "1,x"),
    ("compression: gzip", "t/a.csv", GZIP, "ingested 1/1/0", "1,x"),
    ("", "t/a.csv.bz2", BZIP2, "ingested 1/1/0", "1,x"),
    ("", "t/a.csv.xz", XZ, "ingested 1/1/0", "1,x"),
    ("max_unpacked_bytes: 8", "t/a.csv.xz", XZ, "ingested 1/1/0", "1,x"),
    ("max_unpacked_ratio: 1", "t/a.csv.gz", GZIP, "ingested 1/1/0", "1,x"),
    ("max_rejects: 0.5", "t/a.csv", b"a,b\n1,x\ny,y\n", "ingested 2/1/1", "1,x"),
];

#[test]
fn each_key_of_meta_says_how_a_file_is_read() {
    for (meta, key, bytes, told, rows) in READINGS {
        let lake = lake(meta, &AB);
        lake.write(&format!("raw/{key}"), bytes);
        assert_eq!(lake.ingest(0, &[]).told(), format!("{key}: {told}"), "{meta} {key}");
        assert_eq!(lake.query("SELECT a, b FROM silver.t ORDER BY a NULLS FIRST, b"), rows, "{meta} {key}");
        lake.audit();
    }
}

#[test]
fn a_key_of_the_source_holds_for_its_tables_unless_one_says_otherwise() {
    let lake = Lake::of(include_str!("../fixtures/stories/two_tables.txt"));
    let done = lake.ingest(0, &[]);
    assert_eq!(done.told(), "one/a.csv: ingested 1/1/0\ntwo/a.csv: ingested 1/1/0");
    assert_eq!(lake.query("SELECT a, b FROM silver.one UNION ALL SELECT a, b FROM silver.two ORDER BY a"), "1,\n2,-");
}

#[test]
fn what_meta_does_not_know_is_refused_by_file_and_line() {
    for (meta, said) in [
        ("delimeter: x", "models/sources.yml:5: unknown meta key \"delimeter\"; did you mean \"delimiter\"?"),
        ("on_new_column: maybe", "models/sources.yml:5: "),
        ("encoding: klingon", "models/sources.yml:5: "),
        ("max_rejects: 2", "models/sources.yml:5: "),
        ("delimiter: ab", "models/sources.yml:5: "),
        ("header: perhaps", "models/sources.yml:5: "),
        ("preamble: -1", "models/sources.yml:5: preamble must be a number of lines"),
        ("ragged: cut", "models/sources.yml:5: ragged must be reject or pad, not \"cut\""),
        ("compression: zip", "models/sources.yml:5: compression must be none or gzip or"),
        ("max_unpacked_bytes: 1 GB", "models/sources.yml:5: max_unpacked_bytes must be a number of bytes"),
        ("quote: \",\", delimiter: \",\"", "models/sources.yml:4: the delimiter, the quote, the escape"),
        ("decimal_separator: 1", "models/sources.yml:4: the decimal separator"),
    ] {
        lake(meta, &AB).pintail(&["check", "--project", "project"]).exits(1).says(said);
    }
}

#[test]
fn a_new_column_is_added_ignored_rescued_or_refuses_the_file() {
    let file = "a,c,b\n1,new,x\n";
    for (meta, told, sql, rows) in [
        ("", "ingested 1/1/0", "SELECT a, b, c FROM silver.t", "1,x,new"),
        ("on_new_column: add", "ingested 1/1/0", "SELECT a, b, c FROM silver.t", "1,x,new"),
        (
            "on_new_column: ignore",
            "ingested 1/1/0",
            "SELECT COLUMNS(c -> NOT starts_with(c, '_')) FROM silver.t",
            "1,x",
        ),
        (
            "on_new_column: rescue",
            "ingested 1/1/0",
            "SELECT a, b, _rescued FROM silver.t",
            "1,x,\"{\"\"c\"\":\"\"new\"\"}\"",
        ),
        (
            "on_new_column: reject",
            "quarantined 1/0/1",
            "SELECT reasons[1] FROM silver.quarantine",
            "\"column \"\"c\"\" is not in the contract\"",
        ),
    ] {
        let lake = lake(meta, &AB);
        lake.write("raw/t/a.csv", file);
        assert_eq!(lake.ingest(0, &[]).told(), format!("t/a.csv: {told}"), "{meta}");
        assert_eq!(lake.query(sql), rows, "{meta}");
        lake.audit();
    }
}

#[test]
fn more_rejects_than_allowed_refuse_the_file_as_a_whole() {
    let lake = lake("max_rejects: 0.4", &AB);
    lake.write("raw/t/a.csv", "a,b\n1,x\ny,y\n");
    assert_eq!(lake.ingest(0, &[]).told(), "t/a.csv: quarantined 2/0/2");
    let whole = "the file has 1 rejects in 2 records, more than max_rejects 0.4 allows";
    assert_eq!(lake.reasons(), format!("t/a.csv:1: {whole}\nt/a.csv:2: column \"a\": \"y\" is not BIGINT; {whole}"));
    lake.write("raw/t/a.csv", "a,b\n1,x\n2,y\n");
    assert_eq!(lake.ingest(0, &[]).told(), "t/a.csv: ingested 2/2/0");
    assert_eq!(lake.reasons(), "");
    lake.audit();
}

#[test]
fn rows_of_a_removed_file_stay_or_go_as_the_contract_says() {
    for (meta, told, rows) in
        [("", "", "1,x"), ("on_delete: keep", "", "1,x"), ("on_delete: withdraw", "t/a.csv: withdrawn 0/0/0", "")]
    {
        let lake = lake(meta, &AB);
        lake.write("raw/t/a.csv", "a,b\n1,x\ny,y\n");
        lake.ingest(0, &[]);
        lake.remove("raw/t/a.csv");
        assert_eq!(lake.ingest(0, &[]).told(), told, "{meta}");
        assert_eq!(lake.query("SELECT a, b FROM silver.t"), rows, "{meta}");
        assert_eq!(
            lake.query("SELECT count(*) FROM silver.quarantine"),
            if told.is_empty() { "1" } else { "0" },
            "{meta}"
        );
        lake.audit();
        assert_eq!(lake.ingest(0, &[]).told(), "", "{meta}");
        lake.write("raw/t/a.csv", "a,b\n2,z\n");
        assert_eq!(lake.ingest(0, &[]).told(), "t/a.csv: ingested 1/1/0", "{meta}");
        assert_eq!(lake.query("SELECT a, b FROM silver.t"), "2,z", "{meta}");
        lake.audit();
    }
}

#[test]
fn rows_that_are_kept_survive_a_run_that_dies_before_the_file_is_removed() {
    let mut unpublished = 0;
    for fault in 1..=12 {
        let lake = lake("on_delete: keep", &AB);
        lake.write("raw/t/a.csv", "a,b\n1,x\n");
        lake.ingest(0, &[]);
        lake.write("raw/t/a.csv", "a,b\n2,z\n");
        lake.ingest_until(fault);
        lake.remove("raw/t/a.csv");
        lake.ingest(0, &[]);
        let rows = lake.query("SELECT a, b FROM silver.t");
        // Once the correction is in a table, what stood before is not there to be kept.
        assert!(["1,x", "2,z", ""].contains(&rows.as_str()), "fault {fault}: {rows}");
        unpublished += u32::from(rows == "1,x");
        lake.audit();
    }
    assert!(unpublished >= 3, "only {unpublished} runs died between claim and commit");
}

#[test]
fn the_format_of_a_column_reads_its_dates_and_times() {
    let lake = lake(
        "",
        &[
            "name: day, data_type: date, meta: {format: \"%d.%m.%Y\"}",
            "name: moment, data_type: timestamp, meta: {format: \"%m/%d/%y %I:%M %p\"}",
        ],
    );
    lake.write("raw/t/a.csv", "day,moment\n31.12.2026,02/28/26 03:04 PM\n2026-12-31,02/28/26 03:04 PM\n30.02.2026,\n");
    assert_eq!(lake.ingest(0, &[]).told(), "t/a.csv: ingested 3/1/2");
    assert_eq!(lake.query("SELECT day, moment FROM silver.t"), "2026-12-31,2026-02-28T15:04:00");
    lake.audit();
}

#[test]
fn a_listed_column_is_required_unless_it_says_otherwise() {
    let lake = lake("", &[AB[0], AB[1], "name: c, data_type: date, meta: {required: false}"]);
    lake.write("raw/t/without_c.csv", "b,a\nx,1\n");
    lake.write("raw/t/without_b.csv", "a,c\n2,2026-01-01\n3,2026-01-01\n");
    lake.write("raw/t/without_b.ndjson", "{\"a\": 4}\n");
    let done = lake.ingest(0, &[]);
    assert_eq!(
        done.told(),
        "t/without_b.csv: quarantined 2/0/2\nt/without_b.ndjson: ingested 1/1/0\nt/without_c.csv: ingested 1/1/0"
    );
    assert_eq!(done.receipt("t/without_b.csv")["error"], "required column \"b\" is missing");
    assert_eq!(lake.query("SELECT a, b, c FROM silver.t ORDER BY a"), "1,x,\n4,,");
    lake.audit();
}

#[test]
fn a_header_is_mapped_by_name_in_any_order_and_case() {
    let lake = lake("", &["name: Order ID, data_type: bigint", "name: b, data_type: varchar"]);
    lake.write("raw/t/a.csv", "B,ORDER ID\nx,1\n");
    lake.write("raw/t/b.csv", "\"Order ID\",b\n2,y\n");
    lake.ingest(0, &[]);
    assert_eq!(lake.query("SELECT Order_ID, b FROM silver.t ORDER BY 1"), "1,x\n2,y");
    lake.write("raw/t/c.csv", "b,B,Order ID\nx,y,3\n");
    let done = lake.ingest(0, &[]);
    assert_eq!(done.receipt("t/c.csv")["error"], "columns \"b\" and \"B\" have the same name in the table", "{done}");
    lake.audit();
}

#[test]
fn the_tests_of_columns_quarantine_or_count() {
    let lake = Lake::of(include_str!("../fixtures/stories/record_tests.txt"));
    let done = lake.ingest(0, &[]);
    assert_eq!(done.told(), "t/a.csv: ingested 7/2/5");
    assert_eq!(done.receipt("t/a.csv")["warnings"], serde_json::json!({"not_null(note)": 1}), "{done}");
    assert_eq!(
        lake.reasons(),
        "t/a.csv:2: not_null(a): NULL\n\
         t/a.csv:3: unique(a): equals record 1: 1\n\
         t/a.csv:4: accepted_values(b): z\n\
         t/a.csv:5: expression(c > 0): is false\n\
         t/a.csv:6: accepted_values(b): z; expression(c > 0): is false"
    );
    lake.audit();
}

#[test]
fn a_changed_type_waits_for_again_and_then_replaces_rows_and_rejects_in_one_commit() {
    let lake = lake("", &["name: a, data_type: integer", "name: b, data_type: varchar"]);
    lake.write("raw/t/1.csv", "a,b\n1,x\n2.5,y\n");
    lake.write("raw/t/2.csv", "a,b\n3,z\n");
    lake.ingest(0, &[]);
    assert_eq!(lake.reasons(), "t/1.csv:2: column \"a\": \"2.5\" is not INTEGER");
    lake.edit("models/sources.yml", "integer", "\"decimal(6,2)\"");
    lake.write("raw/t/3.csv", "a,b\n4.5,w\n5,w\n");
    let done = lake.pintail(&["ingest", "--lake", "lake", "--project", "project"]).exits(0);
    done.says("note: silver.t keeps its stored types until `ingest --again`: a: stored INTEGER, declared DECIMAL(6,2)")
        .says("note: made under an older contract (`ingest --again` reads them anew), 2 files: t/1.csv, t/2.csv");
    assert_eq!(lake.query("SELECT a, typeof(a) FROM silver.t ORDER BY a"), "1,INTEGER\n3,INTEGER\n5,INTEGER");
    let version = lake.version("silver.t");
    let done = lake.ingest(0, &["--again"]);
    assert_eq!(done.told(), "t/1.csv: ingested 2/2/0\nt/2.csv: ingested 1/1/0\nt/3.csv: ingested 2/2/0");
    assert_eq!(lake.version("silver.t"), version + 1);
    assert_eq!(
        lake.query("SELECT a, typeof(a) FROM silver.t ORDER BY a"),
        "1.00,\"DECIMAL(6,2)\"\n2.50,\"DECIMAL(6,2)\"\n3.00,\"DECIMAL(6,2)\"\n4.50,\"DECIMAL(6,2)\"\n5.00,\"DECIMAL(6,2)\""
    );
    assert_eq!(lake.reasons(), "");
    lake.audit();
}

#[test]
fn a_file_made_under_an_older_contract_is_named_and_left() {
    let lake = lake("", &AB);
    lake.write("raw/t/1.csv", "a,b\n1,\n2,x\n");
    lake.ingest(0, &[]);
    lake.write("models/sources.yml", sources("", &[AB[0], "name: b, data_type: varchar, data_tests: [not_null]"]));
    let before = lake.table_files();
    let done = lake.pintail(&["ingest", "--lake", "lake", "--project", "project"]).exits(0);
    done.says("note: made under an older contract (`ingest --again` reads them anew), 1 file: t/1.csv");
    assert_eq!(lake.table_files(), before);
    lake.pintail(&["audit", "--lake", "lake", "--project", "project"]).exits(0).says("t/1.csv");
    let done = lake.ingest(0, &["--again", "t/1.csv"]);
    assert_eq!(done.told(), "t/1.csv: ingested 2/1/1");
    lake.audit();
}

#[test]
fn without_a_header_the_contract_says_how_many_fields_a_record_has() {
    let lake = lake("header: false", &AB);
    lake.write("raw/t/short.csv", "1\n2,y\n");
    lake.write("raw/t/long.csv", "1,x,lost\n2,y\n3,z\n");
    assert_eq!(lake.ingest(0, &[]).told(), "t/long.csv: ingested 3/2/1\nt/short.csv: ingested 2/1/1");
    assert_eq!(
        lake.reasons(),
        "t/long.csv:1: has 3 fields, the contract has 2\nt/short.csv:1: has 1 field, the contract has 2"
    );
    lake.audit();
}

#[test]
fn names_that_differ_only_in_case_are_one_column() {
    let lake = Lake::of("-- raw/t/1.csv --\nId,Amount\n1,2\n");
    lake.ingest(0, &[]);
    lake.write("dbt_project.yml", include_str!("../fixtures/stories/dbt_project.yml"));
    lake.write("models/sources.yml", sources("", &["name: id, data_type: bigint", "name: amount, data_type: bigint"]));
    lake.write("raw/t/2.csv", "Id,Amount\n3,4\n");
    assert_eq!(lake.ingest(0, &[]).told(), "t/2.csv: ingested 1/1/0");
    assert_eq!(lake.query("SELECT sum(id), sum(amount) FROM silver.t"), "4,6");
    assert_eq!(lake.ingest(0, &["--again"]).told(), "t/1.csv: ingested 1/1/0\nt/2.csv: ingested 1/1/0");
    lake.audit();
}

#[test]
fn a_column_without_a_name_is_kept_under_one() {
    let lake = Lake::of("-- raw/t/1.csv --\n,a\n0,x\n1,y\n");
    lake.ingest(0, &[]);
    assert_eq!(lake.query("SELECT unnamed, a FROM silver.t ORDER BY 1"), "0,x\n1,y");
    lake.audit();
}

#[test]
fn a_fraction_stands_after_the_declared_separator() {
    let columns = ["name: a, data_type: \"decimal(4,1)\"", "name: b, data_type: double"];
    let lake = lake("decimal_separator: \",\", delimiter: \";\"", &columns);
    lake.write("raw/t/a.csv", "a;b\n1,5;2,5e1\n1.5;1\n1;1.5\n");
    assert_eq!(lake.ingest(0, &[]).told(), "t/a.csv: ingested 3/1/2");
    assert_eq!(lake.query("SELECT a, b FROM silver.t"), "1.5,25.0");
    lake.audit();
}

#[test]
fn what_unpacks_to_more_than_is_declared_is_refused_whole() {
    let lake = lake("max_unpacked_bytes: 7", &AB);
    lake.write("raw/t/a.csv.xz", XZ);
    assert_eq!(lake.ingest(0, &[]).told(), "t/a.csv.xz: quarantined 1/0/1");
    assert!(lake.reasons().contains("7 bytes"), "{}", lake.reasons());
    lake.audit();
}

#[test]
fn the_receipt_shows_the_dialect_that_was_found_and_the_lines_that_are_no_records() {
    let lake = lake("preamble: 1, comment: \"#\"", &AB);
    lake.write("raw/t/a.csv", "report\n\na;b\n#\n1;x\n\na;b\n2;y\n\n");
    let done = lake.ingest(0, &[]);
    let receipt = done.receipt("t/a.csv");
    assert_eq!(receipt["options"]["delimiter"], u64::from(b';'), "{receipt}");
    assert_eq!(receipt["options"]["quote"], u64::from(b'"'), "{receipt}");
    let passed = serde_json::json!(
        {"preamble_lines": 1, "comment_lines": 1, "blank_lines": 3, "repeated_headers": 1});
    assert_eq!(receipt["passed"], passed, "{receipt}");
    lake.pintail(&["ingest", "--lake", "lake", "--project", "project", "--again"])
        .exits(0)
        .says("t/a.csv  2 records; no records: 1 preamble line, 1 comment line, 3 blank lines, 1 repeated header");
    lake.audit();
}

#[test]
fn bytes_that_are_no_text_are_kept_in_quarantine() {
    let lake = lake("", &AB);
    lake.write("raw/t/a.csv", b"a,b\n1,\xff\x00\n");
    lake.ingest(0, &[]);
    let kept = lake.query("SELECT raw, raw_base64 FROM silver.quarantine");
    assert_eq!(kept, "\"1,\\xFF\\x00\",MSz/AA==");
}

#[test]
fn a_map_is_stored_and_read_as_one() {
    let lake = lake("format: json", &["name: a, data_type: bigint", "name: m, data_type: \"map(varchar, bigint[])\""]);
    lake.write(
        "raw/t/a.json",
        "{\"a\": 1, \"m\": {\"x\": [1, 2], \"y\": null}}\n{\"a\": 2, \"m\": {\"x\": 1}}\n{\"a\": 3}\n",
    );
    assert_eq!(lake.ingest(0, &[]).told(), "t/a.json: ingested 3/2/1");
    assert_eq!(lake.query("SELECT a, m['x'][2], cardinality(m) FROM silver.t ORDER BY a"), "1,2,2\n3,,");
    lake.audit();
}

//! Gold: always equal to its SQL over the present inputs, or withheld with a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use crate::lake::{Done, Lake};

const SHOP: &str = include_str!("../fixtures/stories/shop.txt");
const STALE: &str = include_str!("../fixtures/stories/stale.txt");

/// `status reason` of a gold table in the receipt of a key.
#[track_caller]
fn gold(done: &Done, key: &str, table: &str) -> (String, String) {
    let receipt = done.receipt(key);
    let entry =
        receipt["gold"].as_array().and_then(|entries| entries.iter().find(|entry| entry["table"] == table)).cloned();
    let entry: Value = entry.unwrap_or_else(|| panic!("no entry of {table}\n{done}"));
    let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

/// The data files of a gold table by partition folder.
fn partitions(lake: &Lake, table: &str) -> BTreeMap<String, BTreeSet<PathBuf>> {
    let mut partitions: BTreeMap<String, BTreeSet<PathBuf>> = BTreeMap::new();
    let root = PathBuf::from("lake/gold").join(table);
    for path in lake
        .files(&format!("gold/{table}"))
        .into_keys()
        .filter(|path| path.extension().is_some_and(|end| end == "parquet"))
    {
        let folder = path.strip_prefix(&root).unwrap().parent().unwrap().display().to_string();
        partitions.entry(folder).or_default().insert(path);
    }
    partitions
}

#[test]
fn what_gold_depends_on_makes_it_stale_without_a_new_file() {
    let lake = Lake::of(STALE);
    lake.ingest(0, &[]);
    let rows = "SELECT id, amount, word, factor FROM gold.report ORDER BY id";
    assert_eq!(lake.query(rows), "1,10,one,2\n2,12,two,2");
    for (path, from, to, expected) in [
        ("models/gold/report.sql", "orders.id,", "orders.id + 10 as id,", "11,10,one,2\n12,12,two,2"),
        ("macros/doubled.sql", "* 2", "* 3", "11,15,one,2\n12,18,two,2"),
        ("dbt_project.yml", "factor: 2", "factor: 5", "11,15,one,5\n12,18,two,5"),
        ("seeds/words.csv", "two", "zwei", "11,15,one,5\n12,18,zwei,5"),
        ("models/gold/cheap.sql", "amount < 100", "amount < 6", "11,15,one,5"),
    ] {
        let version = lake.version("gold.report");
        lake.edit(path, from, to);
        let done = lake.pintail(&["ingest", "--lake", "lake", "--project", "project"]).exits(0);
        done.says("0 files: 0 records").says(&format!("gold.report: refreshed, version {}", version + 1));
        assert_eq!(lake.query(rows), expected, "{path}");
        lake.audit();
        let done = lake.pintail(&["ingest", "--lake", "lake", "--project", "project"]).exits(0);
        done.says(&format!("gold.report: fresh, version {}", version + 1));
    }
}

#[test]
fn a_changed_test_makes_gold_stale_and_may_withhold_it() {
    let lake = Lake::of(STALE);
    lake.ingest(0, &[]);
    lake.edit("models/gold/schema.yml", "amount > 0", "amount > 11");
    let done = lake.pintail(&["ingest", "--lake", "lake", "--project", "project"]).exits(1);
    let done = done.says(
        "gold.report: withheld (version 0 stands): model report: test expression(amount > 11) found 1 failing row",
    );
    assert!(!done.stdout.contains("failing rows"), "{done}");
    lake.edit("models/gold/schema.yml", "amount > 11", "amount > 9");
    lake.pintail(&["ingest", "--lake", "lake", "--project", "project"]).exits(0);
    lake.audit();
}

#[test]
fn only_touched_partitions_are_computed_anew() {
    let lake = Lake::of(SHOP);
    lake.ingest(0, &[]);
    let before = partitions(&lake, "by_day");
    assert_eq!(before.keys().collect::<Vec<_>>(), ["day=2026-01-01", "day=2026-01-02"]);
    lake.write("raw/orders/b.csv", "id,day,amount\n3,2026-01-02,100\n4,2026-01-03,7\n");
    lake.ingest(0, &[]);
    let after = partitions(&lake, "by_day");
    assert_eq!(after["day=2026-01-01"], before["day=2026-01-01"]);
    assert_ne!(after["day=2026-01-02"], before["day=2026-01-02"]);
    assert_eq!(lake.query("SELECT * FROM gold.by_day ORDER BY day"), "2026-01-01,5\n2026-01-02,106\n2026-01-03,7");
    lake.write("raw/orders/b.csv", "id,day,amount\n4,2026-01-03,8\n");
    lake.ingest(0, &[]);
    assert_eq!(partitions(&lake, "by_day")["day=2026-01-01"], before["day=2026-01-01"]);
    assert_eq!(lake.query("SELECT * FROM gold.by_day ORDER BY day"), "2026-01-01,5\n2026-01-02,6\n2026-01-03,8");
    lake.audit();
}

#[test]
fn a_partition_that_loses_its_rows_is_gone() {
    let lake = Lake::of(SHOP);
    lake.ingest(0, &[]);
    lake.write("raw/orders/a.csv", "id,day,amount\n1,2026-01-01,5\n");
    lake.ingest(0, &[]);
    assert_eq!(lake.query("SELECT * FROM gold.by_day ORDER BY day"), "2026-01-01,5");
    lake.write("raw/orders/a.csv", "id,day,amount\n");
    lake.ingest(0, &[]);
    assert_eq!(lake.query("SELECT count(*) FROM gold.by_day"), "0");
    lake.audit();
}

#[test]
fn sql_whose_partitions_depend_on_each_other_is_computed_as_a_whole() {
    for sql in [
        "select day, sum(sum(amount)) over (order by day) as amount from {{ ref('stg_orders') }} group by day",
        "select day, sum(amount) / (select sum(amount) from {{ ref('stg_orders') }}) as amount from {{ ref('stg_orders') }} group by day",
        "select max(day) as day, sum(amount) as amount from {{ ref('stg_orders') }}",
        "select day + 1 as day, sum(amount) as amount from {{ ref('stg_orders') }} group by all",
        "select day, amount from {{ ref('stg_orders') }} qualify row_number() over (order by id desc) = 1",
        "select distinct on (amount % 2) day, amount from {{ ref('stg_orders') }} order by amount % 2, id desc",
        "select day, amount from {{ ref('stg_orders') }} order by id desc limit 2",
        "select a.day, sum(b.amount) as amount from {{ ref('stg_orders') }} a join {{ ref('stg_orders') }} b on a.day >= b.day group by a.day",
        "select min(day) as day, sum(amount) as amount from {{ ref('stg_orders') }} group by amount % 2",
        "select day, sum(amount) as amount from {{ ref('stg_orders') }} group by rollup (day)",
        "select day, amount from {{ ref('stg_orders') }} union select day, 0 from {{ ref('stg_orders') }}",
        "select day, amount, unnest([1, 2]) as n from {{ ref('stg_orders') }} where amount > (select avg(amount) from {{ ref('stg_orders') }})",
        "select distinct amount % 2 as odd, max(day) as day from {{ ref('stg_orders') }} group by amount % 2",
        "select o.day, count(*) as amount from {{ ref('stg_orders') }} o where o.id > (select count(*) from \"SILVER\".\"Stg_Orders\") / 2 group by o.day",
        "select day, count(*) as amount from {{ ref('stg_orders') }} as o(id, real_day, day) group by day",
        "select * replace (day + id::integer as day) from {{ ref('stg_orders') }}",
        "select *, day as day from {{ ref('stg_orders') }}",
        "select day, id, '{{ run_started_at }}' as refreshed_at from {{ ref('stg_orders') }}",
        "select day, list(amount order by id) as amounts from {{ ref('stg_orders') }} group by day having count(*) > 0",
    ] {
        let lake = Lake::of(SHOP);
        lake.write("models/gold/by_day.sql", format!("{{{{ config(partition_by=['day']) }}}}\n{sql}"));
        lake.ingest(0, &[]);
        lake.write("raw/orders/b.csv", "id,day,amount\n3,2026-01-02,101\n4,2026-01-03,7\n");
        lake.ingest(0, &[]);
        let audit = lake.pintail(&["audit", "--lake", "lake", "--project", "project"]);
        assert_eq!(audit.code, Some(0), "{sql}\n{audit}");
    }
}

#[test]
fn a_failing_test_withholds_the_table_until_a_corrected_file_comes() {
    let lake = Lake::of(STALE);
    lake.ingest(0, &[]);
    let good = lake.query("SELECT * FROM gold.report ORDER BY id");
    let version = lake.version("gold.report");
    lake.write("raw/orders/b.csv", "id,day,amount\n3,2026-01-01,-5\n");
    let done = lake.ingest(1, &[]);
    assert_eq!(done.told(), "orders/b.csv: ingested 1/1/0");
    let reason = "model report: test expression(amount > 0) found 1 failing row";
    assert_eq!(gold(&done, "orders/b.csv", "report"), ("withheld".to_owned(), reason.to_owned()));
    assert_eq!(lake.query("SELECT * FROM gold.report ORDER BY id"), good);
    assert_eq!(lake.version("gold.report"), version);
    lake.pintail(&["audit", "--lake", "lake", "--project", "project"]).says(reason);
    lake.pintail(&["ingest", "--lake", "lake", "--project", "project"]).exits(1).says(reason);
    lake.write("raw/orders/b.csv", "id,day,amount\n3,2026-01-01,7\n");
    let done = lake.ingest(0, &[]);
    assert_eq!(gold(&done, "orders/b.csv", "report"), ("refreshed".to_owned(), String::new()));
    assert_eq!(lake.query("SELECT id, amount FROM gold.report ORDER BY id"), "1,10\n2,12\n3,14");
    assert_eq!(lake.version("gold.report"), version + 1);
    lake.audit();
}

#[test]
fn an_overflow_and_a_failed_cast_withhold_and_never_change_a_value() {
    for (column, sql, words) in [
        ("hugeint", "select sum(amount) as total from {{ source('raw', 'orders') }}", "Overflow in HUGEINT addition"),
        (
            "hugeint",
            "select cast(max(amount) as hugeint) + 1 as total from {{ source('raw', 'orders') }}",
            "too large to store in a Decimal128 of precision 38",
        ),
        ("bigint", "select max(amount) * 9223372036854775807 as total from {{ source('raw', 'orders') }}", "Overflow"),
        (
            "varchar",
            "select cast(max(amount) as bigint) as total from {{ source('raw', 'orders') }}",
            "Conversion Error",
        ),
    ] {
        let lake = Lake::of(SHOP);
        lake.remove("models/silver");
        lake.remove("models/gold");
        lake.edit(
            "models/sources.yml",
            "amount\n            data_type: bigint",
            &format!("amount\n            data_type: {column}"),
        );
        lake.write("models/gold/total.sql", sql);
        lake.write("raw/orders/a.csv", "id,day,amount\n1,2026-01-01,1\n");
        lake.ingest(0, &[]);
        let good = lake.query("SELECT * FROM gold.total");
        let nines = if column == "varchar" { "zzz" } else { "99999999999999999999999999999999999999" };
        let amount = if column == "bigint" { "9" } else { nines };
        lake.write("raw/orders/b.csv", format!("id,day,amount\n2,2026-01-01,{amount}\n3,2026-01-01,{amount}\n"));
        let done = lake.ingest(1, &[]);
        let (status, reason) = gold(&done, "orders/b.csv", "total");
        assert!(status == "withheld" && reason.contains(words), "{sql}: {words:?} is not said\n{done}");
        assert_eq!(lake.query("SELECT * FROM gold.total"), good, "{sql}");
        lake.remove("raw/orders/b.csv");
        lake.write("raw/orders/b.csv", "id,day,amount\n2,2026-01-01,0\n");
        lake.ingest(0, &[]);
        lake.audit();
    }
}

#[test]
fn a_test_that_warns_publishes() {
    let lake = Lake::of(STALE);
    lake.edit("models/gold/schema.yml", "severity: error", "severity: warn");
    lake.write("raw/orders/b.csv", "id,day,amount\n3,2026-01-01,-5\n");
    let done = lake.ingest(0, &[]);
    let warnings = &done.receipt("orders/b.csv")["gold"][0]["warnings"];
    assert_eq!(*warnings, serde_json::json!(["test expression(amount > 0) found 1 failing row"]), "{done}");
    assert_eq!(lake.query("SELECT id, amount FROM gold.report ORDER BY id"), "1,10\n2,12\n3,-10");
    lake.audit();
}

#[test]
fn what_stands_below_a_withheld_table_keeps_to_its_last_good_version() {
    let lake = Lake::of(STALE);
    lake.write("models/gold/below.sql", "select sum(amount) as amount from {{ ref('report') }}");
    lake.ingest(0, &[]);
    lake.write("raw/orders/b.csv", "id,day,amount\n3,2026-01-01,-5\n");
    let done = lake.ingest(1, &[]);
    assert_eq!(gold(&done, "orders/b.csv", "report").0, "withheld");
    assert_eq!(gold(&done, "orders/b.csv", "below").0, "fresh");
    assert_eq!(lake.query("SELECT amount FROM gold.below"), "22");
}

#[test]
fn a_file_that_moves_to_another_source_waits_for_what_stands_below_the_table_that_it_leaves() {
    let lake = Lake::of(SHOP);
    lake.write("models/gold/by_day.sql", "select day, count(*) as n from {{ source('raw', 'orders') }} group by day");
    lake.write("raw/orders/b.csv", "id,day,amount\n3,2026-01-03,7\n");
    lake.ingest(0, &[]);
    // Without its other rows the table cannot be computed anew.
    for path in lake.files("silver/orders").into_keys() {
        if path.extension().is_some_and(|end| end == "parquet") {
            std::fs::remove_file(lake.folder().join(path)).unwrap();
        }
    }
    let orders = "          - name: amount\n            data_type: bigint\n";
    let entry = "      - name: late\n        meta: {external_location: orders/b.csv}\n";
    lake.edit("models/sources.yml", orders, &format!("{orders}{entry}"));
    lake.write("raw/orders/b.csv", "id,day,amount\n4,2026-01-03,8\n");
    let done = lake.ingest(1, &["orders/b.csv"]);
    assert_eq!(done.told(), "orders/b.csv: failed 0/0/0");
    assert!(done.stdout.contains("IO Error"), "{done}");
}

#[test]
fn a_view_is_no_table_and_expands_in_query() {
    let lake = Lake::of(STALE);
    lake.ingest(0, &[]);
    assert!(!lake.path("gold/cheap").exists());
    assert_eq!(lake.query("SELECT id, amount FROM gold.cheap ORDER BY id"), "1,5\n2,6");
    lake.write("raw/orders/b.csv", "id,day,amount\n3,2026-01-01,7\n");
    lake.ingest(0, &[]);
    assert_eq!(lake.query("SELECT count(*) FROM gold.cheap"), "3");
}

#[test]
fn a_deleted_gold_table_is_built_again() {
    let lake = Lake::of(STALE);
    lake.ingest(0, &[]);
    let good = lake.query("SELECT * FROM gold.report ORDER BY id");
    lake.remove("gold/report");
    lake.pintail(&["ingest", "--lake", "lake", "--project", "project"])
        .exits(0)
        .says("gold.report: refreshed, version 0");
    assert_eq!(lake.query("SELECT * FROM gold.report ORDER BY id"), good);
    lake.audit();
}

#[test]
fn a_deleted_silver_table_is_built_again_from_the_raw_files() {
    let lake = Lake::of(SHOP);
    lake.write("raw/orders/b.csv", "id,day,amount\nx,2026-01-01,7\n4,2026-01-04,7\n");
    lake.ingest(0, &[]);
    let rows = "SELECT id, day, amount, _source_key FROM silver.orders ORDER BY id";
    let (good, rejects) = (lake.query(rows), lake.reasons());
    for table in ["silver/orders", "silver/stg_orders", "silver/quarantine"] {
        lake.remove(table);
        lake.ingest(0, &[]);
        assert_eq!(lake.query(rows), good, "{table}");
        assert_eq!(lake.query("SELECT sum(amount) FROM gold.by_day"), "18", "{table}");
        assert_eq!(lake.reasons(), rejects, "{table}");
        lake.audit();
    }
}

#[test]
fn each_refresh_is_one_version_and_none_is_ever_taken_back() {
    let lake = Lake::of(SHOP);
    for step in 0..4_u64 {
        lake.write("raw/orders/a.csv", format!("id,day,amount\n1,2026-01-01,{step}\n"));
        lake.ingest(0, &[]);
        assert_eq!(lake.version("gold.by_day"), step);
        assert_eq!(lake.query("SELECT amount FROM gold.by_day"), step.to_string());
    }
}

#[test]
fn a_changed_type_of_a_seed_makes_gold_stale() {
    let lake = Lake::of(
        "-- seeds/codes.csv --\ncode\n007\n-- models/gold/report.sql --\nselect code from {{ ref('codes') }}\n\
         -- seeds/seeds.yml --\nseeds:\n  - name: codes\n    config:\n      column_types: {code: varchar}\n",
    );
    lake.ingest(0, &[]);
    assert_eq!(lake.query("SELECT code FROM gold.report"), "007");
    lake.edit("seeds/seeds.yml", "varchar", "integer");
    lake.ingest(0, &[]);
    assert_eq!(lake.query("SELECT code FROM gold.report"), "7");
    lake.audit();
}

#[test]
fn a_gold_table_that_cannot_be_computed_keeps_no_other_from_being_refreshed() {
    let lake = Lake::of(SHOP);
    lake.write(
        "models/gold/visits_by_page.sql",
        "select page, count(*) as n from {{ source('web', 'visits') }} group by page",
    );
    lake.write("models/web.yml", "sources:\n  - name: web\n    tables:\n      - name: visits\n        columns: [{name: page, data_type: varchar}]\n");
    lake.ingest(0, &[]);
    let file =
        lake.files("silver/stg_orders").into_keys().find(|path| path.extension().is_some_and(|end| end == "parquet"));
    std::fs::remove_file(lake.folder().join(file.unwrap())).unwrap();
    lake.edit("models/gold/by_day.sql", "sum(amount)", "max(amount)");
    lake.write("raw/visits/a.csv", "page\nhome\n");
    let done = lake.ingest(1, &[]);
    assert_eq!(done.told(), "visits/a.csv: ingested 1/1/0");
    assert!(done.stderr.contains("gold.by_day is failed: relation silver.stg_orders: IO Error"), "{done}");
    assert_eq!(lake.query("SELECT * FROM gold.visits_by_page"), "home,1");
}

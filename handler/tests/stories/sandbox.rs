//! The sandbox: SQL of a project, a person's query and the keys of raw files reach nothing but their own inputs.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::lake::{Done, Lake};

/// A lake with one sound file, and a project that reads it. Beside them stands a secret.
const SHOP: &str = include_str!("../fixtures/stories/shop.txt");

const SECRET: &str = "hush-hush-7c1f";

/// SQL that must not run anywhere, with what is said of it.
const REFUSED: [(&str, &str); 22] = [
    ("select * from read_csv('SECRET')", "table function read_csv is refused"),
    ("select * from read_text('SECRET')", "table function read_text is refused"),
    ("select * from read_blob('SECRET')", "table function read_blob is refused"),
    ("select * from read_json('SECRET')", "table function read_json is refused"),
    ("select * from read_parquet('../lake/silver/*/*.parquet')", "table function read_parquet is refused"),
    ("select * from glob('/etc/*')", "table function glob is refused"),
    ("select * from 'SECRET'", "is none of its relations"),
    ("select * from \"SECRET\"", "is none of its relations"),
    ("select (select content from read_text('SECRET')) as stolen", "table function read_text is refused"),
    ("with orders as (select * from read_csv('SECRET')) select * from orders", "table function read_csv is refused"),
    (
        "with \"SECRET\" as (select 1) select * from (with a as (select 1) select 1), \"SECRET\"",
        "is none of its relations",
    ),
    ("select * from query('select * from read_csv(''SECRET'')')", "table function query is refused"),
    ("select * from duckdb_settings()", "table function duckdb_settings is refused"),
    ("select * from information_schema.tables", "is none of its relations"),
    ("attach 'SECRET' as other", "one SELECT is expected"),
    ("copy (select 1) to 'SECRET'", "one SELECT is expected"),
    ("install httpfs", "one SELECT is expected"),
    ("load httpfs", "one SELECT is expected"),
    ("set threads = 1", "one SELECT is expected"),
    ("pragma database_list", "one SELECT is expected"),
    ("create table stolen as select 1", "one SELECT is expected"),
    ("select 1 as a; select 2 as b", "one SELECT is expected, here are 2 statements"),
];

/// SQL that gives another result each time: not for models.
const VOLATILE: [&str; 8] = [
    "select now() as at",
    "select current_date as at",
    "select current_timestamp as at",
    "select random() as at",
    "select uuid() as at",
    "select age(timestamp '2026-01-01') as at",
    "select * from {{ source('raw', 'orders') }} using sample 10%",
    "select ago(interval 1 day) as at",
];

fn shop() -> Lake {
    let lake = Lake::of(SHOP);
    fs::write(lake.folder().join("secret.csv"), format!("id,word\n1,{SECRET}\n")).unwrap();
    lake
}

fn with_path(lake: &Lake, sql: &str) -> String {
    sql.replace("SECRET", &lake.folder().join("secret.csv").display().to_string())
}

#[track_caller]
fn keeps_the_secret(lake: &Lake, done: &Done) {
    assert!(!done.stdout.contains(SECRET) && !done.stderr.contains(SECRET), "the secret is told\n{done}");
    let secret = SECRET.as_bytes();
    let holds = |content: &Vec<u8>| content.windows(secret.len()).any(|window| window == secret);
    let tables = lake.files("silver").into_iter().chain(lake.files("gold"));
    let telling: Vec<_> = tables.filter(|(_, content)| holds(content)).map(|(path, _)| path).collect();
    assert!(telling.is_empty(), "the secret is stored in {telling:?}\n{done}");
}

#[test]
fn check_names_every_model_that_reaches_out() {
    let lake = shop();
    for (index, (sql, _)) in REFUSED.iter().enumerate() {
        lake.write(&format!("models/gold/m{index}.sql"), with_path(&lake, sql));
    }
    let done = lake.pintail(&["check", "--project", "project"]).exits(1);
    for (index, (sql, words)) in REFUSED.iter().enumerate() {
        let start = format!("error: model m{index} (models/gold/m{index}.sql:1): ");
        let line = done.stdout.lines().find(|line| line.starts_with(&start));
        assert!(line.is_some_and(|line| line.contains(words)), "{sql}: {words:?} is not said: {line:?}\n{done}");
    }
    keeps_the_secret(&lake, &done);
}

#[test]
fn ingest_withholds_every_model_that_reaches_out_and_publishes_the_others() {
    let lake = shop();
    for (index, (sql, _)) in REFUSED.iter().enumerate() {
        lake.write(&format!("models/gold/m{index}.sql"), with_path(&lake, sql));
    }
    let done = lake.pintail(&["ingest", "--lake", "lake", "--project", "project"]).exits(1);
    for (index, (sql, words)) in REFUSED.iter().enumerate() {
        let start = format!("gold.m{index}: withheld (never published stands): ");
        let line = done.stdout.lines().find(|line| line.starts_with(&start));
        assert!(line.is_some_and(|line| line.contains(words)), "{sql}: {words:?} is not said: {line:?}\n{done}");
        assert!(!lake.path(&format!("gold/m{index}")).exists(), "{sql} has a table");
    }
    keeps_the_secret(&lake, &done);
    assert_eq!(lake.query("SELECT * FROM gold.by_day ORDER BY day"), "2026-01-01,5\n2026-01-02,6");
}

#[test]
fn query_refuses_what_reaches_out() {
    let lake = shop();
    lake.ingest(0, &[]);
    for (sql, words) in REFUSED {
        let done = lake.pintail(&["query", "--lake", "lake", &with_path(&lake, sql)]).exits(1);
        assert!(done.stderr.contains(words), "{words:?} is not said\n{done}");
        keeps_the_secret(&lake, &done);
    }
}

#[test]
fn a_silver_model_that_reaches_out_gets_no_rows() {
    let lake = shop();
    let sql = "select id, (select max(word) from read_csv('SECRET')) as word from {{ source('raw', 'orders') }}";
    lake.write("models/silver/stg_orders.sql", with_path(&lake, sql));
    let done = lake.pintail(&["check", "--project", "project"]).exits(1);
    keeps_the_secret(
        &lake,
        &done.says("model stg_orders (models/silver/stg_orders.sql:1): table function read_csv is refused"),
    );
    let done = lake.pintail(&["ingest", "--lake", "lake", "--project", "project", "--json"]);
    keeps_the_secret(&lake, &done);
    assert!(!lake.path("silver/stg_orders").exists(), "{done}");
}

#[test]
fn volatile_functions_are_for_queries_not_for_models() {
    let lake = shop();
    for (index, sql) in VOLATILE.iter().enumerate() {
        lake.write(&format!("models/gold/m{index}.sql"), sql);
    }
    let done = lake.pintail(&["check", "--project", "project"]).exits(1);
    for (index, sql) in VOLATILE.iter().enumerate() {
        let start = format!("error: model m{index} (models/gold/m{index}.sql:1): ");
        let line = done.stdout.lines().find(|line| line.starts_with(&start)).unwrap_or_default();
        let said = line.contains("gives another value each time; use {{ run_started_at }}")
            || line.contains("a sample gives other rows");
        assert!(said, "{sql} is not refused\n{done}");
    }
    for index in 0..VOLATILE.len() {
        lake.remove(&format!("models/gold/m{index}.sql"));
    }
    lake.ingest(0, &[]);
    assert_eq!(lake.query("SELECT now() IS NOT NULL, random() < 1"), "true,true");
    assert_eq!(lake.query("SELECT count(*) FROM silver.orders USING SAMPLE 100%"), "2");
    assert_eq!(lake.query("DESCRIBE SELECT id FROM silver.orders"), "id,BIGINT,YES,,,");
}

#[test]
fn a_key_that_leads_out_of_raw_fails_and_its_neighbours_do_not() {
    let lake = shop();
    let secret = lake.folder().join("secret.csv").display().to_string();
    for key in ["../../secret.csv", "orders/../../secret.csv", &secret, "orders/./a.csv", "orders//a.csv", ""] {
        let done = lake.ingest(1, &[key, "orders/a.csv"]);
        let receipt = done.receipt(key);
        assert_eq!(receipt["status"], "failed", "{done}");
        let error = receipt["error"].as_str().unwrap_or_default();
        assert!(error.ends_with("is refused: a key is a path below raw/, without `..`, `.` or `//`"), "{done}");
        assert_ne!(done.receipt("orders/a.csv")["status"], "failed", "{done}");
        keeps_the_secret(&lake, &done);
    }
    assert_eq!(lake.query("SELECT id FROM silver.orders ORDER BY id"), "1\n2");
    lake.audit();
}

#[test]
fn a_link_out_of_raw_is_never_followed() {
    let lake = shop();
    let outside = lake.folder().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::copy(lake.folder().join("secret.csv"), outside.join("b.csv")).unwrap();
    symlink(lake.folder().join("secret.csv"), lake.path("raw/orders/link.csv")).unwrap();
    symlink(&outside, lake.path("raw/folder")).unwrap();
    symlink(lake.folder().join("nowhere"), lake.path("raw/orders/dangling.csv")).unwrap();
    let done = lake.ingest(1, &[]);
    for key in ["orders/link.csv", "folder"] {
        let error = done.receipt(key)["error"].as_str().unwrap_or_default().to_owned();
        assert_eq!(error, format!("raw key \"{key}\" is refused: a symbolic link leads out of raw/"), "{done}");
    }
    assert_eq!(done.receipt("orders/dangling.csv")["status"], "failed", "{done}");
    assert_eq!(done.receipt("orders/a.csv")["status"], "ingested", "{done}");
    keeps_the_secret(&lake, &done);
    let done = lake.ingest(1, &["folder/b.csv"]);
    assert_eq!(done.receipt("folder/b.csv")["status"], "failed", "{done}");
    keeps_the_secret(&lake, &done);
    assert_eq!(lake.query("SELECT * FROM gold.by_day ORDER BY day"), "2026-01-01,5\n2026-01-02,6");
}

#[test]
fn a_link_within_raw_is_a_file_as_any_other() {
    let lake = shop();
    symlink("a.csv", lake.path("raw/orders/b.csv")).unwrap();
    let done = lake.ingest(0, &[]);
    assert_eq!(done.told(), "orders/a.csv: ingested 2/2/0\norders/b.csv: ingested 2/2/0");
    lake.audit();
}

#[test]
fn a_named_pipe_fails_at_once_instead_of_waiting_for_its_writer() {
    let lake = shop();
    let pipe = lake.path("raw/orders/pipe.csv");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success(), "mkfifo {}", pipe.display());
    let done = lake.ingest(1, &[]);
    assert_eq!(
        done.receipt("orders/pipe.csv")["error"],
        "raw key \"orders/pipe.csv\" is refused: it is no regular file",
        "{done}"
    );
    assert_eq!(done.receipt("orders/a.csv")["status"], "ingested", "{done}");
}

#[test]
fn a_source_outside_raw_is_refused() {
    let lake = shop();
    lake.edit(
        "models/sources.yml",
        "      - name: orders",
        "      - name: orders\n        meta: {external_location: \"/etc/*\"}",
    );
    lake.pintail(&["check", "--project", "project"]).exits(1).says("models/sources.yml:5: ");
}

//! Facts about whole projects: folders under `tests/fixtures/projects`.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::*;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/projects")
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn load(root: &Path) -> Result<Project, Errors> {
    let environment = |name: &str| (name == "DBT_GREETING").then(|| "hello".to_owned());
    Project::load(root, &environment, at("2024-03-01T12:30:00Z"))
}

fn shop() -> Project {
    load(&fixtures().join("shop")).unwrap_or_else(|errors| panic!("{errors}"))
}

fn words(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ").replace("( ", "(").replace(" )", ")")
}

#[test]
fn a_dbt_duckdb_project_loads_unchanged() {
    let project = shop();
    assert_eq!(project.warnings, Vec::<String>::new());
    let models: Vec<_> = project.models.iter().map(|model| (model.name.as_str(), model.stored)).collect();
    assert_eq!(
        models,
        [
            ("countries_used", false),
            ("stg_customers", false),
            ("stg_orders", false),
            ("customers", true),
            ("stg_payments", false),
            ("orders", true),
        ]
    );
    let sources: Vec<_> =
        project.sources.iter().map(|source| (source.table.as_str(), source.location.as_deref())).collect();
    assert_eq!(
        sources,
        [
            ("customers", Some("customers/*.csv")),
            ("orders", Some("orders/*.csv")),
            ("payments", Some("payments/*.csv")),
        ]
    );
}

/// The expected SQL is what `dbt compile` (dbt-core 1.11, dbt-duckdb 1.11) makes of the same folder, with our relations.
#[test]
fn sql_is_rendered_as_dbt_renders_it() {
    let mut different = Vec::new();
    for name in ["shop", "words"] {
        let project = load(&fixtures().join(name)).unwrap_or_else(|errors| panic!("{errors}"));
        for model in &project.models {
            let path = fixtures().join(format!("{name}-compiled/{}.sql", model.name));
            let expected = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            if words(&model.sql) != words(&expected) {
                different.push(format!("{}\n--- ours\n{}\n--- dbt's\n{expected}", model.name, model.sql));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n\n"));
}

#[test]
fn tests_are_rendered_as_dbt_renders_them() {
    let project = shop();
    let tests = project.models.iter().flat_map(|model| &model.tests);
    let tests = tests.chain(project.seeds.iter().flat_map(|seed| &seed.tests));
    let ours: Vec<String> = tests.map(|test| words(&test.sql)).collect();
    for entry in fs::read_dir(fixtures().join("shop-compiled/tests")).unwrap() {
        let path = entry.unwrap().path();
        let expected = words(&fs::read_to_string(&path).unwrap());
        let found = ours.iter().any(|sql| sql.contains(&expected));
        assert!(found, "{}: {expected}\n{}", path.display(), ours.join("\n"));
    }
}

/// Each folder below `refused` is a project with a mistake; `expected.txt` is what is said about it.
#[test]
fn every_mistake_is_named_with_its_place() {
    let mut folders: Vec<_> =
        fs::read_dir(fixtures().join("refused")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let mut different = Vec::new();
    for folder in folders {
        let said = match load(&folder) {
            Ok(_) => "nothing is refused".to_owned(),
            Err(errors) => errors.to_string(),
        };
        let expected = fs::read_to_string(folder.join("expected.txt")).unwrap_or_default();
        if said.trim() != expected.trim() {
            different.push(format!("{}\n--- said\n{said}\n--- expected\n{}", folder.display(), expected.trim()));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n\n"));
}

fn lake() -> Project {
    load(&fixtures().join("lake")).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn a_source_table_takes_what_the_project_the_source_and_the_table_say() {
    let project = lake();
    let orders = &project.sources[0];
    assert_eq!(orders.table, "shop__orders");
    assert_eq!(orders.location.as_deref(), Some("Orders/**/*.csv"));
    assert_eq!(
        (orders.options.delimiter, orders.options.header, orders.on_delete),
        (Some(b'\t'), false, OnDelete::Withdraw)
    );
    assert_eq!(orders.options.null_tokens, ["", "NA"]);
    assert_eq!(orders.partition_by, ["order_date"]);
    let required: Vec<_> = orders.columns.iter().map(|column| (column.name.as_str(), column.required)).collect();
    assert_eq!(required, [("id", true), ("status", false), ("amount", true)]);
    let tables: Vec<_> = project.sources.iter().map(|source| source.table.as_str()).collect();
    assert_eq!(tables, ["shop__orders", "shop__refunds", "web__refunds"]);
}

#[test]
fn record_tests_are_checks_of_one_record() {
    let project = lake();
    let seen: Vec<_> =
        project.sources[0].tests.iter().map(|test| (test.name.as_str(), test.severity, &test.check)).collect();
    let expression = |sql: &str| RecordCheck::Expression { sql: sql.to_owned() };
    assert_eq!(
        seen,
        [
            ("not_null(id)", Severity::Warn, &RecordCheck::NotNull { column: "id".to_owned() }),
            ("unique(id)", Severity::Error, &RecordCheck::Unique { column: "id".to_owned() }),
            (
                "accepted_values(status)",
                Severity::Warn,
                &expression("(id > 0) is not true or coalesce(status in ('new', 'it''s', '3'), true)"),
            ),
            (
                "accepted_values(status)",
                Severity::Warn,
                &RecordCheck::AcceptedValues {
                    column: "status".to_owned(),
                    values: vec!["1".to_owned(), "2".to_owned()]
                },
            ),
            ("amount_is_positive", Severity::Warn, &expression("amount >= 0")),
            ("expression(amount < 10 or status is null)", Severity::Warn, &expression("amount < 10 or status is null")),
        ]
    );
}

#[test]
fn a_key_is_claimed_by_pattern_then_by_name() {
    let project = lake();
    for (key, expected) in [
        ("Orders/2024/01/a.csv", Some("shop__orders")),
        ("Orders/a.json", None),
        ("refund_files/x.csv", Some("shop__refunds")),
        ("REFUND files.csv", Some("shop__refunds")),
        ("web_refunds/a.json", Some("web__refunds")),
        ("web_refunds/b/a.json", None),
        ("old/a.csv", None),
    ] {
        assert_eq!(project.claim(key).map(|source| source.table.as_str()), expected, "{key}");
    }
}

#[test]
fn models_are_placed_and_rendered() {
    let project = lake();
    let seen: Vec<_> = project.models.iter().map(|model| (model.name.as_str(), model.zone, model.stored)).collect();
    assert_eq!(
        seen,
        [
            ("orders", Zone::Silver, true),
            ("daily_orders", Zone::Gold, false),
            ("base", Zone::Gold, false),
            ("other", Zone::Gold, true),
            ("report", Zone::Gold, true),
        ]
    );
    let daily = project.model("daily_orders").unwrap();
    assert_eq!(
        daily.sql.trim(),
        "select status, '2024-03-01 12:30:00+00:00' as day, '2024-03-01' as d from \"silver\".\"orders\""
    );
    assert_eq!(
        daily.stable_sql.trim(),
        "select status, '1970-01-01 00:00:00+00:00' as day, '1970-01-01' as d from \"silver\".\"orders\""
    );
    assert_eq!(daily.partition_by, ["day"]);
    assert_eq!(daily.description.as_deref(), Some("Orders of each day"));
    assert_eq!(project.model("base").unwrap().sql.trim(), "select * from \"gold\".\"daily_orders\"");
    let report: Vec<_> = project.model("report").unwrap().relations.iter().map(ToString::to_string).collect();
    assert_eq!(report, ["\"gold\".\"base\"", "\"seeds\".\"statuses\""]);
}

#[test]
fn a_test_stands_with_the_last_model_that_it_reads() {
    let project = lake();
    let seen: Vec<_> = project
        .models
        .iter()
        .flat_map(|model| model.tests.iter().map(|test| (model.name.as_str(), test.name.as_str(), test.severity)))
        .collect();
    assert_eq!(
        seen,
        [
            ("orders", "unique(id)", Severity::Warn),
            ("daily_orders", "not_null(status)", Severity::Error),
            ("daily_orders", "not_null(status) (warn_if)", Severity::Warn),
            ("other", "no_rows", Severity::Warn),
            ("report", "relationships(status)", Severity::Error),
        ]
    );
    assert_eq!(
        words(&project.model("daily_orders").unwrap().tests[0].sql),
        "select failures from (select count(*) as failures from (select status from (select * from \
         \"gold\".\"daily_orders\" where status <> 'x') dbt_subquery where status is null limit 50) dbt_internal_test) \
         counted where failures >10"
    );
    assert_eq!(project.seeds[0].tests[0].name, "unique(status)");
    assert_eq!(project.seeds[0].delimiter, Some(b'|'));
}

#[test]
fn configuration_of_nothing_is_a_warning() {
    assert_eq!(lake().warnings, ["dbt_project.yml:9: the configuration of \"lake.unused_folder\" is about nothing"]);
}

#[test]
fn the_fingerprint_changes_with_results_only() {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&fixtures().join("lake"), copy.path());
    let first = lake().fingerprint;
    let later = Project::load(copy.path(), &|_| None, at("2025-01-01T00:00:00Z")).unwrap();
    assert_eq!(later.fingerprint, first);
    fs::write(copy.path().join("seeds/statuses.csv"), "status|rank\nnew|2\n").unwrap();
    let changed = Project::load(copy.path(), &|_| None, at("2024-03-01T12:30:00Z")).unwrap();
    assert_ne!(changed.fingerprint, first);
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

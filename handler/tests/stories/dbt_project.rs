//! A project that was written for dbt-duckdb runs from its folder as it is.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lake::{Lake, PINTAIL};
use crate::python;

const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/projects/shop");
const RAW: &str = include_str!("../fixtures/stories/jaffle.txt");

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { fs::copy(&path, &target).map(|_| ()).unwrap() }
    }
}

fn shop() -> Lake {
    let lake = Lake::of(RAW);
    copy(Path::new(SHOP), &lake.folder().join("project"));
    lake
}

#[test]
fn a_project_written_for_dbt_duckdb_checks_and_fills_its_marts() {
    let lake = shop();
    lake.pintail(&["check", "--project", "project"]).exits(0).says("all bind");
    let done = lake.ingest(0, &[]);
    assert_eq!(
        done.told(),
        "customers/a.csv: ingested 3/2/1\norders/a.csv: ingested 4/4/0\npayments/a.csv: ingested 11/10/1"
    );
    assert_eq!(
        lake.query("SELECT customer_id, full_name, first_order, number_of_orders FROM gold.customers ORDER BY 1"),
        "1,Ada Lovelace,2018-01-01,2\n2,Alan Turing,2018-02-03,1"
    );
    assert_eq!(
        lake.query(
            "SELECT order_id, customer_id, credit_card_amount, coupon_amount, amount FROM gold.orders ORDER BY 1"
        ),
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/stories/jaffle_orders.csv"))
            .unwrap()
            .trim_end()
    );
    assert_eq!(lake.query("SELECT * FROM gold.countries_used ORDER BY 1"), "DE,Germany\nFR,France");
    lake.audit();
}

#[test]
fn dbt_builds_the_same_marts_over_the_accepted_records() {
    let lake = shop();
    lake.ingest(0, &[]);
    // dbt is pointed at the exported records by the variable that the project has for it.
    let project = lake.folder().join("for_dbt");
    copy(Path::new(SHOP), &project);
    let sources = project.join("models/staging/sources.yml");
    let text = fs::read_to_string(&sources).unwrap();
    let text = text
        .replace("{{ var('raw_path', 'raw') }}/{name}/*.csv", "{{ var('accepted') }}/{name}.parquet")
        .replace("{{ var('raw_path', 'raw') }}/payments/*.csv", "{{ var('accepted') }}/payments.parquet");
    fs::write(&sources, text).unwrap();
    let profile = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../pipeline/profiles.yml")).unwrap();
    fs::write(project.join("profiles.yml"), profile.replace("shop:", "jaffle_shop:")).unwrap();
    let done = python::run("dbt_equals.py", &[Path::new(PINTAIL), &lake.path(""), &project]);
    for model in ["gold.customers", "gold.orders", "gold.countries_used"] {
        assert!(done.stdout.lines().any(|line| line.starts_with(model) && line.ends_with(" ok")), "{model}\n{done}");
    }
}

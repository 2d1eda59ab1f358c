//! What a refresh of gold fetches: the data files that the model's SQL can want, and nothing for tests that do not read them.

use std::fs;
use std::path::Path;

use crate::files::{File, Packing};
use crate::proxy::Plan;
use crate::world::{Done, World};

const SOURCES: &str = "sources:
  - name: shop
    tables:
      - name: orders
        columns:
          - {name: id, data_type: bigint}
          - {name: day, data_type: date}
";

const LATE: &str = "WITH recent AS (SELECT * FROM {{ source('shop', 'orders') }} WHERE day >= DATE '2026-02-01')
SELECT id, day FROM recent
";

const TESTS: &str = "models:
  - name: late
    columns:
      - {name: id, data_tests: [not_null, unique]}
";

/// A project whose gold model wants the orders since February 2026.
fn write_project(folder: &Path) -> String {
    let project = folder.join("narrow");
    for (path, text) in [
        ("dbt_project.yml", "name: narrow\nversion: '1'\nprofile: narrow\n"),
        ("models/sources.yml", SOURCES),
        ("models/gold/late.sql", LATE),
        ("models/gold/late.yml", TESTS),
    ] {
        let path = project.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder)).expect("a new folder takes folders");
        fs::write(path, text).expect("a new folder takes files");
    }
    project.display().to_string()
}

fn order(world: &World<'_>, id: u32, day: &str) {
    let text = format!("id,day\n{id},{day}\n");
    world.write(&File::new(&format!("orders/{id}.csv"), &text, Packing::Plain));
}

/// The data files of the silver table that a process fetched.
fn fetched(done: &Done) -> usize {
    let is_data = |path: &str| path.contains("/orders/") && path.contains("silver") && path.contains(".parquet");
    done.seen.iter().filter(|seen| seen.method == "GET" && is_data(&seen.path)).count()
}

pub(crate) fn check(world: &World<'_>) {
    let project = write_project(world.folder());
    let run = |words: &[&str], project: &str| {
        let done = world.start((words, project), Plan::Calm).finish();
        assert!(done.is_complete(), "{done}");
        done
    };
    for (id, day) in [(1, "2026-01-01"), (2, "2026-01-31"), (3, "2026-02-01"), (4, "2026-03-01")] {
        order(world, id, day);
        run(&["ingest"], &project);
    }
    order(world, 5, "2026-01-15");
    // Each process begins without copies of data files, and has made the fifth one itself.
    let done = run(&["ingest"], &project);
    assert_eq!(fetched(&done), 2, "{done}");
    let rows = run(&["query", "SELECT string_agg(id, ' ' ORDER BY id) FROM gold.late"], "");
    assert!(rows.out.contains("3 4"), "{rows}");
    run(&["audit"], &project);
}

//! What a refresh of gold fetches: the data files that the model's SQL can want, of a large one the columns, and nothing for
//! tests that do not read them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::faults::Fault;
use crate::files::{File, Packing};
use crate::proxy::{Kind, Plan};
use crate::world::{Done, World};

const SOURCES: &str = "sources:
  - name: shop
    tables:
      - name: orders
        columns:
          - {name: id, data_type: bigint}
          - {name: day, data_type: date}
      - name: visits
        columns:
          - {name: id, data_type: bigint}
          - {name: note, data_type: varchar}
          - {name: day, data_type: date}
";

const LATE: &str = "WITH recent AS (SELECT * FROM {{ source('shop', 'orders') }} WHERE day >= DATE '2026-02-01')
SELECT id, day FROM recent
";

/// The names of all columns pass through it, of which two are read, one only to compare it; a seed has others.
const LENGTHS: &str = "WITH named AS (SELECT * FROM {{ source('shop', 'visits') }})
SELECT id % 2 AS odd, word, count(*) AS visits FROM named JOIN {{ ref('words') }} ON rest = id % 2
WHERE day < DATE '2026-03-01' GROUP BY ALL
";

/// The beginning of the data file of `visits/large.csv`: a hash of its key.
const LARGE: &str = "/visits/4753239e3fd86a149a7b4ed2a4518298-";

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
        ("models/gold/odd.sql", LENGTHS),
        ("seeds/words.csv", "rest,word\n0,even\n1,odd\n"),
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

/// How often a process asked for data files of a silver table, or for some of their bytes.
fn fetched(done: &Done, table: &str) -> usize {
    let is_data = |path: &str| path.contains(table) && path.contains("silver") && path.contains(".parquet");
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
    assert_eq!(fetched(&done, "/orders/"), 2, "{done}");
    let rows = run(&["query", "SELECT string_agg(id, ' ' ORDER BY id) FROM gold.late"], "");
    assert!(rows.out.contains("3 4"), "{rows}");
    large(world);
    // The end of the first file, and two columns that stand beside each other or not.
    let done = run(&["ingest"], &project);
    assert_eq!(fetched(&done, "/visits/"), 0, "{done}");
    world.write(&File::new("visits/small.csv", "id,note,day\n1,x,2026-01-01\n2,x,2026-04-01\n", Packing::Plain));
    let done = run(&["ingest"], &project);
    let asked = fetched(&done, "/visits/");
    assert!((2..=3).contains(&asked), "{asked} requests: {done}");
    let words = ["query", "SELECT string_agg(word || ' ' || visits, ', ' ORDER BY odd) FROM gold.odd"];
    let rows = run(&words, "");
    assert!(rows.out.contains("even 150000, odd 150001"), "{rows}");
    world.write(&File::new("visits/more.csv", "id,note,day\n3,x,2026-01-01\n", Packing::Plain));
    let corrupted = Plan::Always { kind: Kind::Of(LARGE), fault: Fault::Corrupted };
    let done = world.start((&["ingest"], &project), corrupted).finish();
    assert!(done.code == Some(1) && done.out.contains("do not match their checksum"), "{done}");
    let rows = run(&words, "");
    assert!(rows.out.contains("even 150000, odd 150001"), "{rows}");
    run(&["ingest"], &project);
    let rows = run(&words, "");
    assert!(rows.out.contains("even 150000, odd 150002"), "{rows}");
    run(&["audit"], &project);
}

/// A file whose notes cannot be packed, some 20 MB of them: whole it takes five requests.
fn large(world: &World<'_>) {
    let mut text = "id,note,day\n".to_owned();
    let mut random = 1_u64;
    for id in 0..300_000 {
        let mut note = String::new();
        for _ in 0..12 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            note.extend((0..8).map(|letter| char::from(b'0' + (random >> (letter * 7) & 63) as u8)));
        }
        writeln!(text, "{id},{note},2026-02-01").expect("a text takes text");
    }
    world.write(&File::new("visits/large.csv", &text, Packing::Plain));
}

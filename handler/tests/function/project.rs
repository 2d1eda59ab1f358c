//! A project in a bucket: it may change without a deploy, and the next event is under what stands there then.

use serde_json::json;

use crate::emulator::{Emulator, created};
use crate::world::{RAW, World};

/// The one gold model.
const STATUS: &str = "models/gold/status.sql";

const SOURCES: &str = "\
version: 2
sources:
  - name: shop
    tables:
      - name: orders
";

/// How many orders there are, as a model that multiplies them.
fn model(factor: u32) -> String {
    format!(
        "{{{{ config(materialized='table') }}}}\nselect count(*) * {factor} as orders from {{{{ source('shop', 'orders') }}}}\n"
    )
}

#[track_caller]
fn orders(world: &World) -> String {
    let rows = world.pintail("query", &["--format", "csv", "SELECT orders FROM gold.status"]);
    rows.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn a_changed_project_in_a_bucket_is_in_force_with_the_next_event() {
    let world = World::buckets();
    world.bucket("projects");
    let write = |name: &str, text: &str| world.write("projects", &format!("shop/{name}"), text.as_bytes());
    write("dbt_project.yml", "name: shop\n");
    write("models/sources.yml", SOURCES);
    write(STATUS, &model(1));
    let mut variables = world.variables();
    for (name, value) in &mut variables {
        if *name == "PINTAIL_PROJECT" {
            *value = "s3://projects/shop".to_owned();
        }
    }
    let function = Emulator::start(&variables);
    world.put("orders/2026-10-01.csv");
    let done = function.invoke(&created(RAW, "orders/2026-10-01.csv"));
    assert_eq!(done["accepted"], 220, "{done}\n{}", function.log());
    assert_eq!(orders(&world), "220");
    write(STATUS, &model(10));
    let refreshed = function.invoke(&json!({"refresh": true}));
    assert_eq!(refreshed["gold"][0]["status"], "refreshed", "{refreshed}\n{}", function.log());
    assert_eq!(orders(&world), "2200");
    write(STATUS, "select * from {{ ref('nothing') }}");
    let failed = function.invoke(&json!({"refresh": true}));
    assert_eq!(failed["errorType"], "Permanent.Project", "{failed}");
    assert_eq!(orders(&world), "2200", "what was published stands");
}

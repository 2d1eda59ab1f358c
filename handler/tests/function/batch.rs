//! Messages of a queue: each is answered on its own.

use serde_json::{Value, json};

use crate::emulator::{Emulator, batch, created, failures};
use crate::world::{RAW, World};

/// How many rows each table has after [`one_of_everything`].
const ROWS: &str = "\
SELECT 'orders', count(*) FROM silver.orders
UNION ALL SELECT 'customers', count(*) FROM silver.customers
UNION ALL SELECT 'quarantine', count(*) FROM silver.quarantine
UNION ALL SELECT 'orders by day', sum(orders)::BIGINT FROM gold.orders_by_day";

/// Three good files, a broken one, a message that is nothing, and one file twice: only the message that is nothing
/// goes back, and the tables hold each file once.
#[track_caller]
pub(crate) fn one_of_everything(world: &World, function: &Emulator) {
    let keys = [
        "orders/2026-10-01.csv",
        "orders/2026-10-02.csv",
        "customers/2026-10-12.ndjson.gz",
        "orders/2026-10-13.csv.gz",
    ];
    for key in keys {
        world.put(key);
    }
    let message = |id, key| (id, created(RAW, key), 1);
    let answer = function.invoke(&batch(&[
        message("first", keys[0]),
        message("second", keys[1]),
        ("poison", json!("this is no event"), 1),
        message("third", keys[2]),
        message("broken", keys[3]),
        message("first again", keys[0]),
    ]));
    assert_eq!(failures(&answer), ["poison"], "{}", function.log());
    let rows = world.pintail("query", &["--format", "csv", ROWS]);
    let rows: Vec<&str> = rows.lines().skip(1).collect();
    // 220 and 217 of 220 orders, of which 52 were cancelled; half a gzip file is one quarantined record.
    assert_eq!(rows, ["orders,437", "customers,45", "quarantine,4", "orders by day,385"]);
    world.pintail("audit", &["--project", crate::world::PIPELINE]);
}

#[test]
fn a_batch_is_answered_message_by_message_on_a_lake_in_a_folder() {
    let world = World::folder();
    one_of_everything(&world, &Emulator::start(&world.variables()));
}

#[test]
fn a_batch_is_answered_message_by_message_on_a_lake_in_buckets() {
    let world = World::buckets();
    one_of_everything(&world, &Emulator::start(&world.variables()));
}

#[test]
fn what_happened_is_seen_from_outside() {
    let world = World::folder();
    let function = Emulator::start(&world.variables());
    world.put("orders/2026-10-02.csv");
    function.invoke(&batch(&[("one", created(RAW, "orders/2026-10-02.csv"), 1), ("two", json!("poison"), 1)]));
    let lines = function.lines();
    let line = |word: &str, value: &str| {
        let found: Vec<&Value> = lines.iter().filter(|line| line[word] == value).collect();
        assert_eq!(found.len(), 1, "{word} = {value}:\n{}", function.log());
        found[0].clone()
    };
    let object = line("key", "orders/2026-10-02.csv");
    let told = [&object["status"], &object["records"], &object["accepted"], &object["quarantined"]];
    assert_eq!(told, [&json!("ingested"), &json!(220), &json!(217), &json!(3)]);
    assert!(object["span"]["requestId"].as_str().is_some_and(|id| id.len() == 36), "{object}");
    assert_eq!(line("messageId", "two")["errorType"], "Permanent.Event");
    let metrics = line("Source", "shop.orders");
    assert_eq!(metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Pintail");
    assert_eq!([&metrics["Files"], &metrics["Accepted"], &metrics["Quarantined"]], [1, 217, 3]);
    assert!(line("Step", "total")["Duration"].is_u64(), "{}", function.log());
}

#[test]
fn a_message_that_came_back_is_looked_at_alone() {
    let world = World::folder();
    let function = Emulator::start(&world.variables());
    world.put("orders/2026-10-01.csv");
    world.put("orders/2026-10-02.csv");
    let answer = function.invoke(&batch(&[
        ("came back", created(RAW, "orders/2026-10-01.csv"), 2),
        ("fresh", created(RAW, "orders/2026-10-02.csv"), 1),
    ]));
    assert_eq!(failures(&answer), Vec::<&str>::new());
    let versions = world.pintail("query", &["--format", "csv", "SELECT count(*) FROM silver.orders"]);
    assert_eq!(versions.lines().last(), Some("437"));
    let history = world.pintail("tables", &["--format", "csv"]);
    // Two commits of two ingests: versions 0 and 1.
    assert!(history.contains("silver.orders,1,"), "{history}");
}

#[test]
fn a_direct_event_fails_as_a_whole_with_class_and_chain() {
    let world = World::folder();
    let function = Emulator::start(&world.variables());
    world.put("orders/2026-10-01.csv");
    let done = function.invoke(&created(RAW, "orders/2026-10-01.csv"));
    assert_eq!([&done["files"], &done["records"], &done["accepted"]], [1, 220, 220], "{}", function.log());
    let refreshed = function.invoke(&json!({"refresh": true}));
    assert_eq!(refreshed["gold"][0], json!({"table": "orders_by_day", "version": 0, "status": "fresh"}));
    let failed = function.invoke(&json!({"keys": ["../secret.csv"]}));
    assert_eq!(failed["errorType"], "Permanent.Key");
    let message = "raw key \"../secret.csv\" is refused: a key is a path below raw/, without `..`, `.` or `//`";
    assert_eq!(failed["errorMessage"], message);
}

#[test]
fn what_is_too_large_is_told_with_the_command_line_that_does_it() {
    let world = World::buckets();
    world.put("orders/2026-10-01.csv");
    let mut variables = world.variables();
    variables.push(("PINTAIL_MEMORY_MB", "1".to_owned()));
    let failed = Emulator::start(&variables).invoke(&created(RAW, "orders/2026-10-01.csv"));
    assert_eq!(failed["errorType"], "Permanent.TooLarge", "{failed}");
    let lake = "s3://shop-raw/,s3://shop-silver/,s3://shop-gold/";
    let command = format!("pintail ingest --lake {lake} --project DIR 'orders/2026-10-01.csv'");
    assert!(failed["errorMessage"].as_str().is_some_and(|message| message.ends_with(&command)), "{failed}");
}

#[test]
fn a_worker_of_an_older_deploy_gives_its_messages_back() {
    let world = World::folder();
    world.put("orders/2026-10-01.csv");
    let event = batch(&[("one", created(RAW, "orders/2026-10-01.csv"), 1)]);
    let mut older = world.variables();
    let mut newer = world.variables();
    older
        .iter_mut()
        .filter(|(name, _)| *name == "PINTAIL_PROJECT")
        .for_each(|(_, value)| value.push_str("/../handler/src/starter"));
    newer.iter_mut().filter(|(name, _)| *name == "PINTAIL_GENERATION").for_each(|(_, value)| *value = "2".to_owned());
    let (older, newer) = (Emulator::start(&older), Emulator::start(&newer));
    newer.invoke(&json!({"refresh": true}));
    assert_eq!(failures(&older.invoke(&event)), ["one"]);
    assert!(older.log().contains("Retryable.Superseded"), "{}", older.log());
    assert_eq!(failures(&newer.invoke(&event)), Vec::<&str>::new());
}

//! What events did not tell: listed, and sent to the queue of the function.

use serde_json::{Value, json};

use crate::emulator::{Emulator, batch, failures};
use crate::letters::bodies;
use crate::world::{PIPELINE, RAW, World};

#[test]
fn missed_objects_are_sent_to_the_queue_and_the_function_reads_them() {
    let world = World::buckets();
    let keys = ["customers/2026-10-12.ndjson.gz", "orders/2026-10-01.csv", "orders/2026-10-13.csv.gz"];
    for key in keys {
        world.put(key);
    }
    world.pintail("ingest", &["--project", PIPELINE, keys[1]]);
    let url = world.queue("source");
    let project = ["--project", PIPELINE];
    let sent = world.pintail("reconcile", &[&project[..], &["--enqueue", &url]].concat());
    assert_eq!(
        sent.lines().map(|line| line.split(':').next().unwrap_or_default()).collect::<Vec<_>>(),
        [keys[0], keys[2]]
    );
    let bodies: Vec<Value> =
        bodies(&world, &url).iter().map(|body| serde_json::from_str(body).expect("JSON")).collect();
    assert_eq!(bodies, [json!({"keys": [keys[0]]}), json!({"keys": [keys[2]]})]);
    let function = Emulator::start(&world.variables());
    let messages = [("one", bodies[0].clone(), 1), ("two", bodies[1].clone(), 1)];
    assert_eq!(failures(&function.invoke(&batch(&messages))), Vec::<&str>::new(), "{}", function.log());
    assert_eq!(world.pintail("reconcile", &[&project[..], &["--dry-run"]].concat()), "nothing to read\n");
}

/// XML cannot hold every character that a key can.
#[test]
fn a_listing_tells_every_key_that_s3_takes() {
    let world = World::buckets();
    world.write(RAW, "visits/a%01b%2B%20c%2520.csv", b"id\n1\n");
    assert_eq!(world.pintail("reconcile", &["--dry-run"]), "visits/a\u{1}b+ c%20.csv: read -> silver/visits\n");
    world.pintail("ingest", &[]);
    assert_eq!(world.pintail("reconcile", &["--dry-run"]), "nothing to read\n");
}

#[test]
fn what_an_older_contract_made_is_read_anew_when_asked() {
    let world = World::folder();
    world.put("web_visits/2026-10-01.csv");
    world.put("orders/2026-10-01.csv");
    world.pintail("ingest", &["orders/2026-10-01.csv", "web_visits/2026-10-01.csv"]);
    let plan = |more: &[&str]| world.pintail("reconcile", &[&["--project", PIPELINE, "--dry-run"], more].concat());
    assert_eq!(plan(&[]), "nothing to read\n");
    assert_eq!(plan(&["--contract"]), "orders/2026-10-01.csv: again -> silver/orders, silver/stg_orders\n");
    world.pintail("reconcile", &["--project", PIPELINE, "--contract"]);
    assert_eq!(plan(&["--contract"]), "nothing to read\n");
    world.pintail("audit", &["--project", PIPELINE]);
}

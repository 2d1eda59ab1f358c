//! Dead letters: shown, and sent through again.

use serde_json::{Value, json};

use crate::emulator::created;
use crate::world::{RAW, World};

/// A queue with what a function gives up: a message as it was, Lambda's envelope, and one that nobody can read.
fn dead(world: &World) -> String {
    let url = world.queue("dead");
    let envelope = json!({
        "version": "1.0",
        "requestContext": {"condition": "RetriesExhausted", "approximateInvokeCount": 3},
        "requestPayload": created(RAW, "orders/b.csv"),
        "responsePayload": {"errorType": "Retryable.S3", "errorMessage": "time-out"},
    });
    for body in [created(RAW, "orders/a 1.csv"), envelope, json!("poison")] {
        let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        world.sqs("SendMessage", &json!({"QueueUrl": url, "MessageBody": body}));
    }
    url
}

/// The bodies in a queue, sorted.
pub(crate) fn bodies(world: &World, url: &str) -> Vec<String> {
    let request = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 0});
    let answer = world.sqs("ReceiveMessage", &request);
    let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
    let mut bodies: Vec<String> =
        messages.iter().filter_map(|message| Some(message["Body"].as_str()?.to_owned())).collect();
    bodies.sort();
    bodies
}

#[test]
fn a_dry_run_shows_what_is_there_and_leaves_it() {
    let world = World::buckets();
    let url = dead(&world);
    let (code, text) = world.run(&["replay", "--from", &url, "--dry-run"]);
    assert_eq!(code, 1, "one of them cannot be read: {text}");
    for expected in ["orders/a 1.csv", "orders/b.csv  Retryable.S3: time-out", "this is no event that Pintail knows"] {
        assert!(text.contains(expected), "{expected}:\n{text}");
    }
    assert!(text.ends_with("3 messages, 0 sent again, 1 that cannot be read\n"), "{text}");
    assert_eq!(bodies(&world, &url).len(), 3);
}

#[test]
fn what_can_be_read_goes_through_again_and_the_rest_stays() {
    let world = World::buckets();
    let (url, source) = (dead(&world), world.queue("source"));
    let (_, text) = world.run(&["replay", "--from", &url, "--to", &source, "--json"]);
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!((&report["sent"], report["letters"].as_array().map(Vec::len)), (&json!(2), Some(3)));
    assert_eq!(bodies(&world, &url), ["poison"]);
    let mut events = [created(RAW, "orders/a 1.csv").to_string(), created(RAW, "orders/b.csv").to_string()];
    events.sort();
    assert_eq!(bodies(&world, &source), events);
}

#[test]
fn no_more_than_max_are_touched() {
    let world = World::buckets();
    let (url, source) = (dead(&world), world.queue("source"));
    let (_, text) = world.run(&["replay", "--from", &url, "--to", &source, "--max", "1"]);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert_eq!(bodies(&world, &url).len() + bodies(&world, &source).len(), 3);
}

#[test]
fn letters_that_are_too_long_for_one_request_go_in_several() {
    let world = World::buckets();
    let (url, source) = (world.queue("dead"), world.queue("source"));
    let keys: Vec<String> = (0..1000).map(|number| format!("orders/{number:0200}.csv")).collect();
    for _ in 0..6 {
        world.sqs("SendMessage", &json!({"QueueUrl": url, "MessageBody": json!({"keys": keys}).to_string()}));
    }
    let (code, text) = world.run(&["replay", "--from", &url, "--to", &source]);
    let last = text.lines().last();
    assert_eq!((code, last), (0, Some("6 messages, 6 sent again, 0 that cannot be read")));
}

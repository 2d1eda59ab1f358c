use super::*;

fn raw() -> Place {
    Place::parse("s3://shop-raw").unwrap()
}

fn read(payload: &str) -> Result<Invocation> {
    Invocation::read(&serde_json::from_str(payload).unwrap(), &raw())
}

/// What a direct payload asks for, or the text of the error.
fn asked(payload: &str) -> std::result::Result<Asked, String> {
    match read(payload) {
        Ok(Invocation::Direct(asked)) => Ok(asked),
        Ok(Invocation::Queue(messages)) => Err(format!("{} messages", messages.len())),
        Err(error) => Err(error.chain()),
    }
}

fn keys(keys: &[&str]) -> Asked {
    Asked::Keys(keys.iter().map(|key| (*key).to_owned()).collect())
}

#[test]
fn all_records_of_a_notification_count_and_their_keys_are_form_decoded() {
    let expected = keys(&["orders/2026 10/a b+c=é.csv", "orders/new.csv", "orders/removed.csv"]);
    assert_eq!(asked(include_str!("fixtures/s3.json")), Ok(expected));
}

#[test]
fn the_zone_s_prefix_is_not_part_of_a_key() {
    let payload: Value = serde_json::from_str(include_str!("fixtures/s3.json")).unwrap();
    let zone = Place::parse("s3://shop-raw/orders").unwrap();
    let Ok(Invocation::Direct(asked)) = Invocation::read(&payload, &zone) else { panic!("it is one request") };
    assert_eq!(asked, keys(&["2026 10/a b+c=é.csv", "new.csv", "removed.csv"]));
}

#[test]
fn an_event_of_eventbridge_names_its_key_as_it_is() {
    assert_eq!(asked(include_str!("fixtures/eventbridge.json")), Ok(keys(&["orders/a b+c%20=é.csv"])));
}

#[test]
fn other_buckets_folder_markers_and_ignored_names_are_nothing_to_look_at() {
    let event = |bucket: &str, key: &str| {
        asked(
            &include_str!("fixtures/eventbridge.json")
                .replace("shop-raw", bucket)
                .replace("orders/a b+c%20=é.csv", key),
        )
    };
    assert_eq!(event("shop-silver", "orders/a.csv"), Ok(keys(&[])));
    assert_eq!(event("shop-raw", "orders/"), Ok(keys(&[])));
    assert_eq!(event("shop-raw", "_pintail/receipts/a.json"), Ok(keys(&[])));
    assert_eq!(event("shop-raw", "orders/_SUCCESS"), Ok(keys(&[])));
    assert_eq!(event("shop-raw", "orders/a.csv"), Ok(keys(&["orders/a.csv"])));
}

#[test]
fn the_test_event_of_s3_asks_for_nothing() {
    assert_eq!(asked(include_str!("fixtures/s3-test.json")), Ok(keys(&[])));
}

#[test]
fn a_request_by_hand_names_keys_a_prefix_or_gold() {
    assert_eq!(asked(r#"{"keys": ["a/b.csv", "a b/+.csv", "a/b.csv"]}"#), Ok(keys(&["a b/+.csv", "a/b.csv"])));
    assert_eq!(asked(r#"{"prefix": "orders/"}"#), Ok(Asked::Prefix("orders/".to_owned())));
    assert_eq!(asked(r#"{"refresh": true}"#), Ok(Asked::Refresh));
}

#[test]
fn what_no_type_fits_is_refused_with_the_reason() {
    let wrong = |payload: &str| asked(payload).unwrap_err();
    let other = "this is no event that Pintail knows: it is not an S3 notification, an event of EventBridge or a request by hand: ";
    assert_eq!(wrong("[]"), format!("{other}invalid type: sequence, expected string or map"));
    assert_eq!(wrong(r#"{"refresh": false}"#), "this is no event that Pintail knows: refresh is true, or not there");
    assert_eq!(
        wrong(r#"{"files": []}"#),
        format!("{other}unknown variant `files`, expected one of `keys`, `prefix`, `refresh`")
    );
    assert_eq!(
        wrong(r#"{"Records": [{"eventSource": "aws:kinesis"}]}"#),
        r#"this is no event that Pintail knows: its records come from "aws:kinesis""#
    );
    let scheduled = r#"{"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}}"#;
    assert_eq!(
        wrong(scheduled),
        "this is no event that Pintail knows: it is not an event of S3 from EventBridge: missing field `bucket`"
    );
    let no_utf8 = include_str!("fixtures/s3.json").replace("orders/new.csv", "%ff");
    assert_eq!(wrong(&no_utf8), r#"this is no event that Pintail knows: key "%ff" is no UTF-8"#);
}

#[test]
fn each_message_of_a_queue_is_read_on_its_own() {
    let Ok(Invocation::Queue(messages)) = read(include_str!("fixtures/sqs.json")) else { panic!("they are messages") };
    let told: Vec<_> = messages
        .into_iter()
        .map(|message| (message.id, message.receives, message.asked.map_err(|error| error.class().1)))
        .collect();
    let orders = keys(&["orders/2026 10/a b+c=é.csv", "orders/new.csv", "orders/removed.csv"]);
    let expected = [
        ("notification", 1, Ok(orders)),
        ("eventbridge", 3, Ok(keys(&["orders/a b+c%20=é.csv"]))),
        ("test", 1, Ok(keys(&[]))),
        ("hand", 1, Ok(keys(&["orders/a.csv"]))),
        ("poison", 1, Err("Event")),
        ("batch in a batch", 1, Err("Event")),
    ];
    assert_eq!(told, expected.map(|(id, receives, asked)| (id.to_owned(), receives, asked)));
}

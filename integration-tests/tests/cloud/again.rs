//! The same file many times: what counts is what the object holds now.

use std::fs;

use integration_tests::Lake;
use serde_json::{Value, json};

use crate::lakes::{self, sample};

const KEY: &str = "orders/2026-10-11.csv";

/// The rows of the file in the table of plain records and in that of the model, and whether gold has counted each order once.
fn seen(lake: &Lake) -> Value {
    let sql = format!(
        "SELECT (SELECT count(*) FROM silver.orders WHERE _source_key = '{KEY}'), \
                (SELECT count(DISTINCT order_id) FROM silver.orders WHERE _source_key = '{KEY}'), \
                (SELECT sum(quantity) FROM silver.orders WHERE _source_key = '{KEY}'), \
                (SELECT count(*) FROM silver.stg_orders) = (SELECT sum(orders) FROM gold.orders_by_day), \
                (SELECT sum(quantity) FROM silver.stg_orders) = (SELECT sum(items) FROM gold.orders_by_day)"
    );
    lake.rows(&sql).unwrap()
}

async fn commits(lake: &Lake) -> usize {
    let keys = lake.keys("SilverBucketName", "orders/_delta_log/").await.unwrap();
    keys.iter().filter(|key| key.rsplit('.').next() == Some("json")).count()
}

/// The notification of S3 that the object was written, long ago.
fn late_event(lake: &Lake) -> String {
    let bucket = lake.output("RawBucketName").unwrap();
    let object = json!({"key": KEY, "size": 60, "eTag": "0123456789abcdef", "versionId": "gone", "sequencer": "0"});
    json!({"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-central-1", "eventName": "ObjectCreated:Put",
        "eventTime": "2026-10-11T10:00:00.000Z", "userIdentity": {"principalId": "A"}, "requestParameters": {},
        "responseElements": {}, "s3": {"bucket": {"name": bucket}, "object": object},
    }]})
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_corrected_file_replaces_its_rows_whatever_event_comes_after_it() {
    let (lake, _shop) = (lakes::ministack().await, lakes::shop().await);
    let correct = fs::read_to_string(sample("raw").join(KEY)).unwrap();
    let header = correct.lines().next().unwrap();
    let draft =
        format!("{header}\n1,1,2026-10-11 10:00:00,placed,7,9.99,,web\n2,1,2026-10-11 11:00:00,placed,1,9.99,,web\n");

    for _ in 0..3 {
        lake.put(KEY, draft.clone()).await.unwrap();
    }
    lake.settled().await.unwrap();
    assert_eq!(seen(lake), json!([[2, 2, 8, true, true]]));

    lake.put(KEY, correct).await.unwrap();
    lake.settled().await.unwrap();
    let corrected = seen(lake);
    assert_eq!((&corrected[0][0], &corrected[0][1]), (&json!(220), &json!(220)), "{corrected}");
    assert_eq!((&corrected[0][3], &corrected[0][4]), (&json!(true), &json!(true)), "{corrected}");

    let before = commits(lake).await;
    for _ in 0..3 {
        lake.send(&late_event(lake)).await.unwrap();
    }
    lake.settled().await.unwrap();
    assert_eq!(commits(lake).await, before, "an event that tells nothing new commits nothing");
    assert_eq!(seen(lake), corrected);
}

//! What cannot be read, beside what can.

use std::{fs, time::Duration};

use integration_tests::eventually;
use serde_json::json;

use crate::lakes::{self, sample};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn poison_harms_no_neighbour_and_ends_as_a_dead_letter() {
    let lake = lakes::localstack().await;
    lake.set_visibility(2).await.unwrap();
    let dead = lake.output("DeadLettersUrl").unwrap();

    lake.put("poison/a.csv", "id\n1\n2\n").await.unwrap();
    lake.send("this is no event").await.unwrap();
    lake.put("poison/half.csv.gz", fs::read(sample("raw/orders/2026-10-13.csv.gz")).unwrap()).await.unwrap();
    lake.put("poison/empty.csv", "").await.unwrap();
    lake.put("poison/folder/", "").await.unwrap();
    let test =
        json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": lake.output("RawBucketName").unwrap()});
    lake.send(&test.to_string()).await.unwrap();
    lake.put("poison/b.csv", "id\n3\n").await.unwrap();

    let look = || lake.waiting(dead);
    eventually(("a dead letter", Duration::from_secs(90)), look, |waiting| *waiting == (1, 0)).await.unwrap();
    lake.settled().await.unwrap();
    assert_eq!(
        lake.rows("SELECT id, _source_key FROM silver.poison ORDER BY id").unwrap(),
        json!([[1, "poison/a.csv"], [2, "poison/a.csv"], [3, "poison/b.csv"],])
    );
    let quarantined = "SELECT key, record_number, len(reasons) FROM silver.quarantine WHERE key LIKE 'poison/%'";
    assert_eq!(lake.rows(quarantined).unwrap(), json!([["poison/half.csv.gz", 1, 1]]));

    // Nobody can tell what it asks for, so it stays where it is, and is told.
    let shown = lake.pintail_words(&["replay", "--from", dead, "--dry-run"]).unwrap_err().to_string();
    assert!(shown.contains("1 messages, 0 sent again, 1 that cannot be read"), "{shown}");
    assert_eq!(lake.waiting(dead).await.unwrap(), (1, 0));
}

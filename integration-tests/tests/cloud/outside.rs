//! `pintail` on the lake from elsewhere: what events did not tell is found, and sent through.

use std::time::Duration;

use integration_tests::{Lake, eventually};
use serde_json::json;

use crate::lakes;

/// Sets which events the raw bucket sends.
fn set_notification(lake: &Lake, configuration: &str) {
    let bucket = lake.output("RawBucketName").unwrap();
    let words = ["s3api", "put-bucket-notification-configuration", "--bucket", bucket];
    lake.cloud.aws(&[&words[..], &["--notification-configuration", configuration]].concat()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn lost_events_are_found_by_reconcile_and_told_by_the_other_commands() {
    let lake = lakes::workshop().await;
    let bucket = lake.output("RawBucketName").unwrap();
    let told = lake.cloud.aws(&["s3api", "get-bucket-notification-configuration", "--bucket", bucket]).unwrap();
    set_notification(&lake, "{}");
    lake.put("lost/one.csv", "id,word\n1,a\n2,b\n").await.unwrap();
    lake.put("lost/two files.csv", "id,word\n3,c\nx,d\n").await.unwrap();
    set_notification(&lake, &told.to_string());
    lake.put("lost/3.csv", "id,word\n4,e\n").await.unwrap();

    let project = lake.context.project().display().to_string();
    let lost = || lake.pintail("reconcile", &["--project", &project, "--dry-run"]).unwrap();
    let keys = |plan: &str| plan.lines().map(|line| line.split(": ").next().unwrap().to_owned()).collect::<Vec<_>>();
    eventually(
        ("only what events told is done", Duration::from_mins(1)),
        || async { Ok(keys(&lost())) },
        |keys| *keys == ["lost/one.csv", "lost/two files.csv"],
    )
    .await
    .unwrap();

    let arrivals = lake.output("ArrivalsUrl").unwrap();
    lake.pintail("reconcile", &["--project", &project, "--enqueue", arrivals]).unwrap();
    lake.settled().await.unwrap();
    let rows = lake.rows("SELECT id, word FROM silver.lost ORDER BY id").unwrap();
    assert_eq!(rows, json!([[1, "a"], [2, "b"], [3, "c"], [4, "e"]]));

    let sql = "SELECT id, word FROM silver.lost ORDER BY id";
    assert_eq!(lake.pintail("query", &["--format", "csv", sql]).unwrap(), "id,word\n1,a\n2,b\n3,c\n4,e\n");
    let history = lake.pintail("history", &["--format", "csv"]).unwrap();
    assert_eq!(history.lines().filter(|line| line.contains("lost/")).count(), 3, "{history}");
    let rejected = lake.pintail("quarantine", &["--format", "csv"]).unwrap();
    assert!(rejected.lines().any(|line| line.contains("lost/two files.csv") && line.contains("\"x,d\"")), "{rejected}");
    let audit = lake.pintail("audit", &["--project", &project]).unwrap();
    assert!(audit.ends_with("everything agrees\n"), "{audit}");
}

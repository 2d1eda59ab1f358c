//! The project changes: gold follows with the deployment, a contract when it is asked to.

use std::{fs, path::Path};

use integration_tests::Lake;
use serde_json::json;

use crate::lakes::{self, sample};

/// Replaces a text that must be there.
fn edit(file: &Path, (from, to): (&str, &str)) {
    let text = fs::read_to_string(file).unwrap();
    assert_eq!(text.matches(from).count(), 1, "{}: {from:?}", file.display());
    fs::write(file, text.replace(from, to)).unwrap();
}

async fn upload(lake: &Lake, key: &str) {
    lake.put(key, fs::read(sample("raw").join(key)).unwrap()).await.unwrap();
    lake.settled().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn gold_follows_a_changed_model_and_old_objects_a_changed_contract() {
    let mut lake = lakes::workshop().await;
    upload(&lake, "orders/2026-10-01.csv").await;
    let days = "SELECT count(*), sum(orders) FROM gold.orders_by_day";
    let before = lake.rows(days).unwrap();
    let types = "SELECT DISTINCT typeof(quantity) FROM silver.orders";
    assert_eq!(lake.rows(types).unwrap(), json!([["INTEGER"]]));

    let models = lake.context.project().join("models");
    edit(
        &models.join("gold/orders_by_day.sql"),
        ("count(*) as orders,", "count(*) as orders,\n    max(amount) as largest,"),
    );
    edit(&models.join("sources.yml"), ("data_type: integer", "data_type: bigint"));
    let deployed = lake.deploy(&[]).unwrap();
    assert_eq!(deployed["changed"], json!(true), "{deployed}");
    // The deployment ends with a refresh: no upload is needed for gold to follow.
    let largest = "SELECT count(*), sum(orders), bool_and(largest = of_the_day) FROM gold.orders_by_day JOIN \
                   (SELECT ordered_on, max(amount) AS of_the_day FROM silver.stg_orders GROUP BY 1) USING (ordered_on)";
    assert_eq!(lake.rows(largest).unwrap(), json!([[before[0][0], before[0][1], true]]));

    upload(&lake, "orders/2026-10-03.csv").await;
    let all = "SELECT count(*), count(DISTINCT _source_key), count(*) = (SELECT sum(orders) FROM gold.orders_by_day) FROM silver.stg_orders";
    let whole = lake.rows(all).unwrap();
    assert_eq!((&whole[0][1], &whole[0][2]), (&json!(2), &json!(true)), "{whole}");
    assert_eq!(lake.rows(types).unwrap(), json!([["INTEGER"]]), "a changed type is not mixed in");

    let project = lake.context.project().display().to_string();
    lake.pintail("reconcile", &["--project", &project, "--contract"]).unwrap();
    assert_eq!(lake.rows(types).unwrap(), json!([["BIGINT"]]));
    assert_eq!(lake.rows(all).unwrap(), whole);
    let audit = lake.pintail("audit", &["--project", &project]).unwrap();
    assert!(audit.ends_with("everything agrees\n"), "{audit}");
}

//! The files of the sample project, with every mess in them.

use std::{collections::BTreeMap, fs, process::Command};

use integration_tests::{
    Lake,
    tools::{programs, run},
};
use serde_json::{Value, json};

use crate::lakes::{self, sample};

/// Names that S3 encodes in its events, each with what the file says.
const ODD: [(&str, &str); 6] = [
    ("odd/a b.csv", "a space"),
    ("odd/a+b.csv", "a plus"),
    ("odd/100%.csv", "a percent sign"),
    ("odd/a%20b.csv", "an encoded space, as it is"),
    ("odd/été 東京 – ß.csv", "unicode"),
    ("odd/sub folder/k=v&x=1;y,(z)'.csv", "marks"),
];

/// What became of each file, by its receipt.
fn receipts(lake: &Lake) -> BTreeMap<String, Value> {
    let history: Vec<Value> = serde_json::from_str(&lake.pintail("history", &["--format", "json"]).unwrap()).unwrap();
    let counts = |entry: &Value| json!([entry["status"], entry["records"], entry["accepted"], entry["quarantined"]]);
    history.iter().map(|entry| (entry["key"].as_str().unwrap().to_owned(), counts(entry))).collect()
}

/// What the sample says must become of each.
fn expected() -> BTreeMap<String, Value> {
    let expected = fs::read_to_string(sample("expected.json")).unwrap();
    let expected: BTreeMap<String, Value> = serde_json::from_str(&expected).unwrap();
    let files = expected.iter().filter(|(_, entry)| entry["status"] != "ignored");
    files
        .map(|(key, is)| (key.clone(), json!([is["status"], is["records"], is["accepted"], is["quarantined"]])))
        .collect()
}

#[track_caller]
fn is_right(lake: &Lake) {
    let (expected, mut receipts) = (expected(), receipts(lake));
    receipts.retain(|key, _| expected.contains_key(key));
    assert_eq!(receipts, expected);

    // The same files in a folder, whose tables other tests compare with dbt's: every row of every table, read by `deltalake`.
    let folder = lake.cloud.file("demo");
    run(Command::new(programs().unwrap().join("pintail")).arg("demo").arg(&folder)).unwrap();
    let compared = lake.python("requirements.txt", "same.py", &[folder.to_str().unwrap()]).unwrap();
    assert_eq!(compared.lines().filter(|line| line.ends_with(" same")).count(), 16, "{compared}");

    let project = lake.context.project();
    let audit = lake.pintail("audit", &["--project", project.to_str().unwrap()]).unwrap();
    assert!(audit.ends_with("everything agrees\n"), "{audit}");
}

async fn the_files_become_tables(lake: &Lake) {
    let _shop = lakes::shop().await;
    lakes::open_shop(lake).await;
    for (index, (key, content)) in ODD.into_iter().enumerate() {
        lake.put(key, format!("number,word\n{index},\"{content}\"\n")).await.unwrap();
    }
    lake.settled().await.unwrap();
    is_right(lake);
    let odd = lake.rows("SELECT _source_key, number, word FROM silver.odd ORDER BY number").unwrap();
    let all: Vec<Value> =
        ODD.iter().enumerate().map(|(number, (key, content))| json!([key, number, content])).collect();
    assert_eq!(odd, json!(all));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn the_sample_becomes_its_tables_in_a_deployed_stack() {
    the_files_become_tables(lakes::ministack().await).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn the_sample_becomes_its_tables_on_a_strict_s3() {
    the_files_become_tables(lakes::localstack().await).await;
}

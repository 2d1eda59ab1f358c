//! The function's role, enforced by the cloud: it is enough, and without any one of the rights that are tried here it is not.
//! What no emulator checks (the rights of the queue's poller, of the log and of traces) is held by a test of the template, in
//! `contract.rs`.

use std::time::Duration;

use integration_tests::{Lake, eventually};
use serde_json::{Value, json};

use crate::lakes;

/// The deployed policy of the role.
struct Policy<'l> {
    lake: &'l Lake,
    role: String,
    document: Value,
}

impl<'l> Policy<'l> {
    fn of(lake: &'l Lake) -> Self {
        let resource = ["--stack-name", "pintail", "--logical-resource-id", "FunctionRole"];
        let found = lake.cloud.aws(&[&["cloudformation", "describe-stack-resource"], &resource[..]].concat()).unwrap();
        let role = found["StackResourceDetail"]["PhysicalResourceId"].as_str().unwrap().to_owned();
        let asked = ["iam", "get-role-policy", "--role-name", &role, "--policy-name", "lake"];
        let document = lake.cloud.aws(&asked).unwrap()["PolicyDocument"].take();
        Self { lake, role, document }
    }

    fn put(&self, document: &Value) {
        let (name, document) = (["--policy-name", "lake", "--policy-document"], document.to_string());
        let role = ["iam", "put-role-policy", "--role-name", &self.role];
        self.lake.cloud.aws(&[&role[..], &name, &[&document]].concat()).unwrap();
    }

    /// Takes one action out of a statement; a statement without actions goes with it.
    fn without(&self, (statement, action): (&str, &str)) -> Value {
        let mut document = self.document.clone();
        let statements = document["Statement"].as_array_mut().unwrap();
        let found = statements.iter_mut().find(|found| found["Sid"] == statement).unwrap();
        let actions = found["Action"].as_array_mut().unwrap();
        let before = actions.len();
        actions.retain(|found| found != action);
        assert_eq!(actions.len(), before - 1, "{action} is no part of {statement}");
        statements.retain(|found| found["Action"] != json!([]));
        document
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn without_any_one_right_the_function_says_which_one_is_missing() {
    let lake = lakes::workshop().await;
    let policy = Policy::of(&lake);
    let parts = [
        ("List", "s3:ListBucket"),
        ("ReadRaw", "s3:GetObject"),
        ("Tables", "s3:GetObject"),
        ("Tables", "s3:PutObject"),
    ];
    for (index, part) in parts.into_iter().enumerate() {
        let key = format!("rights/{index}.csv");
        policy.put(&policy.without(part));
        lake.put(&key, format!("number\n{index}\n")).await.unwrap();
        let refused = lake.invoke(&json!({"keys": [key]})).await.unwrap();
        policy.put(&policy.document);
        let message = refused["errorMessage"].as_str().unwrap();
        let told = format!("S3 answers 403: {} is missing", part.1);
        assert!(message.contains(&told), "without {part:?}: {message}");

        let done = lake.invoke(&json!({"keys": [key]})).await.unwrap();
        assert_eq!(done["files"], 1, "with all rights again: {done}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn what_failed_for_a_missing_right_comes_back_by_replay() {
    let lake = lakes::workshop().await;
    let (arrivals, dead) = (lake.output("ArrivalsUrl").unwrap(), lake.output("DeadLettersUrl").unwrap());
    let policy = Policy::of(&lake);
    policy.put(&policy.without(("Tables", "s3:PutObject")));
    for number in 0..3 {
        lake.put(&format!("replayed/a b {number}.csv"), format!("number\n{number}\n")).await.unwrap();
    }
    let look = || lake.waiting(dead);
    let failed = eventually(("dead letters", Duration::from_mins(2)), look, |waiting| *waiting == (3, 0)).await;
    policy.put(&policy.document);
    failed.unwrap();
    assert_eq!(lake.keys("SilverBucketName", "replayed/").await.unwrap(), [""; 0]);

    let replayed = lake.pintail_words(&["replay", "--from", dead, "--to", arrivals]).unwrap();
    assert!(replayed.ends_with("3 messages, 3 sent again, 0 that cannot be read\n"), "{replayed}");
    lake.settled().await.unwrap();
    assert_eq!(lake.waiting(dead).await.unwrap(), (0, 0));
    let rows = lake.rows("SELECT number, _source_key FROM silver.replayed ORDER BY number").unwrap();
    let all: Vec<Value> = (0..3).map(|number| json!([number, format!("replayed/a b {number}.csv")])).collect();
    assert_eq!(rows, json!(all));
}

//! What stack and handler have to agree about, read from both: `stack` must not depend on `handler`, whose build takes DuckDB along.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{collections::BTreeSet, fs};

use integration_tests::tools::workspace;
use serde_json::Value;

fn read(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).unwrap()
}

fn template() -> Value {
    serde_json::from_str(&read("template.out.json")).unwrap()
}

/// The code of a file without its tests.
fn code(path: &str) -> String {
    let text = read(path);
    text.split("#[cfg(test)]").next().unwrap().to_owned()
}

#[test]
fn every_variable_that_the_stack_sets_is_a_documented_setting_of_the_handler() {
    let settings = code("handler/src/settings.rs");
    let documented =
        |name: &&String| ['`', '"'].iter().any(|quote| settings.contains(&format!("{quote}{name}{quote}")));
    let template = template();
    let set = template["Resources"]["Function"]["Properties"]["Environment"]["Variables"].as_object().unwrap();
    assert_eq!(set.keys().filter(|name| !documented(name)).collect::<Vec<_>>(), Vec::<&String>::new());
    let names = set.keys().map(String::as_str).collect::<BTreeSet<_>>();
    assert_eq!(names, BTreeSet::from(stack::lakehouse::ENVIRONMENT));
}

/// Calls of the SDK, and the right that each needs.
const RIGHTS: [(&str, &str); 10] = [
    (".get_object()", "s3:GetObject"),
    (".head_object()", "s3:GetObject"),
    (".list_objects_v2()", "s3:ListBucket"),
    (".put_object()", "s3:PutObject"),
    (".create_multipart_upload()", "s3:PutObject"),
    (".upload_part()", "s3:PutObject"),
    (".complete_multipart_upload()", "s3:PutObject"),
    (".abort_multipart_upload()", "s3:AbortMultipartUpload"),
    (".delete_object()", "s3:DeleteObject"),
    (".delete_objects()", "s3:DeleteObject"),
];

/// What else the role needs: to read a version by its id, and what Lambda itself does with it (the queue's poller, the log, traces).
/// No emulator misses the latter: there these seven are not checked.
const BESIDES: [&str; 8] = [
    "s3:GetObjectVersion",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
];

#[test]
fn the_role_has_the_rights_that_are_needed_and_no_others() {
    let files = fs::read_dir(workspace().join("handler/src/lake")).unwrap().map(|entry| entry.unwrap().path());
    let calls = files.map(|path| fs::read_to_string(path).unwrap()).collect::<String>();
    let needed =
        RIGHTS.iter().filter(|(call, _)| calls.contains(call)).map(|(_, right)| *right).collect::<BTreeSet<_>>();
    assert!(needed.contains("s3:GetObject"), "no call of the SDK was found: has it moved?");
    let template = template();
    let statements = &template["Resources"]["FunctionRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
    let actions = statements.as_array().unwrap().iter().flat_map(|statement| statement["Action"].as_array().unwrap());
    let granted = actions.map(|action| action.as_str().unwrap()).collect::<BTreeSet<_>>();
    assert_eq!(granted, needed.into_iter().chain(BESIDES).collect());
}

#[test]
fn the_image_has_the_targets_and_arguments_that_the_deployer_uses() {
    let (ours, tiny) = (read("Dockerfile"), read("stack/tests/fixtures/image/Dockerfile"));
    for line in ["ARG BASE=public.ecr.aws/lambda/provided:al2023", "AS prebuilt", "ARG BOOTSTRAP"] {
        assert!(ours.contains(line) && tiny.contains(line), "{line}");
    }
}

#[test]
fn the_deployer_knows_how_the_handler_says_that_it_is_superseded() {
    assert!(code("handler/src/error.rs").contains(r#"Self::Superseded { .. } => (Class::Retryable, "Superseded")"#));
    assert!(code("stack/src/function.rs").contains(r#"== "Retryable.Superseded""#));
}

#[test]
fn every_metric_that_an_alarm_of_ours_reads_is_one_that_the_handler_writes() {
    let metrics = code("handler/src/metrics.rs");
    let template = template();
    let resources = template["Resources"].as_object().unwrap().values().map(|resource| &resource["Properties"]);
    let ours =
        resources.filter(|alarm| alarm["Namespace"] == "Pintail").map(|alarm| alarm["MetricName"].as_str().unwrap());
    let unwritten = ours.filter(|name| !metrics.contains(&format!("\"{name}\""))).collect::<Vec<_>>();
    assert_eq!(unwritten, Vec::<&str>::new());
}

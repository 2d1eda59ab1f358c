//! What stack and handler have to agree about, read from both: `stack` must not depend on `handler`, whose build takes DuckDB along.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::{collections::BTreeSet, fs};

use integration_tests::tools::workspace;
use serde_json::{Value, json};
use stack::{
    options::{Encryption, Network, Options, Stage, Tables, Trigger},
    synth,
};

fn read(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).unwrap()
}

fn template() -> Value {
    serde_json::from_str(&read("template.out.json")).unwrap()
}

fn template_of(options: Options) -> Value {
    let text = synth::text(&Stage { options, ..Stage::default() }, &Tables::default()).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn environment(template: &Value) -> &serde_json::Map<String, Value> {
    template["Resources"]["Function"]["Properties"]["Environment"]["Variables"].as_object().unwrap()
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
    let template = template_of(Options { log: Some("error".to_owned()), ..Options::default() });
    let set = environment(&template);
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

/// What else the role needs: to read a version by its id, and what Lambda itself does with it (the log, traces).
/// No emulator misses the latter, nor [`POLL`] and [`INTERFACES`]: there they are not checked.
const BESIDES: [&str; 5] = [
    "s3:GetObjectVersion",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
];

/// How Lambda reads the queue.
const POLL: &[&str] = &["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];

/// How Lambda comes into a network.
const INTERFACES: &[&str] = &[
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
];

/// The options that change the role, and what it may then do beside reading and writing the lake.
fn roles() -> Vec<(Options, Vec<&'static [&'static str]>)> {
    let machine = "arn:aws:states:eu-central-1:123456789012:stateMachine:large-files".to_owned();
    let options = Options::default;
    vec![
        (options(), vec![POLL]),
        (Options { trigger: Trigger::EventBridge, ..options() }, vec![POLL]),
        (Options { trigger: Trigger::Direct, ..options() }, vec![&["sqs:SendMessage"]]),
        (Options { encryption: Encryption::Kms, ..options() }, vec![POLL, &["kms:Decrypt", "kms:GenerateDataKey"]]),
        (Options { network: Network::Given, ..options() }, vec![POLL, INTERFACES]),
        (Options { network: Network::Made, ..options() }, vec![POLL, INTERFACES]),
        (Options { state_machine: Some(machine), ..options() }, vec![POLL, &["states:StartExecution"]]),
    ]
}

fn granted(template: &Value) -> BTreeSet<String> {
    let statements = &template["Resources"]["FunctionRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
    let actions = statements.as_array().unwrap().iter().flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_role_has_the_rights_that_are_needed_and_no_others() {
    let files = fs::read_dir(workspace().join("handler/src/lake")).unwrap().map(|entry| entry.unwrap().path());
    let calls = files.map(|path| fs::read_to_string(path).unwrap()).collect::<String>();
    let needed = RIGHTS.iter().filter(|(call, _)| calls.contains(call)).map(|(_, right)| *right);
    let needed = needed.chain(BESIDES).collect::<BTreeSet<_>>();
    assert!(needed.contains("s3:GetObject"), "no call of the SDK was found: has it moved?");
    for (options, more) in roles() {
        let expected = needed.iter().copied().chain(more.concat()).map(str::to_owned).collect::<BTreeSet<_>>();
        let template = template_of(options.clone());
        assert_eq!(granted(&template), expected, "{options:#?}");
    }
}

/// Names are put together twice, so that buckets may wait for the function that writes to them.
#[test]
fn the_function_reads_and_writes_the_buckets_of_the_stack() {
    for account_regional_names in [false, true] {
        let template = template_of(Options { account_regional_names, ..Options::default() });
        for (variable, bucket) in
            [("PINTAIL_RAW", "RawBucket"), ("PINTAIL_SILVER", "SilverBucket"), ("PINTAIL_GOLD", "GoldBucket")]
        {
            let name = template["Resources"][bucket]["Properties"]["BucketName"]["Fn::Sub"].as_str().unwrap();
            assert_eq!(environment(&template)[variable], json!({"Fn::Sub": format!("s3://{name}")}));
        }
    }
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
fn every_metric_of_ours_that_is_watched_is_one_that_the_handler_writes_by_function() {
    let metrics = code("handler/src/metrics.rs");
    let template = template();
    let resources = template["Resources"].as_object().unwrap().values().map(|resource| &resource["Properties"]);
    let alarms = resources.filter(|alarm| alarm["Namespace"] == "Pintail");
    let alarms = alarms.map(|alarm| (alarm["MetricName"].clone(), alarm["Dimensions"][0]["Name"].clone()));
    let watched = alarms.chain(on_the_dashboard(&template)).collect::<Vec<_>>();
    assert!(watched.len() > 5, "{watched:?}");
    for (name, dimension) in watched {
        assert!(metrics.contains(&name.to_string()), "{name}");
        assert_eq!(dimension, "Function", "{name} mixes the stages of one account");
    }
}

/// Lambda leaves out JSON lines below `INFO` where it is not told otherwise, whatever the handler's filter says.
#[test]
fn lambda_passes_on_every_line_of_the_handler_s_log() {
    let logging = &template()["Resources"]["Function"]["Properties"]["LoggingConfig"];
    assert_eq!([&logging["LogFormat"], &logging["ApplicationLogLevel"]], ["JSON", "TRACE"]);
}

/// Its events are acknowledged: nothing else tells.
#[test]
fn a_withheld_gold_table_raises_an_alarm() {
    let template = template();
    let mut resources = template["Resources"].as_object().unwrap().values().map(|resource| &resource["Properties"]);
    assert!(resources.any(|alarm| alarm["Namespace"] == "Pintail" && alarm["MetricName"] == "Withheld"));
}

/// Name and first dimension of each metric of ours. References stand inside of texts, so that the body is JSON as it is.
fn on_the_dashboard(template: &Value) -> Vec<(Value, Value)> {
    let body = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"].as_str().unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let widgets = body["widgets"].as_array().unwrap().iter();
    let metrics = widgets.flat_map(|widget| widget["properties"]["metrics"].as_array().unwrap());
    metrics.filter(|metric| metric[0] == "Pintail").map(|metric| (metric[1].clone(), metric[2].clone())).collect()
}

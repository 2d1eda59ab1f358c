//! The function under AWS's Runtime Interface Emulator.

use std::process::Command;

use serde_json::{Value, json};

use crate::http::request;
use crate::process::{Process, free_port};
use crate::tools;

/// The function, invoked over HTTP.
pub(crate) struct Emulator {
    process: Process,
    port: u16,
}

impl Emulator {
    /// Starts `bootstrap` with nothing but these variables.
    pub(crate) fn start(variables: &[(&str, String)]) -> Self {
        let (port, api) = (free_port(), free_port());
        let mut command = Command::new(tools::runtime_interface_emulator());
        command.args(["--log-level", "ERROR", "--runtime-interface-emulator-address"]).arg(format!("127.0.0.1:{port}"));
        command.arg("--runtime-api-address").arg(format!("127.0.0.1:{api}")).arg(env!("CARGO_BIN_EXE_bootstrap"));
        command.env_clear().env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024").envs(variables.iter().cloned());
        Self { process: Process::start("the Runtime Interface Emulator", &mut command).listens(port), port }
    }

    /// A function that listens already.
    pub(crate) fn at(port: u16, process: Process) -> Self {
        Self { process, port }
    }

    /// The answer to a payload.
    #[track_caller]
    pub(crate) fn invoke(&self, payload: &Value) -> Value {
        let at = ("POST", "/2015-03-31/functions/function/invocations");
        let answer = request(self.port, at, payload.to_string().as_bytes());
        let (_, body) = answer.unwrap_or_else(|error| panic!("invoke: {error}\n{}", self.process.log()));
        serde_json::from_str(&body).unwrap_or(Value::String(body))
    }

    /// The objects that the function wrote to its log, and its metrics.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.process.log().lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// All that it wrote.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }
}

/// A batch of messages: id, body, and how often each was received.
pub(crate) fn batch(messages: &[(&str, Value, u32)]) -> Value {
    let record = |(id, body, receives): &(&str, Value, u32)| {
        let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        json!({
            "messageId": id, "receiptHandle": id, "body": body, "eventSource": "aws:sqs", "awsRegion": "us-east-1",
            "attributes": {"ApproximateReceiveCount": receives.to_string()},
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:shop",
        })
    };
    json!({"Records": messages.iter().map(record).collect::<Vec<_>>()})
}

/// The notification of S3 that a key was written.
pub(crate) fn created(bucket: &str, key: &str) -> Value {
    json!({"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventName": "ObjectCreated:Put",
        "eventTime": "2026-11-25T10:00:00.000Z", "userIdentity": {"principalId": "A"}, "requestParameters": {},
        "responseElements": {}, "s3": {"bucket": {"name": bucket}, "object": {"key": key.replace(' ', "+")}},
    }]})
}

/// The ids of the messages that go back.
#[track_caller]
pub(crate) fn failures(answer: &Value) -> Vec<&str> {
    let items =
        answer["batchItemFailures"].as_array().unwrap_or_else(|| panic!("this is no answer to a batch: {answer}"));
    items.iter().filter_map(|item| item["itemIdentifier"].as_str()).collect()
}

//! Where a function works: a lake in a folder, or in the buckets of MiniStack.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{request, request_with};
use crate::process::{Process, free_port};
use crate::tools;

/// The bucket of the raw zone.
pub(crate) const RAW: &str = "shop-raw";

/// The project that is deployed.
pub(crate) const PIPELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipeline");

/// A lake and everything around it.
pub(crate) enum World {
    /// In a folder.
    Folder(TempDir),
    /// In the buckets of an emulator, which listens on a port.
    Buckets {
        /// The emulator.
        _process: Process,
        /// Its port.
        port: u16,
    },
}

impl World {
    /// A lake in a folder.
    pub(crate) fn folder() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("raw")).expect("the zone raw");
        Self::Folder(folder)
    }

    /// A lake in three buckets.
    pub(crate) fn buckets() -> Self {
        let port = free_port();
        let mut command = Command::new(tools::ministack());
        command.env("GATEWAY_PORT", port.to_string());
        let process = Process::start("MiniStack", &mut command).listens(port);
        let world = Self::Buckets { _process: process, port };
        for bucket in [RAW, "shop-silver", "shop-gold"] {
            world.bucket(bucket);
        }
        world
    }

    /// Makes a bucket.
    pub(crate) fn bucket(&self, name: &str) {
        self.ask("PUT", &format!("/{name}"), b"");
    }

    /// Writes an object.
    pub(crate) fn write(&self, bucket: &str, key: &str, bytes: &[u8]) {
        self.ask("PUT", &format!("/{bucket}/{key}"), bytes);
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &[u8]) -> String {
        let Self::Buckets { port, .. } = self else { panic!("a folder is not asked") };
        let (status, answer) = request(*port, (method, path), body).expect("ask MiniStack");
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// Puts a file of the sample into the raw zone.
    pub(crate) fn put(&self, key: &str) {
        let bytes = std::fs::read(Path::new(PIPELINE).join("sample/raw").join(key)).expect("read the sample");
        match self {
            Self::Folder(folder) => {
                let path = folder.path().join("raw").join(key);
                std::fs::create_dir_all(path.parent().expect("a folder")).expect("make a folder");
                std::fs::write(path, bytes).expect("write the file");
            }
            Self::Buckets { .. } => self.write(RAW, key, &bytes),
        }
    }

    /// The variables of a function that works here.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let zone = |name: &str| match self {
            Self::Folder(folder) => folder.path().join(name).display().to_string(),
            Self::Buckets { .. } => format!("s3://shop-{name}"),
        };
        let mut variables = vec![
            ("PINTAIL_RAW", zone("raw")),
            ("PINTAIL_SILVER", zone("silver")),
            ("PINTAIL_GOLD", zone("gold")),
            ("PINTAIL_GENERATION", "1".to_owned()),
            ("PINTAIL_PROJECT", PIPELINE.to_owned()),
        ];
        variables.extend(self.access("127.0.0.1"));
        variables
    }

    /// How the emulator is reached from where it is `host`.
    pub(crate) fn access(&self, host: &str) -> Vec<(&'static str, String)> {
        let Self::Buckets { port, .. } = self else { return Vec::new() };
        let word = |word: &str| word.to_owned();
        vec![
            ("AWS_ENDPOINT_URL", format!("http://{host}:{port}")),
            ("AWS_ACCESS_KEY_ID", word("test")),
            ("AWS_SECRET_ACCESS_KEY", word("test")),
            ("AWS_REGION", word("us-east-1")),
        ]
    }

    /// A new queue: its URL.
    pub(crate) fn queue(&self, name: &str) -> String {
        let made = self.sqs("CreateQueue", &json!({"QueueName": name}));
        made["QueueUrl"].as_str().expect("the URL of the queue").to_owned()
    }

    /// A request to SQS.
    #[track_caller]
    pub(crate) fn sqs(&self, action: &str, body: &Value) -> Value {
        let Self::Buckets { port, .. } = self else { panic!("a folder has no queues") };
        let head = format!("X-Amz-Target: AmazonSQS.{action}\r\nContent-Type: application/x-amz-json-1.0\r\n");
        let answer = request_with(*port, ("POST", "/", &head), body.to_string().as_bytes());
        let (status, answer) = answer.expect("ask MiniStack");
        assert_eq!(status, 200, "{action}: {answer}");
        serde_json::from_str(&answer).unwrap_or_default()
    }

    /// What `pintail` says on the lake with these arguments; it must end with 0.
    #[track_caller]
    pub(crate) fn pintail(&self, command: &str, arguments: &[&str]) -> String {
        let lake = match self {
            Self::Folder(folder) => folder.path().display().to_string(),
            Self::Buckets { .. } => "s3://shop-raw,s3://shop-silver,s3://shop-gold".to_owned(),
        };
        let all: Vec<&str> = [command, "--lake", &lake].iter().chain(arguments).copied().collect();
        let (code, text) = self.run(&all);
        assert_eq!(code, 0, "pintail {command}: {text}");
        text
    }

    /// Exit code and words of `pintail`: its output, and where there is none its errors.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pintail"));
        let output = command.args(arguments).envs(self.access("127.0.0.1")).output().expect("start pintail");
        let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
    }
}

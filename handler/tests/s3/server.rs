//! An S3 server as a plain process: `MiniStack`, from `PyPI`.

use std::process::Command;

use crate::process::{Process, free_port};
use crate::tools;
use crate::wire::{Connection, Message};

/// The buckets; each lake has a prefix of its own in them.
pub(crate) const BUCKETS: [&str; 3] = ["raw", "silver", "gold"];

/// A server at work.
pub(crate) struct Server {
    pub(crate) port: u16,
    process: Process,
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) key: String,
    pub(crate) etag: String,
}

impl Server {
    /// Starts one with empty buckets.
    pub(crate) fn start() -> Self {
        let port = free_port();
        let mut command = Command::new(tools::ministack());
        command.env("GATEWAY_PORT", port.to_string());
        let server = Self { port, process: Process::start("MiniStack", &mut command).listens(port) };
        for bucket in BUCKETS {
            server.ask("PUT", &format!("/{bucket}"), Vec::new());
        }
        server
    }

    /// Keeps all versions of the objects of some buckets from now on, as all buckets of the stack do.
    pub(crate) fn keep_versions(&self, buckets: &[&str]) {
        let enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        for bucket in buckets {
            self.ask("PUT", &format!("/{bucket}?versioning"), enabled.into());
        }
    }

    /// Puts an object.
    pub(crate) fn put(&self, path: &str, bytes: Vec<u8>) {
        self.ask("PUT", path, bytes);
    }

    /// Removes an object.
    pub(crate) fn remove(&self, path: &str) {
        self.ask("DELETE", path, Vec::new());
    }

    /// An object's bytes.
    pub(crate) fn get(&self, path: &str) -> Vec<u8> {
        self.ask("GET", path, Vec::new()).body
    }

    /// The objects of a bucket below a prefix.
    pub(crate) fn list(&self, bucket: &str, prefix: &str) -> Vec<Listed> {
        let mut all: Vec<Listed> = Vec::new();
        loop {
            let after = all.last().map_or(String::new(), |last| format!("&start-after={}", quoted(&last.key)));
            let page = self.get(&format!("/{bucket}?list-type=2&prefix={}{after}", quoted(prefix)));
            let page = String::from_utf8(page).expect("a listing is text");
            let objects = page.split("<Contents>").skip(1).map(|object| Listed {
                key: between(object, "Key").to_owned(),
                etag: between(object, "ETag").to_owned(),
            });
            all.extend(objects);
            if between(&page, "IsTruncated") != "true" {
                return all;
            }
        }
    }

    fn ask(&self, method: &str, path: &str, body: Vec<u8>) -> Message {
        let mut request = Message { body, ..Message::request(method, path) }.measured();
        // The server keeps what is not said to be over, and grows slow with some hundred of them.
        request.headers.push(("Connection".to_owned(), "close".to_owned()));
        let answer = Connection::open(self.port).and_then(|mut connection| connection.ask(&request));
        let answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.process.log()));
        let text = String::from_utf8_lossy(&answer.body);
        assert!(answer.status() < 300, "{method} {path}: {}\n{text}", answer.first);
        answer
    }
}

/// The path of a key, as a request names it.
pub(crate) fn path_of(bucket: &str, key: &str) -> String {
    format!("/{bucket}/{}", quoted(key))
}

fn quoted(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn between<'t>(text: &'t str, tag: &str) -> &'t str {
    let inner = text.split_once(&format!("<{tag}>")).and_then(|(_, rest)| rest.split_once(&format!("</{tag}>")));
    inner.unwrap_or_else(|| panic!("no <{tag}> in {text}")).0
}

//! What keeps a story from being told.

use std::{io, process::ExitStatus, time::Duration};

use testcontainers_modules::testcontainers::TestcontainersError;

/// Why the harness could not do its part.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing answers as a Docker engine.
    #[error(
        "no Docker engine answers; start one (`systemctl start docker`, or `dockerd &` as root), then run the stories again: {said}"
    )]
    Engine {
        /// What docker said.
        said: String,
    },
    /// A container that did not come up.
    #[error("start container {image}")]
    Container {
        /// Its image.
        image: String,
        /// Why.
        source: TestcontainersError,
    },
    /// A program that could not be started.
    #[error("start `{command}`")]
    Start {
        /// The program and its arguments.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// A program that failed.
    #[error("`{command}` failed ({status}): {stderr}{stdout}")]
    Failed {
        /// The program and its arguments.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        stderr: String,
        /// What it wrote.
        stdout: String,
    },
    /// A file that could not be written.
    #[error("write {path}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// An answer that is no JSON.
    #[error("`{command}` answered {answer:?}")]
    Json {
        /// The program and its arguments.
        command: String,
        /// The answer.
        answer: String,
        /// Where and why.
        source: serde_json::Error,
    },
    /// What was waited for did not come.
    #[error("{what} did not come true within {deadline:?}; at last: {last}")]
    Late {
        /// What was waited for.
        what: String,
        /// How long.
        deadline: Duration,
        /// What was seen last.
        last: String,
    },
    /// The deployer's error, whole.
    #[error("{0}")]
    Stack(String),
}

//! What keeps a story from being told.

use std::{error::Error as StdError, io, process::ExitStatus, time::Duration};

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
    /// A file that could not be read or written.
    #[error("read or write {path}")]
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
    /// A service of the cloud that refused.
    #[error("{action}")]
    Aws {
        /// What was attempted.
        action: &'static str,
        /// What it said.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The function's container is gone, or answers as no function does.
    #[error("the function died: {said}")]
    Died {
        /// What was seen of it.
        said: String,
    },
    /// The deployed stack lacks an output.
    #[error("the stack has no output {0}")]
    Output(&'static str),
}

impl Error {
    /// A refusal of a service, for `map_err`.
    pub(crate) fn aws<E: StdError + Send + Sync + 'static>(action: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Aws { action, source: Box::new(source) }
    }

    /// A file that could not be read or written, for `map_err`.
    pub(crate) fn file(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.display().to_string(), source }
    }
}

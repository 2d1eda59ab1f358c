//! What can go wrong in the engine. Bad data is no error: it ends in quarantine. An error is a failure
//! of ours, of the machine or of the project, and always names the thing in trouble.

use std::path::PathBuf;

use arrow::error::ArrowError;
use thiserror::Error;

/// The engine's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One enum for the crate; the cause is in `source`, never repeated in the text.
#[derive(Debug, Error)]
pub enum Error {
    /// A file or folder of the lake could not be read or written.
    #[error("{action} {path}", path = path.display())]
    Io {
        /// What was attempted, as a verb: `read`, `write`, `list`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A raw key that may not be read: it leads out of the raw zone, or is no name of a file.
    #[error("raw key {key:?} is refused: {reason}")]
    Key {
        /// The key as it was given.
        key: String,
        /// The rule it breaks.
        reason: String,
    },
    /// A raw object changed while it was being read, again and again.
    #[error("raw object {key:?} kept changing while it was read")]
    Unstable {
        /// The object's key.
        key: String,
    },
    /// S3 could not be asked, or answered with a failure.
    #[error("{action} {uri}{}", told(action, *status, code.as_deref()))]
    S3 {
        /// What was attempted, as a verb: `read`, `write`, `list`.
        action: &'static str,
        /// The object, or the beginning of the keys that were listed.
        uri: String,
        /// The HTTP status of the answer, if there was one.
        status: Option<u16>,
        /// S3's own word for it: `SlowDown`, `AccessDenied`.
        code: Option<String>,
        /// The SDK's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// S3 had not answered when the time of the run was over.
    #[error("S3 did not answer before the time was over")]
    Unanswered,
    /// A data file that a table names could not be fetched.
    #[error("fetch data file {name}")]
    Download {
        /// The file, below its zone.
        name: String,
        /// Why.
        source: std::sync::Arc<Error>,
    },
    /// A raw object is not what was assumed of it: it has to be looked at more closely.
    #[error("raw object {key:?} is not what its beginning is: {what}")]
    Unforeseen {
        /// The object's key.
        key: String,
        /// What nobody foresaw.
        what: String,
    },
    /// The run has no more time for an object; a fresh one does it.
    #[error("raw object {key:?} could not be read in time")]
    OutOfTime {
        /// The object's key.
        key: String,
    },
    /// An object that no run of this function can bring to its end.
    #[error(
        "raw object {key:?} ({bytes} bytes) is too large for this function: {reason}; ingest it from a command line"
    )]
    TooLarge {
        /// The object's key.
        key: String,
        /// Its bytes.
        bytes: u64,
        /// What there is too little of, with the estimate.
        reason: String,
    },
    /// Something that cannot happen.
    #[error("{0}: this is a defect of Pintail")]
    Internal(&'static str),
    /// The strict reader could not get at the bytes (not: the bytes are bad).
    #[error("read raw object {key:?}")]
    Reader {
        /// The object's key.
        key: String,
        /// The reader's error.
        source: records::Error,
    },
    /// delta-rs failed on a table.
    #[error("Delta table {table}")]
    Delta {
        /// The table, as `zone/name`.
        table: String,
        /// delta-rs's error.
        source: Box<deltalake_core::DeltaTableError>,
    },
    /// A Delta table that Pintail cannot use.
    #[error("Delta table {table}: {reason}")]
    Table {
        /// The table, as `zone/name`.
        table: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Other writers won every round until the time for it was over.
    #[error("other writers kept winning the commits to {table} for {seconds} s")]
    Contended {
        /// The table, as `zone/name`.
        table: String,
        /// How long it was tried.
        seconds: u64,
    },
    /// Another worker holds the object and did not finish it in time.
    #[error("another worker held raw object {key:?} for {seconds} s")]
    Held {
        /// The object's key.
        key: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// `DuckDB` failed on a statement.
    #[error("{what}: {message}")]
    Sql {
        /// What the statement was for: `model orders`, `test unique_id`.
        what: String,
        /// `DuckDB`'s message.
        message: String,
        /// Who caused it.
        fault: Fault,
    },
    /// SQL that is refused before it runs.
    #[error("{what}: {reason}")]
    Refused {
        /// Which SQL: `models/gold/revenue.sql`.
        what: String,
        /// The rule it breaks.
        reason: String,
    },
    /// Arrow or Parquet failed on data of ours.
    #[error("{what}")]
    Columns {
        /// What was attempted.
        what: String,
        /// Arrow's error.
        source: ArrowError,
    },
    /// A document of the lake (receipt, project pointer) is not what it should be.
    #[error("{path} is no {kind}", path = path.display())]
    Document {
        /// The document.
        path: PathBuf,
        /// What it should be.
        kind: &'static str,
        /// The parser's error.
        source: serde_json::Error,
    },
    /// The project has errors.
    #[error("the project has errors:\n{0}")]
    Project(crate::project::Errors),
    /// Another run put another project in force.
    #[error("another run put project {name:?} in force on this lake; run again with the project that should hold")]
    Superseded {
        /// The name of the project that is in force now.
        name: String,
    },
    /// The stored contract and the declared one do not go together.
    #[error("contract of {table}: {reason}")]
    Contract {
        /// The silver table.
        table: String,
        /// What is wrong.
        reason: String,
    },
    /// What an invocation or a message of a queue brought is nothing that can be asked for.
    #[error("this is no event that Pintail knows: {reason}")]
    Event {
        /// What is wrong with it.
        reason: String,
    },
    /// A queue did not do what it was asked.
    #[error("{action} queue {url}")]
    Queue {
        /// What was attempted, as a verb: `receive from`.
        action: &'static str,
        /// The queue.
        url: String,
        /// SQS's answer.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A command line that makes no sense.
    #[error("{0}")]
    Usage(String),
}

/// Who caused a failure of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The SQL itself: it does not parse or bind.
    Project,
    /// The values: a cast, an overflow.
    Data,
    /// Memory, files, an interrupt: it may pass.
    Machine,
}

/// The failure of ours that delta-rs came upon, if it was one.
fn ours_in<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Error> {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.into_iter().find_map(|cause| cause.downcast_ref())
}

/// What S3 answered, for people. Which right is missing S3 does not say to who only looks, and not always to others.
fn told(action: &str, status: Option<u16>, code: Option<&str>) -> String {
    match (status, code) {
        (Some(403), _) => format!(": S3 answers 403: {} (or, with a KMS key, the right to use that)", missing(action)),
        (Some(status), Some(code)) => format!(": S3 answers {status} {code}"),
        (Some(status), None) => format!(": S3 answers {status}"),
        (None, _) => String::new(),
    }
}

/// What is missing where S3 refuses an action.
fn missing(action: &str) -> &'static str {
    match action {
        "look at" | "read" => "s3:GetObject is missing, or, without s3:ListBucket, the object",
        "list" => "s3:ListBucket is missing",
        "remove" => "s3:DeleteObject is missing",
        "abort the upload of" => "s3:AbortMultipartUpload is missing",
        _ => "s3:PutObject is missing",
    }
}

/// Whether the same work may succeed when it is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Another time, another worker: it may.
    Retryable,
    /// It gives the same until a person changes something.
    Permanent,
}

impl Error {
    /// Whether trying again may help, and the kind of failure in one word: `Retryable.Io`, `Permanent.Project`.
    pub fn class(&self) -> (Class, &'static str) {
        match self {
            Self::Io { .. } => (Class::Retryable, "Io"),
            Self::S3 { status: Some(403), .. } => (Class::Permanent, "AccessDenied"),
            Self::S3 { .. } | Self::Unanswered => (Class::Retryable, "S3"),
            Self::Download { source, .. } => source.class(),
            Self::OutOfTime { .. } => (Class::Retryable, "OutOfTime"),
            Self::TooLarge { .. } => (Class::Permanent, "TooLarge"),
            Self::Internal(_) => (Class::Retryable, "Internal"),
            Self::Unstable { .. } => (Class::Retryable, "Unstable"),
            Self::Unforeseen { .. } => (Class::Retryable, "Unforeseen"),
            Self::Reader { .. } => (Class::Retryable, "Reader"),
            Self::Delta { source, .. } => ours_in(source).map_or((Class::Retryable, "Delta"), Self::class),
            Self::Table { .. } => (Class::Retryable, "Table"),
            Self::Contended { .. } => (Class::Retryable, "Contended"),
            Self::Held { .. } => (Class::Retryable, "Held"),
            Self::Superseded { .. } => (Class::Retryable, "Superseded"),
            Self::Document { .. } => (Class::Retryable, "Document"),
            Self::Sql { fault: Fault::Machine, .. } => (Class::Retryable, "Sql"),
            Self::Sql { .. } => (Class::Permanent, "Sql"),
            Self::Key { .. } => (Class::Permanent, "Key"),
            Self::Refused { .. } => (Class::Permanent, "Refused"),
            Self::Columns { .. } => (Class::Permanent, "Columns"),
            Self::Project(_) => (Class::Permanent, "Project"),
            Self::Contract { .. } => (Class::Permanent, "Contract"),
            Self::Queue { .. } => (Class::Retryable, "Queue"),
            Self::Event { .. } => (Class::Permanent, "Event"),
            Self::Usage(_) => (Class::Permanent, "Usage"),
        }
    }

    /// Whether there was too little memory or disk.
    pub fn is_of_room(&self) -> bool {
        match self {
            Self::Io { source, .. } => source.kind() == std::io::ErrorKind::StorageFull,
            Self::Sql { message, fault: Fault::Machine, .. } => message.starts_with("Out of Memory Error"),
            Self::Download { source, .. } => source.is_of_room(),
            _ => false,
        }
    }

    /// Whether a larger function, or a longer run, might do it.
    pub fn is_of_limits(&self) -> bool {
        match self {
            Self::Sql { message, fault: Fault::Machine, .. } if message.starts_with("INTERRUPT") => true,
            Self::OutOfTime { .. } => true,
            _ => self.is_of_room(),
        }
    }

    /// What the failure of an object means that had a whole run for itself.
    #[must_use]
    pub fn at_its_best(self, (key, bytes): (&str, u64)) -> Self {
        let reason = match &self {
            Self::OutOfTime { .. } => "a whole run was not enough to read it".to_owned(),
            error if error.is_of_limits() => error.chain(),
            _ => return self,
        };
        Self::TooLarge { key: key.to_owned(), bytes, reason }
    }

    /// For `map_err` on file operations.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// For `map_err` on Arrow operations.
    pub fn columns(what: impl Into<String>) -> impl FnOnce(ArrowError) -> Self {
        let what = what.into();
        move |source| Self::Columns { what, source }
    }

    /// Whether the data or the SQL caused it, so that trying again gives the same.
    pub fn is_verdict(&self) -> bool {
        match self {
            Self::Sql { fault, .. } => *fault != Fault::Machine,
            _ => matches!(self, Self::Refused { .. } | Self::Contract { .. }),
        }
    }

    /// Whether values caused it that do not go through the project's SQL, or cannot be stored.
    pub fn is_of_data(&self) -> bool {
        matches!(self, Self::Sql { fault: Fault::Data, .. } | Self::Columns { .. })
    }

    /// Whether the reader of our output went away: no failure, `| head` does it.
    pub fn is_broken_pipe(&self) -> bool {
        let broken = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
        match self {
            Self::Io { source, .. } | Self::Columns { source: ArrowError::IoError(_, source), .. } => broken(source),
            _ => false,
        }
    }

    /// The whole chain, joined by `: `.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use deltalake_core::DeltaTableError;

    use super::*;

    #[test]
    fn a_refusal_stays_one_behind_delta_rs() {
        let answer = |status| Error::S3 {
            action: "read",
            uri: "s3://silver/a".to_owned(),
            status: Some(status),
            code: None,
            source: "no".into(),
        };
        let behind = |error: Error| {
            let source = object_store::Error::Generic { store: "S3", source: Box::new(error) };
            Error::Delta { table: "silver/a".to_owned(), source: Box::new(DeltaTableError::ObjectStore { source }) }
        };
        assert_eq!(behind(answer(403)).class(), (Class::Permanent, "AccessDenied"));
        assert_eq!(behind(answer(500)).class(), (Class::Retryable, "S3"));
        let other = Error::Delta { table: String::new(), source: Box::new(DeltaTableError::NotATable(String::new())) };
        assert_eq!(other.class(), (Class::Retryable, "Delta"));
    }

    #[test]
    fn a_data_file_that_there_is_no_room_for_is_of_limits() {
        let fetched = |kind: std::io::ErrorKind| {
            let source = std::sync::Arc::new(Error::io("write", "/tmp/a")(kind.into()));
            Error::Download { name: "orders/a.parquet".to_owned(), source }
        };
        assert!(fetched(std::io::ErrorKind::StorageFull).is_of_limits());
        assert!(!fetched(std::io::ErrorKind::ConnectionReset).is_of_limits());
    }
}

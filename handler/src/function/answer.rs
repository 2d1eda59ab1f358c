//! Answers: what goes back to Lambda, and the failures that make it try again.

use aws_lambda_events::sqs::SqsBatchResponse;
use lambda_runtime::Diagnostic;
use serde::Serialize;

use crate::error::{Class, Error};
use crate::ingest::{Summary, Trouble};
use crate::receipt::{GoldEntry, Receipt};

/// How many failures one text tells: Lambda takes no answer that is longer than 6 MB.
const TOLD: usize = 100;

/// What an invocation is answered with.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// The messages that go back to their queue.
    Batch(SqsBatchResponse),
    /// What was done.
    Report(Report),
}

/// What was done for a request that came directly.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Raw objects that were looked at.
    pub files: u64,
    /// Those of them that are what their receipt says.
    pub unchanged: u64,
    /// Records in the others.
    pub records: u64,
    /// Records that are rows.
    pub accepted: u64,
    /// Records in quarantine.
    pub quarantined: u64,
    /// The gold tables as they stand.
    pub gold: Vec<GoldEntry>,
}

impl Report {
    /// What a run did.
    pub fn of(summary: &Summary) -> Self {
        let new = || summary.receipts.iter().filter(|receipt| receipt.status != crate::receipt::Status::Unchanged);
        let total = |of: fn(&Receipt) -> u64| new().map(of).sum();
        Self {
            files: summary.receipts.len() as u64,
            unchanged: summary.unchanged,
            records: total(|receipt| receipt.records),
            accepted: total(|receipt| receipt.accepted),
            quarantined: total(|receipt| receipt.quarantined),
            gold: summary.gold.clone(),
        }
    }
}

/// Why something that was asked for is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whether trying again may help.
    pub class: Class,
    /// The kind of failure, in one word.
    pub kind: &'static str,
    /// The whole chain.
    pub reason: String,
}

impl Failure {
    /// `Retryable.X` or `Permanent.X`.
    pub fn error_type(&self) -> String {
        format!("{:?}.{}", self.class, self.kind)
    }

    /// Several failures as one: it may be tried again as long as that may help one of them.
    pub fn of_all(failures: &[Self]) -> Option<Self> {
        let reasons: Vec<&str> = failures.iter().take(TOLD).map(|failure| failure.reason.as_str()).collect();
        let more = failures.len() - reasons.len();
        let more = if more > 0 { format!("; and {more} more, in the log") } else { String::new() };
        let reason = reasons.join("; ") + &more;
        let retryable = failures.iter().find(|failure| failure.class == Class::Retryable);
        let leading = retryable.or(failures.first())?;
        Some(Self { class: leading.class, kind: leading.kind, reason })
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let (class, kind) = error.class();
        Self { class, kind, reason: error.chain() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<&Trouble> for Failure {
    fn from(trouble: &Trouble) -> Self {
        Self { class: trouble.class, kind: trouble.kind, reason: trouble.reason.clone() }
    }
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Self { error_type: failure.error_type(), error_message: failure.reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boundary_shows_class_kind_and_the_whole_chain() {
        let source = std::io::Error::other("disk full");
        let failure = Failure::from(Error::io("write", "/lake/a")(source));
        let Diagnostic { error_type, error_message } = failure.into();
        assert_eq!((error_type.as_str(), error_message.as_str()), ("Retryable.Io", "write /lake/a: disk full"));
    }

    #[test]
    fn several_failures_are_retryable_when_one_is() {
        let failure = |class, kind, reason: &str| Failure { class, kind, reason: reason.to_owned() };
        let permanent = failure(Class::Permanent, "Key", "a");
        let retryable = failure(Class::Retryable, "Io", "b");
        assert_eq!(Failure::of_all(&[]), None);
        assert_eq!(Failure::of_all(std::slice::from_ref(&permanent)), Some(permanent.clone()));
        assert_eq!(Failure::of_all(&[permanent, retryable.clone()]), Some(failure(Class::Retryable, "Io", "a; b")));
        let many = Failure::of_all(&vec![retryable; 40_000]).unwrap().reason;
        assert!(many.ends_with("; b; and 39900 more, in the log") && many.len() < 1000, "{many}");
    }
}

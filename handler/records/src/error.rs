//! What can go wrong with an object as a whole. A single bad record is no error: it becomes a [`crate::Reject`].

use std::io;

/// Why an object yields no records at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are bad: a truncated gzip, a damaged footer, a header that is no text. Reading again changes nothing.
    #[error("unreadable: {reason}")]
    Unreadable {
        /// What is wrong, in words for whoever sent the file.
        reason: String,
    },
    /// The bytes could not be fetched; that is our failure and says nothing about the data.
    #[error("read the object")]
    Io(#[source] io::Error),
}

impl Error {
    /// Bad data, with the reason in words.
    pub(crate) fn unreadable(reason: impl Into<String>) -> Self {
        Self::Unreadable { reason: reason.into() }
    }
}

/// Marks an error of the input itself, so that it is not taken for bad data after it came through a decoder.
#[derive(Debug, thiserror::Error)]
#[error("the input failed")]
pub(crate) struct InputFailure(#[source] pub(crate) io::Error);

/// Whether the input itself failed, behind whatever decoder.
pub(crate) fn is_input_failure(error: &io::Error) -> bool {
    error.get_ref().and_then(|cause| cause.downcast_ref::<InputFailure>()).is_some()
}

impl From<io::Error> for Error {
    /// An error that the input raised is [`Error::Io`]; one that a decoder raised is bad data.
    fn from(error: io::Error) -> Self {
        let kind = error.kind();
        match error.downcast::<InputFailure>() {
            Ok(InputFailure(source)) => Self::Io(source),
            Err(error) if kind == io::ErrorKind::OutOfMemory => Self::Io(error),
            Err(error) => Self::unreadable(error.to_string()),
        }
    }
}

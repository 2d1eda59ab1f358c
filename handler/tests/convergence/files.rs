//! Raw files of the simple dialect that the tests use: no quotes, no line breaks inside of fields.

use std::fmt;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

/// One raw file.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) key: String,
    pub(crate) text: String,
    pub(crate) packing: Packing,
}

/// How a file's text becomes bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    /// The key ends in `.gz`.
    Gzip,
    /// The second half is missing.
    TruncatedGzip,
}

impl File {
    pub(crate) fn new(key: &str, text: &str, packing: Packing) -> Self {
        Self { key: key.to_owned(), text: text.to_owned(), packing }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        if self.packing == Packing::Plain {
            return self.text.clone().into_bytes();
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(self.text.as_bytes()).expect("memory takes bytes");
        let mut bytes = encoder.finish().expect("memory takes bytes");
        if self.packing == Packing::TruncatedGzip {
            bytes.truncate(bytes.len() / 2);
        }
        bytes
    }
}

pub(crate) fn has_extension(key: &str, extension: &str) -> bool {
    Path::new(key).extension().is_some_and(|found| found == extension)
}

impl fmt::Debug for File {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({:?})", self.key, self.packing)?;
        self.text.lines().try_for_each(|line| write!(formatter, "\n        | {line}"))
    }
}

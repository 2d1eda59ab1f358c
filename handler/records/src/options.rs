//! How the bytes of an object are written: format, compression, the CSV dialect. Declared by the source, never sniffed.

use serde::{Deserialize, Serialize};

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Text with a delimiter, by RFC 4180; TSV is this with a tab.
    Csv,
    /// One JSON object per line, or one JSON array of objects.
    Json,
    /// Apache Parquet.
    Parquet,
}

/// How the bytes are packed. Parquet packs its own pages and ignores this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As they are.
    None,
    /// One or more gzip members; each trailer must verify.
    Gzip,
    /// One or more zstd frames, with a window of 128 MiB at most; a checksum must verify where there is one.
    Zstd,
}

/// The dialect of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How records are written.
    pub format: Format,
    /// How the bytes are packed.
    pub compression: Compression,
    /// The ASCII byte between CSV fields; a comma by default.
    pub delimiter: Option<u8>,
    /// The ASCII byte around CSV fields; `"` by default. 0 for none: then a quote is a letter like any other.
    pub quote: Option<u8>,
    /// The ASCII byte that takes the meaning from a quote (and from itself) inside quotes; by default the quote, doubled.
    pub escape: Option<u8>,
    /// An encoding's label by the WHATWG (`latin1`, `windows-1252`, `utf-16le` ...); UTF-8 by default.
    pub encoding: Option<String>,
    /// Whether the first CSV record after the preamble names the columns.
    pub header: bool,
    /// How many fields a CSV record has where there is no header; by default as many as the first sound record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// Lines before the header.
    pub preamble: u64,
    /// CSV texts that mean NULL; by default only the empty one. They have no meaning in JSON and Parquet.
    pub null_tokens: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            format: Format::Csv,
            compression: Compression::None,
            delimiter: None,
            quote: None,
            escape: None,
            encoding: None,
            header: true,
            width: None,
            preamble: 0,
            null_tokens: vec![String::new()],
        }
    }
}

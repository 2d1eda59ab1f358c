//! How the bytes of an object are written: format, compression, the CSV dialect. Declared by the source; of what is not declared only
//! the delimiter and the quote are found in the object itself.

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
    /// One or more bzip2 streams; each checksum must verify.
    Bzip2,
    /// One or more xz streams, with a dictionary of 64 MiB at most (`xz -9`); each check must verify.
    Xz,
    /// Snappy's framing format; each checksum must verify, and the last chunk must be shorter than the longest, since
    /// nothing else tells a whole stream from one that is cut.
    Snappy,
}

/// What a compressed object may unpack to; beyond either it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// Bytes.
    pub bytes: u64,
    /// Times its own size, and 16 MiB more.
    pub ratio: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { bytes: 1 << 40, ratio: 1000 }
    }
}

/// What happens with a CSV record that lacks fields at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ragged {
    /// It is rejected.
    #[default]
    Reject,
    /// They are NULL.
    Pad,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The dialect of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How records are written.
    pub format: Format,
    /// How the bytes are packed.
    pub compression: Compression,
    /// The ASCII byte between CSV fields; by default it is found in the beginning of the object (see [`crate::settle`]).
    pub delimiter: Option<u8>,
    /// The ASCII byte around CSV fields; by default it is found in the same way. 0 for none: then a quote is a letter like
    /// any other.
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
    /// The ASCII byte at the beginning of lines that are comments; by default there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<u8>,
    /// What happens with a CSV record that lacks fields at its end.
    #[serde(skip_serializing_if = "is_default")]
    pub ragged: Ragged,
    /// Whether spaces and tabs around an unquoted CSV field are no part of it.
    #[serde(skip_serializing_if = "is_default")]
    pub trim: bool,
    /// The ASCII byte before the fraction of a number in CSV; a point by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<u8>,
    /// Whether JSON records follow each other without line ends between them.
    #[serde(skip_serializing_if = "is_default")]
    pub concatenated: bool,
    /// How large the object may be when it is unpacked.
    #[serde(skip_serializing_if = "is_default")]
    pub bounds: Bounds,
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
            comment: None,
            ragged: Ragged::Reject,
            trim: false,
            decimal: None,
            concatenated: false,
            bounds: Bounds::default(),
            null_tokens: vec![String::new()],
        }
    }
}

impl Options {
    /// What of the CSV dialect cannot be meant together, if so.
    #[must_use]
    pub fn contradiction(&self) -> Option<&'static str> {
        let quote = self.quote.unwrap_or(b'"');
        let (delimiter, escape) = (self.delimiter.unwrap_or(b','), self.escape.unwrap_or(quote));
        let sound = |byte: u8| byte.is_ascii() && !matches!(byte, b'\n' | b'\r');
        let all = [delimiter, quote, escape].into_iter().chain(self.comment).all(sound);
        let clash = [Some(quote), Some(escape), self.comment].contains(&Some(delimiter)) || self.comment == Some(quote);
        if !all || delimiter == 0 || clash {
            return Some(
                "the delimiter, the quote, the escape and the comment character must be ASCII and not the same",
            );
        }
        let decimal = self.decimal.unwrap_or(b'.');
        let no_number = decimal.is_ascii_punctuation() && !matches!(decimal, b'+' | b'-');
        (!no_number).then_some("the decimal separator must be a character that no number has otherwise")
    }
}

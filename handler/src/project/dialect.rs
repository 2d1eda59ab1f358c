//! How the bytes of a source's objects are written, as its `meta` says.

use records::{Bounds, Compression, Format, Options, Ragged};

use super::Place;
use super::error::Errors;
use super::meta::Meta;
use super::yaml::{Node, Reader};

const FORMATS: [(&str, Format); 3] = [("csv", Format::Csv), ("json", Format::Json), ("parquet", Format::Parquet)];
const COMPRESSIONS: [(&str, Compression); 6] = [
    ("none", Compression::None),
    ("gzip", Compression::Gzip),
    ("zstd", Compression::Zstd),
    ("bzip2", Compression::Bzip2),
    ("xz", Compression::Xz),
    ("snappy", Compression::Snappy),
];
const RAGGED: [(&str, Ragged); 2] = [("reject", Ragged::Reject), ("pad", Ragged::Pad)];

/// The format, where it is declared.
pub(super) fn format(meta: &Meta, errors: &mut Errors) -> Option<Format> {
    meta.word("format", &FORMATS, errors)
}

/// The compression, where it is declared.
pub(super) fn compression(meta: &Meta, errors: &mut Errors) -> Option<Compression> {
    meta.word("compression", &COMPRESSIONS, errors)
}

/// Everything else that is declared; the reader's defaults for the rest.
pub(super) fn options(meta: &Meta, place: &Place, errors: &mut Errors) -> Options {
    let usual = Options::default();
    let options = Options {
        delimiter: meta.read("delimiter", errors, |reader, node| character(reader, node, "delimiter")),
        quote: meta.read("quote", errors, |reader, node| character(reader, node, "quote")),
        escape: meta.read("escape", errors, |reader, node| character(reader, node, "escape")),
        encoding: meta.read("encoding", errors, encoding),
        header: flag(meta, "header", errors).unwrap_or(usual.header),
        preamble: number(meta, "preamble", "a number of lines", errors).unwrap_or(usual.preamble),
        comment: meta.read("comment", errors, |reader, node| character(reader, node, "comment")),
        ragged: meta.word("ragged", &RAGGED, errors).unwrap_or(usual.ragged),
        trim: flag(meta, "trim", errors).unwrap_or(usual.trim),
        decimal: meta.read("decimal_separator", errors, |reader, node| character(reader, node, "decimal_separator")),
        concatenated: flag(meta, "concatenated", errors).unwrap_or(usual.concatenated),
        bounds: bounds(meta, errors),
        null_tokens: meta
            .read("null_tokens", errors, |reader, node| Some(reader.texts(node, "null_tokens")))
            .unwrap_or(usual.null_tokens),
        ..usual
    };
    if let Some(reason) = options.contradiction() {
        errors.add(place, reason);
    }
    options
}

fn bounds(meta: &Meta, errors: &mut Errors) -> Bounds {
    let usual = Bounds::default();
    Bounds {
        bytes: number(meta, "max_unpacked_bytes", "a number of bytes", errors).unwrap_or(usual.bytes),
        ratio: number(meta, "max_unpacked_ratio", "a whole number", errors).unwrap_or(usual.ratio),
    }
}

fn flag(meta: &Meta, key: &str, errors: &mut Errors) -> Option<bool> {
    meta.read(key, errors, |reader, node| reader.bool(node, key))
}

fn number(meta: &Meta, key: &str, what: &str, errors: &mut Errors) -> Option<u64> {
    meta.read(key, errors, |reader, node| {
        let number = node.text().and_then(|text| text.parse().ok());
        if number.is_none() {
            reader.refuse(node.line, format!("{key} must be {what}"));
        }
        number
    })
}

fn character(reader: &mut Reader<'_>, node: &Node, key: &str) -> Option<u8> {
    let text = reader.text(node, key)?;
    match text.as_bytes() {
        b"\\t" => Some(b'\t'),
        [byte] if byte.is_ascii() => Some(*byte),
        _ => {
            reader.refuse(node.line, format!("{key} must be one ASCII character, not \"{text}\""));
            None
        }
    }
}

fn encoding(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let label = reader.text(node, "encoding")?;
    if records::check_encoding(&label).is_err() {
        reader.refuse(node.line, format!("encoding \"{label}\" is unknown"));
    }
    Some(label)
}

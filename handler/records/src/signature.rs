//! What an object is that is not what it was declared to be, as far as its first bytes tell.

use crate::error::Error;

const OLD_EXCEL: &str = "an old Excel workbook; export it as CSV";
const AVRO: &str = "Avro, which is not read; convert it to Parquet";
const ORC: &str = "ORC, which is not read; convert it to Parquet";

/// Extensions of formats that are not read, and what to do about them.
const EXTENSIONS: [(&str, &str); 5] = [
    ("xlsx", "an Excel workbook; export it as CSV"),
    ("xlsm", "an Excel workbook; export it as CSV"),
    ("xls", OLD_EXCEL),
    ("avro", AVRO),
    ("orc", ORC),
];

/// What a file of this name is, and what to do about it, where its extension is that of a format that is not read.
#[must_use]
pub fn unread_by_extension(name: &str) -> Option<&'static str> {
    let (_, extension) = name.rsplit_once('.')?;
    EXTENSIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension)).map(|(_, what)| *what)
}

/// Formats that begin in a way no text does, and what to do about them.
const KNOWN: [(&[u8], &str); 12] = [
    (b"PK\x03\x04", "an Excel workbook (or another zip archive); export it as CSV"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLD_EXCEL),
    (b"Obj\x01", AVRO),
    (b"PAR1", "Parquet; declare that format"),
    (b"PARE", "encrypted Parquet, which is not read"),
    (b"ORC", ORC),
    (b"\x1f\x8b", "packed with gzip; declare that compression"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd; declare that compression"),
    (b"BZh", "packed with bzip2; declare that compression"),
    (b"\xfd7zXZ\x00", "packed with xz; declare that compression"),
    (b"\xff\x06\x00\x00sNaPpY", "packed with snappy; declare that compression"),
    (b"\x04\x22\x4d\x18", "packed with LZ4, which is not read; pack it with zstd"),
];

/// Refuses bytes that begin as no text does.
pub(crate) fn refuse_binary(bytes: &[u8]) -> Result<(), Error> {
    let begins = |signature: &[u8]| {
        // Letters alone may begin a text: a byte that none has must follow.
        let letters = signature.iter().all(u8::is_ascii_alphanumeric);
        let binary = || bytes.iter().take(64).any(|byte| *byte < b'\t');
        bytes.starts_with(signature) && (!letters || binary())
    };
    match KNOWN.iter().find(|(signature, _)| begins(signature)) {
        Some((_, what)) => Err(Error::unreadable(format!("the object is {what}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_are_refused_with_a_sentence() {
        for (bytes, sentence) in [
            (&b"PK\x03\x04\x14\0"[..], "the object is an Excel workbook (or another zip archive); export it as CSV"),
            (b"Obj\x01\x04\x14avro.codec", "the object is Avro, which is not read; convert it to Parquet"),
            (b"ORC\n\x07\x12\x05\x08\xe8", "the object is ORC, which is not read; convert it to Parquet"),
            (b"BZh91AY&SY\x01\x02", "the object is packed with bzip2; declare that compression"),
        ] {
            let error = refuse_binary(bytes).unwrap_err();
            assert_eq!(error.to_string(), format!("unreadable: {sentence}"));
        }
        for text in [&b"BZh,b\n1,2\n"[..], b"PAR1,PAR2\n", b"", b"PK,Obj\n", b"ORC,orcs\n"] {
            assert!(refuse_binary(text).is_ok(), "{text:?}");
        }
    }
}

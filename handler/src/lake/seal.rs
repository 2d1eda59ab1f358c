//! Seals: what the bytes of an object are checked against.
//!
//! S3 tells a checksum of the whole object for most uploads; where it does not, the `ETag` is the MD5 of an object that
//! was put at once and is not encrypted with a key of KMS. A composite checksum (of the parts of an upload) says nothing
//! of the bytes as a whole: then our own sums do, where the object has them, and else only the length is checked, beside
//! what TLS does.
//! Source: "Checking object integrity" and "Object" (`ETag`) in the S3 user guide and API reference.

use aws_smithy_checksums::ChecksumAlgorithm;
use aws_smithy_checksums::http::HttpChecksum;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest, Md5};

use super::sums::{Summing, Sums};

/// What is known of an object's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seal {
    /// A checksum of the whole object.
    Checksum {
        /// How it is made.
        algorithm: ChecksumAlgorithm,
        /// What comes out.
        value: Vec<u8>,
    },
    /// Its MD5, as hex.
    Md5(String),
    /// Those of its stretches.
    Sums(Sums),
    /// Nothing.
    Unknown,
}

impl Seal {
    /// From an answer of S3: its checksums by name, its `ETag`, how it is encrypted.
    pub fn of(checksums: &[(&str, Option<&str>)], etag: Option<&str>, encryption: Option<&str>) -> Self {
        let known = checksums.iter().find_map(|(name, value)| {
            // A checksum of parts ends with their number.
            let value = BASE64_STANDARD.decode(value.as_ref()?).ok()?;
            Some(Self::Checksum { algorithm: name.parse().ok()?, value })
        });
        let etag = etag.unwrap_or_default().trim_matches('"').to_lowercase();
        let is_md5 = etag.len() == 32
            && etag.bytes().all(|byte| byte.is_ascii_hexdigit())
            && encryption.is_none_or(|kind| kind == "AES256");
        known.unwrap_or(if is_md5 { Self::Md5(etag) } else { Self::Unknown })
    }

    /// The same, or sums where nothing is known.
    #[must_use]
    pub fn or(self, sums: Option<Sums>) -> Self {
        match (self, sums) {
            (Self::Unknown, Some(sums)) => Self::Sums(sums),
            (seal, _) => seal,
        }
    }
}

/// Checks bytes as they come.
pub struct Verifier {
    seal: Seal,
    state: State,
}

enum State {
    Checksum(Box<dyn HttpChecksum>),
    Md5(Md5),
    Sums(Summing),
    Unknown,
}

impl Verifier {
    /// Has seen nothing yet.
    pub fn new(seal: &Seal) -> Self {
        let state = match seal {
            Seal::Checksum { algorithm, .. } => State::Checksum(algorithm.into_impl()),
            Seal::Md5(_) => State::Md5(Md5::new()),
            Seal::Sums(sums) => State::Sums(sums.begin()),
            Seal::Unknown => State::Unknown,
        };
        Self { seal: seal.clone(), state }
    }

    /// Sees the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Checksum(checksum) => checksum.update(bytes),
            State::Md5(md5) => md5.update(bytes),
            State::Sums(summing) => summing.update(bytes),
            State::Unknown => {}
        }
    }

    /// Whether all the bytes are what the seal says.
    ///
    /// # Errors
    /// A sentence, when they are not.
    pub fn finish(self) -> Result<(), String> {
        let same = match (&self.seal, self.state) {
            (Seal::Checksum { value, .. }, State::Checksum(checksum)) => checksum.finalize() == *value,
            (Seal::Md5(value), State::Md5(md5)) => {
                format!("{:032x}", u128::from_be_bytes(md5.finalize().into())) == *value
            }
            (Seal::Sums(sums), State::Sums(summing)) => summing.finish() == *sums,
            _ => true,
        };
        if same { Ok(()) } else { Err(format!("the bytes do not match their checksum, {:?}", self.seal)) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Seal, Sums, Verifier};

    const MD5_OF_ABC: &str = "\"900150983cd24fb0d6963f7d28e17f72\"";

    fn verdict(seal: &Seal, bytes: &[u8]) -> bool {
        let mut verifier = Verifier::new(seal);
        for byte in bytes {
            verifier.update(&[*byte]);
        }
        verifier.finish().is_ok()
    }

    #[test]
    fn a_checksum_of_the_whole_object_comes_first() {
        let seal = Seal::of(&[("crc32", Some("NSRBwg=="))], Some(MD5_OF_ABC), None);
        assert!(matches!(seal, Seal::Checksum { .. }), "{seal:?}");
        assert_eq!((verdict(&seal, b"abc"), verdict(&seal, b"abd")), (true, false));
    }

    #[test]
    fn the_etag_of_a_plain_put_is_its_md5() {
        let seal = Seal::of(&[("crc32", None)], Some(MD5_OF_ABC), Some("AES256"));
        assert_eq!((verdict(&seal, b"abc"), verdict(&seal, b"abd")), (true, false));
    }

    #[test]
    fn parts_and_foreign_keys_tell_nothing_of_the_whole() {
        let parts = Seal::of(&[("crc32", Some("NSRBwg==-2"))], Some("\"900150983cd24fb0d6963f7d28e17f72-2\""), None);
        let encrypted = Seal::of(&[], Some(MD5_OF_ABC), Some("aws:kms"));
        assert_eq!((parts, encrypted), (Seal::Unknown, Seal::Unknown));
    }

    #[test]
    fn sums_tell_where_nothing_else_does() {
        let sums = || Sums::of(&b"abc"[..], 3).ok();
        let known = Seal::Md5("900150983cd24fb0d6963f7d28e17f72".to_owned());
        assert_eq!(known.clone().or(sums()), known);
        let seal = Seal::Unknown.or(sums());
        assert_eq!((verdict(&seal, b"abc"), verdict(&seal, b"abd"), verdict(&seal, b"ab")), (true, false, false));
    }
}

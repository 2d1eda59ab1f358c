//! Sums: what the stretches of a data file are checked against, each on its own, so that who fetches only some of them can
//! tell, too. They travel with the object, as its metadata: what S3 checks by itself is the whole.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Read};

use aws_smithy_checksums::ChecksumAlgorithm;
use aws_smithy_checksums::http::HttpChecksum;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// The name of the metadata.
const NAME: &str = "pintail-crc32";

/// How many stretches a file has at most: S3 takes 2 KB of metadata.
const STRETCHES: u64 = 256;

/// How many bytes a stretch has at least.
const SHORTEST: u64 = 64 << 10;

/// The CRC32 of each stretch of a file.
#[derive(Clone, PartialEq, Eq)]
pub struct Sums {
    stretch: usize,
    sums: Vec<u8>,
}

impl Sums {
    /// Reads a file of so many bytes.
    ///
    /// # Errors
    /// What reading fails with.
    pub fn of(mut file: impl Read, length: u64) -> io::Result<Self> {
        let (mut summing, mut buffer) = (Summing::new(stretch(length)), vec![0; 1 << 20]);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(summing.finish()),
                count => summing.update(&buffer[..count]),
            }
        }
    }

    /// What an object's metadata tells; nothing of one that came from elsewhere.
    pub fn told(metadata: Option<&HashMap<String, String>>, length: u64) -> Option<Self> {
        let (stretch, sums) = (stretch(length), BASE64_STANDARD.decode(metadata?.get(NAME)?).ok()?);
        let stretches = length.div_ceil(stretch as u64);
        (sums.len() as u64 == stretches * 4).then_some(Self { stretch, sums })
    }

    /// The metadata that tells them.
    pub fn metadata(&self) -> HashMap<String, String> {
        HashMap::from([(NAME.to_owned(), BASE64_STANDARD.encode(&self.sums))])
    }

    /// The whole stretches that some bytes are in, but for the end of the file.
    pub fn around(&self, (from, to): (u64, u64)) -> (u64, u64) {
        let stretch = self.stretch as u64;
        (from / stretch * stretch, to.next_multiple_of(stretch))
    }

    /// How many bytes a stretch has.
    pub fn stretch(&self) -> u64 {
        self.stretch as u64
    }

    /// Has seen nothing yet of such a file, from the beginning of a stretch on.
    pub fn begin(&self) -> Summing {
        Summing::new(self.stretch)
    }

    /// Whether whole stretches, which begin at `place`, are what they should be.
    pub fn hold(&self, place: u64, bytes: &[u8]) -> bool {
        let mut summing = self.begin();
        summing.update(bytes);
        let first = usize::try_from(place / self.stretch()).unwrap_or(usize::MAX).saturating_mul(4);
        self.sums.get(first..).is_some_and(|sums| sums.starts_with(&summing.finish().sums))
    }
}

impl fmt::Debug for Sums {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CRC32 of {} stretches of {} bytes", self.sums.len() / 4, self.stretch)
    }
}

/// How long the stretches of a file of so many bytes are: a power of two, as ranges of requests are.
fn stretch(length: u64) -> usize {
    let stretch = length.div_ceil(STRETCHES).next_power_of_two().max(SHORTEST);
    usize::try_from(stretch).unwrap_or(usize::MAX)
}

/// Makes the sums of bytes as they come.
pub struct Summing {
    stretch: usize,
    /// How many bytes the stretch lacks that has begun.
    lacks: usize,
    checksum: Box<dyn HttpChecksum>,
    sums: Vec<u8>,
}

impl Summing {
    fn new(stretch: usize) -> Self {
        Self { stretch, lacks: stretch, checksum: ChecksumAlgorithm::Crc32.into_impl(), sums: Vec::new() }
    }

    /// Sees the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (next, rest) = bytes.split_at(bytes.len().min(self.lacks));
            self.checksum.update(next);
            self.lacks -= next.len();
            if self.lacks == 0 {
                self.end();
            }
            bytes = rest;
        }
    }

    fn end(&mut self) {
        let ended = std::mem::replace(&mut self.checksum, ChecksumAlgorithm::Crc32.into_impl());
        self.sums.extend_from_slice(&ended.finalize());
        self.lacks = self.stretch;
    }

    /// The sums of all that came.
    pub fn finish(mut self) -> Sums {
        if self.lacks < self.stretch {
            self.end();
        }
        Sums { stretch: self.stretch, sums: self.sums }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stretch_is_checked_on_its_own() {
        let mut bytes: Vec<u8> = (0..200_000_u32).map(|byte| (byte % 251) as u8).collect();
        let sums = Sums::of(&*bytes, 200_000).unwrap();
        assert_eq!(format!("{sums:?}"), "CRC32 of 4 stretches of 65536 bytes");
        assert_eq!(Sums::told(Some(&sums.metadata()), 200_000), Some(sums.clone()));
        assert_eq!(Sums::told(Some(&sums.metadata()), 300_000), None);
        assert_eq!(sums.around((70_000, 140_000)), (65_536, 196_608));
        bytes[70_000] ^= 1;
        let hold = |from: usize, to: usize| sums.hold(from as u64, &bytes[from..to]);
        assert_eq!([hold(0, 65_536), hold(65_536, 131_072), hold(131_072, 200_000)], [true, false, true]);
        assert!(!hold(131_072, 199_999) && !sums.hold(262_144, &bytes[..1]));
    }

    #[test]
    fn the_sums_of_a_file_of_any_length_fit_its_metadata() {
        for length in [0_u64, 1, 8 << 20, (16 << 20) + 1, 5 << 40] {
            let stretches = length.div_ceil(stretch(length) as u64);
            assert!(stretches <= STRETCHES && (stretches * 4).div_ceil(3) * 4 < 2000, "{length}: {stretches}");
        }
    }
}

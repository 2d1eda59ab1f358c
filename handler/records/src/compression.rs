//! From the packed bytes of an object to its plain bytes. What does not verify is an error, never a shorter object.

use std::io::{self, BufReader, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

mod snappy;

use crate::error::{Error, is_input_failure};
use crate::input::{Input, open_whole};
use crate::options::{Compression, Options};

use snappy::Snappy;

/// The largest zstd window, as a power of two: what the decoder may keep in memory.
const WINDOW_LOG: u32 = 27;

/// The largest xz dictionary, in KiB.
const DICTIONARY: u32 = 128 * 1024;

/// What an object may unpack to however small it is.
const SLACK: u64 = 16 * 1024 * 1024;

/// Bytes fetched from the input at a time.
const FETCH: usize = 256 * 1024;

/// Opens the plain bytes of the object. Errors of the input stay marked as such (see [`crate::error::InputFailure`]).
pub(crate) fn open_plain(input: &dyn Input, options: &Options) -> Result<Box<dyn Read + Send>, Error> {
    let raw = open_whole(input)?;
    if options.compression == Compression::None {
        return Ok(Box::new(raw));
    }
    if input.length() == 0 {
        return Err(Error::unreadable("the object is empty, not even a compressed nothing"));
    }
    let packed = BufReader::with_capacity(FETCH, raw);
    let (inner, what): (Box<dyn Read + Send>, _) = match options.compression {
        Compression::None => (Box::new(packed), "plain"),
        Compression::Gzip => (Box::new(MultiGzDecoder::new(packed)), "gzip"),
        Compression::Bzip2 => (Box::new(MultiBzDecoder::new(packed)), "bzip2"),
        Compression::Snappy => (Box::new(Snappy::new(packed)), "snappy"),
        Compression::Xz => (Box::new(XzReader::new_mem_limit(packed, true, DICTIONARY)), "xz"),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
            decoder.window_log_max(WINDOW_LOG)?;
            (Box::new(decoder), "zstd")
        }
    };
    let bounds = options.bounds;
    let bound = bounds.bytes.min(input.length().saturating_mul(bounds.ratio).saturating_add(SLACK));
    Ok(Box::new(Bounded { inner: Explained { inner, what }, bound, left: bound }))
}

/// Plain bytes that may not be more than so many: a small object must not unpack to an endless one.
struct Bounded<R> {
    inner: R,
    bound: u64,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            let bound = self.bound;
            io::Error::new(io::ErrorKind::InvalidData, format!("the object unpacks to more than {bound} bytes"))
        })?;
        Ok(count)
    }
}

/// A decoder whose errors say which decoder it was.
struct Explained<R> {
    inner: R,
    what: &'static str,
}

impl<R: Read> Read for Explained<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| self.explain(error))
    }
}

impl<R> Explained<R> {
    fn explain(&self, error: io::Error) -> io::Error {
        if is_input_failure(&error) {
            return error;
        }
        let what = self.what;
        match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                io::Error::new(io::ErrorKind::InvalidData, format!("the {what} data ends too early"))
            }
            _ => io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the {what} data is damaged or followed by something else: {error}"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::input::MemoryInput;
    use crate::options::Bounds;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn bzip2(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn xz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn snappy(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = snap::write::FrameEncoder::new(Vec::new());
        encoder.write_all(bytes).unwrap();
        encoder.into_inner().unwrap()
    }

    /// The bytes, packed in each way.
    fn pack(bytes: &[u8]) -> [(Vec<u8>, Compression); 5] {
        [
            (gzip(bytes), Compression::Gzip),
            (zstd::encode_all(bytes, 1).unwrap(), Compression::Zstd),
            (bzip2(bytes), Compression::Bzip2),
            (xz(bytes), Compression::Xz),
            (snappy(bytes), Compression::Snappy),
        ]
    }

    fn unpack(bytes: Vec<u8>, compression: Compression) -> Result<Vec<u8>, Error> {
        let mut plain = Vec::new();
        open_plain(&MemoryInput(bytes), &Options { compression, ..Options::default() })?.read_to_end(&mut plain)?;
        Ok(plain)
    }

    fn text() -> Vec<u8> {
        (0..20_000_u32)
            .flat_map(|number| format!("{},{number}\n", number.wrapping_mul(2_654_435_761)).into_bytes())
            .collect()
    }

    #[test]
    fn several_members_are_one_text() {
        for ((one, compression), (two, _)) in pack(b"a,1\n").into_iter().zip(pack(b"b\n")) {
            assert_eq!(unpack([one, two].concat(), compression).unwrap(), b"a,1\nb\n", "{compression:?}");
        }
        assert_eq!(unpack([gzip(b"a\n"), gzip(b""), gzip(b"b\n")].concat(), Compression::Gzip).unwrap(), b"a\nb\n");
    }

    #[test]
    fn an_object_that_unpacks_to_too_much_is_refused() {
        let many = text().repeat(80);
        for (packed, compression) in pack(&many) {
            let read = |bounds| {
                let options = Options { compression, bounds, ..Options::default() };
                let input = MemoryInput(packed.clone());
                let mut plain = open_plain(&input, &options)?;
                io::copy(&mut plain, &mut io::sink()).map_err(Error::from)
            };
            assert_eq!(read(Bounds::default()).unwrap(), many.len() as u64, "{compression:?}");
            for bounds in [Bounds { bytes: 1024, ..Bounds::default() }, Bounds { ratio: 0, ..Bounds::default() }] {
                let error = read(bounds).unwrap_err().to_string();
                assert!(error.starts_with("unreadable: the object unpacks to more than"), "{compression:?}: {error}");
            }
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        for (whole, compression) in pack(&text()) {
            let length = whole.len();
            for cut in [0, 1, 2, 5, 9, 10, 17, length / 2, length - 9, length - 8, length - 4, length - 1] {
                let result = unpack(whole[..cut].to_vec(), compression);
                assert!(
                    matches!(result, Err(Error::Unreadable { .. })),
                    "{compression:?} cut at {cut} of {length}: {result:?}"
                );
            }
        }
    }

    #[test]
    fn a_bad_trailer_and_trailing_garbage_are_refused() {
        for position in [8, 5, 4, 1] {
            let mut damaged = gzip(&text());
            let length = damaged.len();
            damaged[length - position] ^= 1;
            assert!(
                matches!(unpack(damaged, Compression::Gzip), Err(Error::Unreadable { .. })),
                "byte {position} from the end"
            );
        }
        for garbage in [&b"x"[..], b"\x1f", b"\x1f\x8b", b"\0", b"garbage, more than a header's length"] {
            for (packed, compression) in pack(b"a\n") {
                let result = unpack([packed, garbage.to_vec()].concat(), compression);
                assert!(
                    matches!(result, Err(Error::Unreadable { .. })),
                    "{compression:?}, then {garbage:?}: {result:?}"
                );
            }
        }
    }

    #[test]
    fn a_failing_input_is_not_bad_data() {
        struct Failing;
        impl Input for Failing {
            fn length(&self) -> u64 {
                100
            }
            fn open(&self, _: std::ops::Range<u64>) -> io::Result<Box<dyn Read + Send>> {
                struct Broken;
                impl Read for Broken {
                    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the network"))
                    }
                }
                Ok(Box::new(Broken))
            }
        }
        for compression in [
            Compression::None,
            Compression::Gzip,
            Compression::Zstd,
            Compression::Bzip2,
            Compression::Xz,
            Compression::Snappy,
        ] {
            let result = open_plain(&Failing, &Options { compression, ..Options::default() })
                .and_then(|mut plain| Ok(plain.read(&mut [0])?));
            assert!(
                matches!(&result, Err(Error::Io(cause)) if cause.to_string() == "the network"),
                "{compression:?}: {result:?}"
            );
        }
    }
}

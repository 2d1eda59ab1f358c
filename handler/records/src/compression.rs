//! From the packed bytes of an object to its plain bytes. What does not verify is an error, never a shorter object.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, is_input_failure};
use crate::input::{Input, open_whole};
use crate::options::Compression;

/// The largest zstd window, as a power of two: what the decoder may keep in memory.
const WINDOW_LOG: u32 = 27;

/// Bytes fetched from the input at a time.
const FETCH: usize = 256 * 1024;

/// Opens the plain bytes of the object. Errors of the input stay marked as such (see [`crate::error::InputFailure`]).
pub(crate) fn open_plain(input: &dyn Input, compression: Compression) -> Result<Box<dyn Read + Send>, Error> {
    let raw = open_whole(input)?;
    if compression != Compression::None && input.length() == 0 {
        return Err(Error::unreadable("the object is empty, not even a compressed nothing"));
    }
    Ok(match compression {
        Compression::None => Box::new(raw),
        Compression::Gzip => {
            Box::new(Explained { inner: MultiGzDecoder::new(BufReader::with_capacity(FETCH, raw)), what: "gzip" })
        }
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(BufReader::with_capacity(FETCH, raw))?;
            decoder.window_log_max(WINDOW_LOG)?;
            Box::new(Explained { inner: decoder, what: "zstd" })
        }
    })
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

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(bytes: Vec<u8>, compression: Compression) -> Result<Vec<u8>, Error> {
        let mut plain = Vec::new();
        open_plain(&MemoryInput(bytes), compression)?.read_to_end(&mut plain)?;
        Ok(plain)
    }

    fn text() -> Vec<u8> {
        (0..20_000_u32)
            .flat_map(|number| format!("{},{number}\n", number.wrapping_mul(2_654_435_761)).into_bytes())
            .collect()
    }

    #[test]
    fn several_members_are_one_text() {
        let members = [gzip(b"a\n"), gzip(b""), gzip(b"b\n")].concat();
        assert_eq!(unpack(members, Compression::Gzip).unwrap(), b"a\nb\n");
        let frames = [zstd::encode_all(&b"a\n"[..], 1).unwrap(), zstd::encode_all(&b"b\n"[..], 1).unwrap()].concat();
        assert_eq!(unpack(frames, Compression::Zstd).unwrap(), b"a\nb\n");
    }

    #[test]
    fn every_truncation_is_refused() {
        for (whole, compression) in
            [(gzip(&text()), Compression::Gzip), (zstd::encode_all(&text()[..], 1).unwrap(), Compression::Zstd)]
        {
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
            let gzipped = [gzip(b"a\n"), garbage.to_vec()].concat();
            assert!(
                matches!(unpack(gzipped, Compression::Gzip), Err(Error::Unreadable { .. })),
                "gzip, then {garbage:?}"
            );
            let framed = [zstd::encode_all(&b"a\n"[..], 1).unwrap(), garbage.to_vec()].concat();
            assert!(
                matches!(unpack(framed, Compression::Zstd), Err(Error::Unreadable { .. })),
                "zstd, then {garbage:?}"
            );
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
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let result = open_plain(&Failing, compression).and_then(|mut plain| Ok(plain.read(&mut [0])?));
            assert!(
                matches!(&result, Err(Error::Io(cause)) if cause.to_string() == "the network"),
                "{compression:?}: {result:?}"
            );
        }
    }
}

//! Whether a page unpacks to more than its header states, which its decoder would find out only when all of it is in memory.

use std::io::{self, Read};

use ::parquet::basic::Compression;
use flate2::bufread::MultiGzDecoder;

/// Bytes that brotli is given at a time.
const CHUNK: usize = 4096;

/// Whether there is more in these bytes than `stated`. What cannot be unpacked is left to the decoder, and so are codecs
/// that unpack into room of the stated size.
pub(super) fn exceeds(codec: Compression, packed: &[u8], stated: u64) -> bool {
    let plain: Box<dyn Read + '_> = match codec {
        Compression::GZIP(_) => Box::new(MultiGzDecoder::new(packed)),
        Compression::BROTLI(_) => Box::new(brotli::Decompressor::new(packed, CHUNK)),
        Compression::ZSTD(_) => match zstd::Decoder::with_buffer(packed) {
            Ok(plain) => Box::new(plain),
            Err(_) => return false,
        },
        _ => return false,
    };
    io::copy(&mut plain.take(stated.saturating_add(1)), &mut io::sink()).is_ok_and(|count| count > stated)
}

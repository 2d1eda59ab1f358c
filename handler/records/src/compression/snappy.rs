//! Snappy in its framing format: chunks of 64 KiB at most, each with a checksum, and nothing that says which is the last.
//!
//! A stream that is cut between two chunks looks whole. What tells is that writers fill their chunks: the last one is the
//! rest, shorter than the longest. A stream without chunks, or whose last chunk is as long as the longest, is refused, for
//! it cannot be told from one that is cut; one in 65,536 whole files is of that kind.

use std::io::{self, Read};

use snap::read::FrameDecoder;

/// The most plain bytes of a chunk.
const CHUNK: usize = 65_536;

/// The plain bytes of a stream.
pub(super) struct Snappy<R: Read> {
    decoder: FrameDecoder<R>,
    /// The plain bytes of the chunk at hand, of which those up to `taken` were handed on.
    chunk: Vec<u8>,
    length: usize,
    taken: usize,
    chunks: u64,
    longest: usize,
}

impl<R: Read> Snappy<R> {
    pub(super) fn new(packed: R) -> Self {
        Self { decoder: FrameDecoder::new(packed), chunk: vec![0; CHUNK], length: 0, taken: 0, chunks: 0, longest: 0 }
    }

    /// Goes to the next chunk; says no at the end, which must look like one. The decoder gives one chunk at a time to
    /// whoever has room for it.
    fn advance(&mut self) -> io::Result<bool> {
        let length = self.decoder.read(&mut self.chunk)?;
        if length == 0 {
            let alone = self.chunks == 1 && self.length < CHUNK;
            let reason = "nothing tells whether it is cut between two chunks; pack it with zstd";
            let whole = alone || self.length < self.longest;
            return if whole { Ok(false) } else { Err(io::Error::new(io::ErrorKind::InvalidData, reason)) };
        }
        (self.length, self.taken) = (length, 0);
        (self.chunks, self.longest) = (self.chunks + 1, self.longest.max(length));
        Ok(true)
    }
}

impl<R: Read> Read for Snappy<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.length && !self.advance()? {
            return Ok(0);
        }
        let count = buffer.len().min(self.length - self.taken);
        buffer[..count].copy_from_slice(&self.chunk[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn pack(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = snap::write::FrameEncoder::new(Vec::new());
        encoder.write_all(bytes).unwrap();
        encoder.into_inner().unwrap()
    }

    fn unpack(packed: &[u8]) -> Result<Vec<u8>, String> {
        let mut plain = Vec::new();
        Snappy::new(packed).read_to_end(&mut plain).map_err(|error| error.to_string())?;
        Ok(plain)
    }

    #[test]
    fn a_stream_that_may_be_cut_between_two_chunks_is_refused() {
        for (length, whole) in
            [(0, false), (1, true), (CHUNK - 1, true), (CHUNK, false), (CHUNK + 1, true), (2 * CHUNK, false)]
        {
            let plain = vec![b'x'; length];
            let cut = "nothing tells whether it is cut between two chunks; pack it with zstd".to_owned();
            assert_eq!(unpack(&pack(&plain)), if whole { Ok(plain) } else { Err(cut) }, "{length} bytes");
        }
        let first = pack(&vec![b'x'; CHUNK]);
        let both = pack(&vec![b'x'; CHUNK + 5]);
        assert_eq!(both[..first.len()], first, "the chunks are the same");
        assert!(unpack(&both[..first.len()]).is_err(), "the second chunk is missing");
    }

    #[test]
    fn a_checksum_that_does_not_verify_is_refused() {
        let whole = pack(b"a,b\n1,2\n");
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 1;
            assert!(unpack(&damaged).is_err(), "byte {position}");
        }
    }
}

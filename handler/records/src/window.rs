//! The part of an object that is in memory: a record is found in it, taken, and forgotten.

use std::io::Read;

use crate::compression::open_plain;
use crate::error::Error;
use crate::input::Input;
use crate::options::Options;
use crate::text::open_text;

/// The largest record, in bytes. A longer one is a reject.
pub(crate) const LIMIT: usize = if cfg!(fuzzing) { 1024 } else { 16 * 1024 * 1024 };

/// Bytes read at a time. Like all such bounds it is small for the fuzzers, so that small inputs meet it.
pub(crate) const CHUNK: usize = if cfg!(fuzzing) { 64 } else { 256 * 1024 };

/// The byte order mark in UTF-8.
pub(crate) const MARK: &[u8] = b"\xef\xbb\xbf";

/// A sliding view of the object's text.
pub(crate) struct Window {
    source: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    offset: u64,
    over: bool,
}

impl Window {
    /// Opens the object's text; a byte order mark is passed over.
    pub(crate) fn open(input: &dyn Input, options: &Options) -> Result<Self, Error> {
        let source = open_text(open_plain(input, options)?, options.encoding.as_deref())?;
        let mut window = Self { source, buffer: Vec::new(), start: 0, end: 0, offset: 0, over: false };
        window.fill()?;
        if window.bytes().starts_with(MARK) {
            window.consume(MARK.len());
        }
        Ok(window)
    }

    /// What is in memory and not yet consumed.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Whether nothing follows after [`Self::bytes`].
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Where [`Self::bytes`] begins, in decompressed bytes.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Forgets the first `count` bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        self.offset += count as u64;
    }

    /// Reads on, at least as much as there is already, so that looking again from the start stays cheap.
    pub(crate) fn fill(&mut self) -> Result<(), Error> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let target = (self.end + self.end.max(CHUNK)).min((self.end + CHUNK).max(LIMIT + CHUNK));
        if self.buffer.len() < target || self.buffer.len() > 4 * target {
            self.buffer.resize(target, 0);
            self.buffer.shrink_to(target);
        }
        while self.end < target && !self.over {
            let count = self.source.read(&mut self.buffer[self.end..target])?;
            self.end += count;
            self.over = count == 0;
        }
        Ok(())
    }
}

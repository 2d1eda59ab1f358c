//! The bytes of a row group as the Parquet decoder asks for them: each column chunk in one stream, so that no more than a
//! page of each column is in memory.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::parquet::arrow::ProjectionMask;
use ::parquet::basic::Compression;
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::metadata::RowGroupMetaData;
use ::parquet::file::reader::{ChunkReader, Length};
use bytes::Bytes;

use super::external;
use super::page::{Page, check_header};
use super::unpack::exceeds;
use crate::error::{Error, InputFailure};
use crate::input::{Input, Marked, open_range};

/// Bytes fetched at a time.
const FETCH: usize = 64 * 1024;

/// The input's own error, kept aside because the decoder only passes on its text.
#[derive(Debug, Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<io::Error>>>);

impl Failure {
    pub(super) fn take(&self) -> Option<io::Error> {
        lock(&self.0).take()
    }

    /// Keeps the error if it is the input's.
    fn keep(&self, error: io::Error) -> ParquetError {
        match error.downcast::<InputFailure>() {
            Ok(InputFailure(cause)) => {
                let text = io::Error::new(cause.kind(), cause.to_string());
                *lock(&self.0) = Some(cause);
                external(text)
            }
            Err(error) => external(error),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The column chunks of one row group.
pub(super) struct RowGroup {
    length: u64,
    chunks: Vec<(u64, Arc<Mutex<Chunk>>)>,
    failure: Failure,
}

impl RowGroup {
    /// Opens the columns of a row group that are wanted.
    pub(super) fn open(
        input: &dyn Input,
        (group, mask): (&RowGroupMetaData, &ProjectionMask),
        failure: Failure,
    ) -> std::result::Result<Self, Error> {
        let mut chunks = Vec::with_capacity(group.columns().len());
        let wanted = group.columns().iter().enumerate().filter(|(leaf, _)| mask.leaf_included(*leaf));
        for (_, column) in wanted {
            let (start, length) = column.byte_range();
            if start.checked_add(length).is_none_or(|end| end > input.length()) {
                return Err(Error::unreadable("the Parquet data is damaged: a column lies outside of it"));
            }
            let source = open_range(input, start..start + length)?;
            let states = u64::try_from(column.uncompressed_size()).unwrap_or(0);
            let codec = column.compression();
            let chunk = Chunk { source, base: start, buffer: Vec::new(), header: start, states, codec };
            chunks.push((start, Arc::new(Mutex::new(chunk))));
        }
        chunks.sort_by_key(|(start, _)| *start);
        Ok(Self { length: input.length(), chunks, failure })
    }

    /// The chunk with the byte at `position`: the last one that begins before or there.
    fn find(&self, position: u64) -> Result<&Arc<Mutex<Chunk>>> {
        let after = self.chunks.partition_point(|(start, _)| *start <= position);
        let chunk = after.checked_sub(1).and_then(|last| self.chunks.get(last));
        chunk.map(|(_, chunk)| chunk).ok_or_else(|| ParquetError::EOF(format!("no column at {position}")))
    }
}

impl Length for RowGroup {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for RowGroup {
    type T = Peek;

    fn get_read(&self, start: u64) -> Result<Peek> {
        Ok(Peek { chunk: Arc::clone(self.find(start)?), start, position: start })
    }

    /// The bytes of a page, whose header was looked at before.
    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let mut chunk = lock(self.find(start)?);
        let (page, codec) = (chunk.check_header(start).map_err(|error| self.failure.keep(error))?, chunk.codec);
        let bytes = chunk.read_at(start, length).map_err(|error| self.failure.keep(error))?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(format!("{} of {length} bytes at {start}", bytes.len())));
        }
        let packed = usize::try_from(page.levels).ok().and_then(|levels| bytes.get(levels..)).unwrap_or_default();
        if exceeds(codec, packed, page.size.saturating_sub(page.levels)) {
            return Err(ParquetError::General(format!(
                "a page unpacks to more than the {} bytes that it states",
                page.size
            )));
        }
        let page = Bytes::copy_from_slice(bytes);
        chunk.forget(start + length as u64);
        Ok(page)
    }
}

/// The stream of one column chunk, and the part of it that was read and may be asked for again.
struct Chunk {
    source: Marked,
    base: u64,
    buffer: Vec<u8>,
    /// Where the last header that was looked at begins.
    header: u64,
    /// How many bytes the column states to unpack to.
    states: u64,
    /// How its pages are packed.
    codec: Compression,
}

impl Chunk {
    /// Checks the header that ends where the bytes of its page begin.
    fn check_header(&mut self, end: u64) -> io::Result<Page> {
        let (start, states) = (self.header, self.states);
        let length = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
        check_header(self.read_at(start, length)?, states)
            .map_err(|reason| io::Error::new(io::ErrorKind::InvalidData, reason))
    }

    /// Up to `length` bytes at a position; fewer only at the end.
    fn read_at(&mut self, position: u64, length: usize) -> io::Result<&[u8]> {
        let start = position.checked_sub(self.base).and_then(|start| usize::try_from(start).ok());
        let start =
            start.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "pages that lie over each other"))?;
        let end = start.saturating_add(length);
        if self.buffer.len() < end {
            let missing = (end - self.buffer.len()).max(FETCH);
            (&mut self.source).take(missing as u64).read_to_end(&mut self.buffer)?;
        }
        let end = end.min(self.buffer.len());
        Ok(&self.buffer[start.min(end)..end])
    }

    fn forget(&mut self, position: u64) {
        let count = usize::try_from(position.saturating_sub(self.base)).unwrap_or(usize::MAX).min(self.buffer.len());
        self.buffer.drain(..count);
        self.base += count as u64;
    }
}

/// A look ahead, for a page's header.
pub(super) struct Peek {
    chunk: Arc<Mutex<Chunk>>,
    start: u64,
    position: u64,
}

impl Read for Peek {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut chunk = lock(&self.chunk);
        chunk.header = self.start;
        // Pages before it may have been passed over.
        chunk.forget(self.start);
        let bytes = chunk.read_at(self.position, buffer.len())?;
        buffer[..bytes.len()].copy_from_slice(bytes);
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }
}

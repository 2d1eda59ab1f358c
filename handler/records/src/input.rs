//! The bytes of one raw object, before decompression: the first stop of the reader.
//!
//! Whatever can give a range of bytes as a stream can be read: a file, or an S3 object, where a range is one GET that is
//! pinned to a version. CSV and JSON open the whole once for each pass; Parquet opens its footer and then one range for
//! each column chunk.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use crate::error::InputFailure;

/// The bytes of one raw object, which stay the same; may be opened any number of times, each time independently.
pub trait Input: Send + Sync {
    /// The number of bytes.
    fn length(&self) -> u64;

    /// A stream of the bytes of `range`, which lies within the length. It may be dropped before its end, and many may be
    /// open at once (Parquet opens all column chunks of a row group), so bytes are best fetched when they are read.
    ///
    /// # Errors
    /// When the bytes cannot be fetched; the object itself is not to blame.
    fn open(&self, range: Range<u64>) -> io::Result<Box<dyn Read + Send>>;
}

/// A file, opened once; what is read is that file even if its name is given to another one meanwhile.
#[derive(Debug)]
pub struct FileInput {
    file: Arc<File>,
    length: u64,
}

impl FileInput {
    /// Takes the file as it is now: its length is fixed here.
    ///
    /// # Errors
    /// When the length cannot be told.
    pub fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), length })
    }
}

impl Input for FileInput {
    fn length(&self) -> u64 {
        self.length
    }

    fn open(&self, range: Range<u64>) -> io::Result<Box<dyn Read + Send>> {
        let cursor = FileCursor { file: Arc::clone(&self.file), position: range.start };
        Ok(Box::new(cursor.take(range.end.saturating_sub(range.start))))
    }
}

/// One independent walk over a [`FileInput`].
struct FileCursor {
    file: Arc<File>,
    position: u64,
}

impl Read for FileCursor {
    #[cfg(unix)]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use std::os::unix::fs::FileExt;
        let count = self.file.read_at(buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }

    #[cfg(windows)]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use std::os::windows::fs::FileExt;
        let count = self.file.seek_read(buffer, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

/// Bytes in memory, for tests and small seeds. Every opening copies them.
#[derive(Debug, Clone, Default)]
pub struct MemoryInput(pub Vec<u8>);

impl Input for MemoryInput {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn open(&self, range: Range<u64>) -> io::Result<Box<dyn Read + Send>> {
        let place = |offset| usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let (start, end) = (place(range.start), place(range.end));
        Ok(Box::new(io::Cursor::new(self.0[start..end.max(start)].to_vec())))
    }
}

/// Opens the whole input so that its own errors stay recognisable behind any decoder.
pub(crate) fn open_whole(input: &dyn Input) -> io::Result<Marked> {
    open_range(input, 0..input.length())
}

/// Opens a range of the input in the same way; what lies beyond the length is left out.
pub(crate) fn open_range(input: &dyn Input, range: Range<u64>) -> io::Result<Marked> {
    let end = range.end.min(input.length());
    let range = range.start.min(end)..end;
    let missing = range.end - range.start;
    input.open(range).map(|source| Marked { source, missing }).map_err(mark)
}

/// A reader whose errors are marked as [`InputFailure`]. An end before the range's is one too: it must not pass for the
/// end of the object.
pub(crate) struct Marked {
    source: Box<dyn Read + Send>,
    missing: u64,
}

impl Read for Marked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.source.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(mark(error)),
                Ok(0) if self.missing > 0 && !buffer.is_empty() => return Err(mark(self.explain())),
                Ok(count) => {
                    self.missing = self.missing.saturating_sub(count as u64);
                    return Ok(count);
                }
            }
        }
    }
}

impl Marked {
    fn explain(&self) -> io::Error {
        io::Error::new(io::ErrorKind::UnexpectedEof, format!("the input ended {} bytes early", self.missing))
    }
}

fn mark(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), InputFailure(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says that there is more than there is.
    struct Short;

    impl Input for Short {
        fn length(&self) -> u64 {
            5
        }

        fn open(&self, range: Range<u64>) -> io::Result<Box<dyn Read + Send>> {
            MemoryInput(b"a\n1".to_vec()).open(range)
        }
    }

    #[test]
    fn an_input_that_ends_early_is_our_failure() {
        let mut text = Vec::new();
        let error = open_whole(&Short).and_then(|mut input| input.read_to_end(&mut text)).unwrap_err();
        assert_eq!(crate::Error::from(error).to_string(), "read the object");
    }

    #[test]
    fn any_range_of_a_file_is_read() {
        let path = std::env::temp_dir().join(format!("records-input-{}", std::process::id()));
        std::fs::write(&path, b"abcdef").unwrap();
        let input = FileInput::new(File::open(&path).unwrap()).unwrap();
        std::fs::write(&path, b"abcdefgh").unwrap();
        let (mut first, mut second) = (String::new(), String::new());
        let mut late = input.open(4..5).unwrap();
        input.open(0..6).unwrap().read_to_string(&mut first).unwrap();
        late.read_to_string(&mut second).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!((first.as_str(), second.as_str(), input.length()), ("abcdef", "e", 6));
    }
}

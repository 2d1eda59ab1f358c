//! The bytes of one raw object, before decompression: the first stop of the reader.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use crate::error::InputFailure;

/// The bytes of one raw object; may be opened any number of times, each time independently.
pub trait Input: Send + Sync {
    /// The number of bytes.
    fn length(&self) -> u64;

    /// A reader of the bytes from `offset` to the end.
    ///
    /// # Errors
    /// When the bytes cannot be fetched; the object itself is not to blame.
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>>;
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

    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(FileCursor { file: Arc::clone(&self.file), position: offset }))
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

    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        Ok(Box::new(io::Cursor::new(self.0[start..].to_vec())))
    }
}

/// Opens the input so that its own errors stay recognisable behind any decoder.
pub(crate) fn open_marked(input: &dyn Input, offset: u64) -> io::Result<Marked> {
    input.open(offset).map(Marked).map_err(mark)
}

/// A reader whose errors are marked as [`InputFailure`].
pub(crate) struct Marked(Box<dyn Read + Send>);

impl Read for Marked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map_err(mark),
            }
        }
    }
}

fn mark(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), InputFailure(error))
}

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
        Ok(Box::new(
            FileCursor { file: Arc::clone(&self.file), position: offset }.take(self.length.saturating_sub(offset)),
        ))
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
    let missing = input.length().saturating_sub(offset);
    input.open(offset).map(|source| Marked { source, missing }).map_err(mark)
}

/// A reader whose errors are marked as [`InputFailure`]. An end before the stated length is one too: it must not pass for
/// the end of the object.
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
        io::Error::new(
            io::ErrorKind::UnexpectedEof,
            format!("the input ended {} bytes before its length", self.missing),
        )
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

        fn open(&self, offset: u64) -> io::Result<Box<dyn Read + Send>> {
            MemoryInput(b"a\n1".to_vec()).open(offset)
        }
    }

    #[test]
    fn an_input_that_ends_early_is_our_failure() {
        let mut text = Vec::new();
        let error = open_marked(&Short, 0).and_then(|mut input| input.read_to_end(&mut text)).unwrap_err();
        assert_eq!(crate::Error::from(error).to_string(), "read the object");
    }

    #[test]
    fn a_file_is_read_from_any_place() {
        let path = std::env::temp_dir().join(format!("records-input-{}", std::process::id()));
        std::fs::write(&path, b"abcdef").unwrap();
        let input = FileInput::new(File::open(&path).unwrap()).unwrap();
        std::fs::write(&path, b"abcdefgh").unwrap();
        let (mut first, mut second) = (String::new(), String::new());
        let mut late = input.open(4).unwrap();
        input.open(0).unwrap().read_to_string(&mut first).unwrap();
        late.read_to_string(&mut second).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!((first.as_str(), second.as_str(), input.length()), ("abcdef", "ef", 6));
    }
}

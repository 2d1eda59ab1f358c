//! The walk over the records of a JSON object: lines, or the elements of one array.

use memchr::{memchr, memchr_iter, memchr2};

use crate::error::Error;
use crate::input::Input;
use crate::options::Options;
use crate::window::{LIMIT, Window};

/// Where the walk stands.
pub(super) struct Walk {
    window: Window,
    shape: Shape,
    line: u64,
    /// The last record, still in the window.
    taken: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Lines,
    /// Before an element; the first one may be missing.
    Array {
        first: bool,
    },
    Over,
}

/// A record's text, without the whitespace around it.
pub(super) struct Record<'w> {
    pub(super) bytes: &'w [u8],
    pub(super) line: u64,
    pub(super) offset: u64,
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn trim_end(bytes: &[u8]) -> &[u8] {
    let length = bytes.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
    &bytes[..length]
}

impl Walk {
    /// Opens the object; its first byte tells whether it is one array.
    pub(super) fn open(input: &dyn Input, options: &Options) -> Result<Self, Error> {
        let mut walk = Self { window: Window::open(input, options)?, shape: Shape::Lines, line: 1, taken: 0 };
        if walk.skip_space()? == Some(b'[') {
            walk.consume(1);
            walk.shape = Shape::Array { first: true };
        }
        Ok(walk)
    }

    /// The next record. `None` at the end.
    pub(super) fn advance(&mut self) -> Result<Option<Record<'_>>, Error> {
        let taken = std::mem::take(&mut self.taken);
        self.consume(taken);
        let length = match self.shape {
            Shape::Lines => self.find_line()?,
            Shape::Array { first } => self.find_element(first)?,
            Shape::Over => None,
        };
        Ok(length.map(|length| Record {
            bytes: trim_end(&self.window.bytes()[..length]),
            line: self.line,
            offset: self.window.offset(),
        }))
    }

    fn consume(&mut self, count: usize) {
        self.line += memchr_iter(b'\n', &self.window.bytes()[..count]).count() as u64;
        self.window.consume(count);
    }

    /// Passes over whitespace, and says what follows.
    fn skip_space(&mut self) -> Result<Option<u8>, Error> {
        loop {
            let bytes = self.window.bytes();
            let found = bytes.iter().position(|byte| !is_space(*byte));
            let next = found.map(|position| bytes[position]);
            self.consume(found.unwrap_or(bytes.len()));
            if next.is_some() || self.window.is_over() {
                return Ok(next);
            }
            self.window.fill()?;
        }
    }

    /// The length of the next line that is not blank.
    fn find_line(&mut self) -> Result<Option<usize>, Error> {
        if self.skip_space()?.is_none() {
            return Ok(None);
        }
        loop {
            let bytes = self.window.bytes();
            let end = memchr(b'\n', bytes);
            if let Some(length) = end.or(self.window.is_over().then_some(bytes.len())) {
                self.taken = (length + 1).min(bytes.len());
                return Ok(Some(length));
            }
            self.read_on()?;
        }
    }

    /// The length of the next element of the array.
    fn find_element(&mut self, first: bool) -> Result<Option<usize>, Error> {
        if self.skip_space()? == Some(b']') && first {
            self.consume(1);
            return self.close();
        }
        loop {
            if let Some(length) = measure_element(self.window.bytes()) {
                if length == 0 && self.window.bytes()[0] == b']' {
                    return Err(Error::unreadable("the JSON array ends after a comma"));
                }
                return self.take_element(length).map(Some);
            }
            if self.window.is_over() {
                return Err(Error::unreadable("the JSON array is not closed"));
            }
            self.read_on()?;
        }
    }

    fn take_element(&mut self, length: usize) -> Result<usize, Error> {
        self.shape = Shape::Array { first: false };
        self.taken = length + 1;
        if self.window.bytes()[length] == b']' {
            self.check_tail(length + 1)?;
            self.shape = Shape::Over;
        }
        Ok(length)
    }

    /// Nothing but whitespace may follow the array, so that no record is passed over.
    fn check_tail(&mut self, from: usize) -> Result<(), Error> {
        loop {
            if self.window.bytes()[from..].iter().any(|byte| !is_space(*byte)) {
                return Err(Error::unreadable("something follows the JSON array"));
            }
            if self.window.is_over() {
                return Ok(());
            }
            self.read_on()?;
        }
    }

    fn close(&mut self) -> Result<Option<usize>, Error> {
        self.check_tail(0)?;
        self.shape = Shape::Over;
        Ok(None)
    }

    fn read_on(&mut self) -> Result<(), Error> {
        if self.window.bytes().len() > LIMIT {
            let line = self.line;
            return Err(Error::unreadable(format!("the record at line {line} is longer than {LIMIT} bytes")));
        }
        self.window.fill()
    }
}

/// Where the comma or bracket after an element is; `None` when it is not there yet.
fn measure_element(bytes: &[u8]) -> Option<usize> {
    let (mut position, mut depth) = (0, 0_usize);
    loop {
        match bytes.get(position)? {
            b'"' => position = pass_string(bytes, position + 1)?,
            b'{' | b'[' => depth += 1,
            b',' | b']' if depth == 0 => return Some(position),
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        position += 1;
    }
}

/// Where the string that began before `position` has its closing quote.
fn pass_string(bytes: &[u8], mut position: usize) -> Option<usize> {
    loop {
        position += memchr2(b'"', b'\\', bytes.get(position..)?)?;
        if bytes[position] == b'"' {
            return Some(position);
        }
        position += 2;
    }
}

//! A look ahead, for a record that does not fit into the window: whether its quoted fields are closed further on.
//!
//! A quote that is lost and a field that is too long begin in the same way. Who takes the one for the other makes records of
//! the inside of a field, or one reject of all that follows; and the window cannot wait for the answer. So the object is
//! walked through a second time, up to there and no further, and nothing of it is kept.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Mutex;

use memchr::{memchr3, memrchr2};

use crate::csv::scan::{Close, Dialect, Scanner};
use crate::error::Error;
use crate::input::Input;
use crate::options::Options;
use crate::window::{LIMIT, Window};

/// How a long record goes on. Places are those of [`Window::offset`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// All its quoted fields are closed, and the next record begins here.
    Ends(u64),
    /// The quoted field that begins here is not closed.
    Breaks(u64),
}

/// Walks ahead, and never back.
pub(crate) struct Scout {
    input: Held,
    options: Options,
    dialect: Dialect,
    /// What is in sight of it, once it was needed.
    window: Option<Window>,
    /// The last field that was not closed: who goes back asks of it again.
    broken: Option<u64>,
}

impl Scout {
    /// Opens the object once more; it is read when that is needed.
    pub(crate) fn new(input: &dyn Input, options: &Options, dialect: Dialect) -> Result<Self, Error> {
        let length = input.length();
        let source = input.open(0..length)?;
        let input = Held { source: Mutex::new(Some(source)), length };
        Ok(Self { input, options: options.clone(), dialect, window: None, broken: None })
    }

    /// Follows the record that begins at a place. Of one that begins before what was seen already it knows only where a
    /// quoted field was not closed.
    pub(crate) fn follow(&mut self, from: u64) -> Result<Option<Way>, Error> {
        let window = match self.window.take() {
            Some(window) => window,
            None => Window::open(&self.input, &self.options)?,
        };
        let mut trail = Trail { window: self.window.insert(window), dialect: self.dialect };
        if trail.window.offset() > from {
            return Ok(self.broken.filter(|field| *field >= from).map(Way::Breaks));
        }
        trail.pass_to(from)?;
        let way = trail.follow()?;
        if let Way::Breaks(field) = way {
            self.broken = Some(field);
        }
        Ok(Some(way))
    }
}

/// An object's bytes that are fetched when they are read, which is once at most.
struct Held {
    source: Mutex<Option<Box<dyn Read + Send>>>,
    length: u64,
}

impl Input for Held {
    fn length(&self) -> u64 {
        self.length
    }

    fn open(&self, _whole: Range<u64>) -> io::Result<Box<dyn Read + Send>> {
        let source = self.source.lock().ok().and_then(|mut source| source.take());
        source.ok_or_else(|| io::Error::other("the object was opened to look ahead already"))
    }
}

/// A walk whose window begins where it stands.
struct Trail<'w> {
    window: &'w mut Window,
    dialect: Dialect,
}

impl Trail<'_> {
    fn follow(&mut self) -> Result<Way, Error> {
        loop {
            let field = self.window.offset();
            if self.look()? == Some(self.dialect.quote) && !self.pass_quoted()? {
                return Ok(Way::Breaks(field));
            }
            self.pass_unquoted()?;
            if self.look()? != Some(self.dialect.delimiter) {
                self.pass_line_end()?;
                return Ok(Way::Ends(self.window.offset()));
            }
            self.window.consume(1);
        }
    }

    fn pass_to(&mut self, place: u64) -> Result<(), Error> {
        while self.window.offset() < place && self.look()?.is_some() {
            let left = usize::try_from(place - self.window.offset()).unwrap_or(usize::MAX);
            self.window.consume(left.min(self.window.bytes().len()));
        }
        Ok(())
    }

    /// The next byte; `None` at the end.
    fn look(&mut self) -> Result<Option<u8>, Error> {
        while self.window.bytes().is_empty() && !self.window.is_over() {
            self.window.fill()?;
        }
        Ok(self.window.bytes().first().copied())
    }

    /// Passes over a field that begins with a quote, up to behind the quote that closes it; says whether there is one.
    fn pass_quoted(&mut self) -> Result<bool, Error> {
        self.window.consume(1);
        let mut one_line = true;
        loop {
            let close = self.scanner().find_close(0);
            let (Close::At { quote: seen, .. } | Close::Broken { quote: seen } | Close::Unknown { seen }) = close
            else {
                return Ok(false);
            };
            let line = memrchr2(b'\n', b'\r', &self.window.bytes()[..seen]).map_or(0, |end| end + 1);
            one_line &= line == 0;
            // The line stays on which the next quote is: a record may begin with it.
            let passed = if one_line || (line == 0 && seen > LIMIT) { seen } else { line };
            match close {
                Close::At { .. } => {
                    self.window.consume(seen + 1);
                    return Ok(true);
                }
                Close::Broken { .. } => {
                    self.window.consume(passed);
                    return Ok(one_line && self.mend()?);
                }
                _ => {
                    self.window.consume(passed);
                    self.window.fill()?;
                }
            }
        }
    }

    /// Passes over what follows a bad quote, up to behind a later one on its line that could close the field.
    fn mend(&mut self) -> Result<bool, Error> {
        loop {
            self.window.consume(1);
            self.pass_until(|dialect, bytes| memchr3(dialect.quote, b'\n', b'\r', bytes))?;
            if self.look()? != Some(self.dialect.quote) {
                return Ok(false);
            }
            if self.window.bytes().len() == 1 {
                self.window.fill()?;
            }
            if self.window.bytes().get(1).is_none_or(|next| self.scanner().ends_field(*next)) {
                self.window.consume(1);
                return Ok(true);
            }
        }
    }

    fn pass_unquoted(&mut self) -> Result<(), Error> {
        self.pass_until(|dialect, bytes| memchr3(dialect.delimiter, b'\n', b'\r', bytes))
    }

    /// Passes over all bytes before one that is looked for.
    fn pass_until(&mut self, find: impl Fn(Dialect, &[u8]) -> Option<usize>) -> Result<(), Error> {
        while self.look()?.is_some() {
            let bytes = self.window.bytes();
            let found = find(self.dialect, bytes);
            let count = found.unwrap_or(bytes.len());
            self.window.consume(count);
            if found.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn pass_line_end(&mut self) -> Result<(), Error> {
        if self.window.bytes().len() < 2 {
            self.window.fill()?;
        }
        let length = if self.window.bytes().starts_with(b"\r\n") { 2 } else { 1 };
        self.window.consume(length.min(self.window.bytes().len()));
        Ok(())
    }

    fn scanner(&self) -> Scanner<'_> {
        let (bytes, over) = (self.window.bytes(), self.window.is_over());
        Scanner { bytes, over, dialect: self.dialect, keep: 0, trusted: usize::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csv::scan::Fault;
    use crate::{Compression, MemoryInput};

    /// All texts of so many of the bytes that mean something.
    fn texts(length: u32) -> impl Iterator<Item = Vec<u8>> {
        (0..5_usize.pow(length))
            .map(move |number| (0..length).map(|place| b"a,\"\n\r"[number / 5_usize.pow(place) % 5]).collect())
    }

    fn check(text: &[u8], escape: u8) {
        let dialect = Dialect { delimiter: b',', quote: b'"', escape };
        let scanner = Scanner { bytes: text, over: true, dialect, keep: 0, trusted: usize::MAX };
        let mut scout = Scout::new(&MemoryInput(text.to_vec()), &Options::default(), dialect).unwrap();
        let way = scout.follow(0).unwrap().unwrap();
        let scan = scanner.scan(0, &mut Vec::new()).unwrap();
        let shown = String::from_utf8_lossy(&text[text.len().saturating_sub(12)..]);
        match scan.fault {
            Some(Fault::Open(_)) => assert!(matches!(way, Way::Breaks(_)), "{way:?} {shown:?}"),
            _ => assert_eq!(way, Way::Ends(scan.next as u64), "{shown:?}"),
        }
    }

    #[test]
    fn it_sees_what_is_seen_of_a_whole_record() {
        for text in (0..=4).flat_map(texts) {
            check(&text, b'"');
            check(&text, b'a');
        }
    }

    #[test]
    fn it_sees_the_same_where_the_text_is_cut_as_it_comes() {
        for before in ["\"", ",", "\"x\"x"] {
            let length = before.len() + 2;
            for text in texts(4) {
                let filler = "x".repeat(256 * 1024 - length);
                check(&[before.as_bytes(), filler.as_bytes(), &text].concat(), b'"');
            }
        }
    }

    #[test]
    fn it_knows_where_a_quote_was_lost_that_it_is_asked_of_again() {
        let dialect = Dialect { delimiter: b',', quote: b'"', escape: b'"' };
        let input = MemoryInput(b"a,\"b\",c\n1,\"2\n3,\"4\"\n5,6\n".to_vec());
        let mut scout = Scout::new(&input, &Options::default(), dialect).unwrap();
        assert_eq!(scout.follow(0).unwrap(), Some(Way::Ends(8)));
        assert_eq!(scout.follow(8).unwrap(), Some(Way::Breaks(10)));
        assert_eq!(scout.follow(8).unwrap(), Some(Way::Breaks(10)));
        assert_eq!(scout.follow(11).unwrap(), None);
        assert_eq!(scout.follow(19).unwrap(), Some(Way::Ends(23)));
    }
    #[test]
    fn a_line_stays_in_sight_of_which_only_the_beginning_was_fetched() {
        let dialect = Dialect { delimiter: b',', quote: b'"', escape: b'"' };
        let text = format!("1,\"2\n3,{}\"4\"\n", "x".repeat(300 * 1024));
        let mut scout = Scout::new(&MemoryInput(text.clone().into_bytes()), &Options::default(), dialect).unwrap();
        assert_eq!(scout.follow(0).unwrap(), Some(Way::Breaks(2)));
        assert_eq!(scout.follow(5).unwrap(), Some(Way::Ends(text.len() as u64)));
    }

    #[test]
    fn it_begins_where_it_is_asked_to_and_unpacks_what_it_passes() {
        let dialect = Dialect { delimiter: b',', quote: b'"', escape: b'"' };
        let text = b"a,\"b\",c\n1,\"2\n3,\"4\"\n5,6\n";
        let packed = MemoryInput(zstd::encode_all(&text[..], 1).unwrap());
        let options = Options { compression: Compression::Zstd, ..Options::default() };
        let mut scout = Scout::new(&packed, &options, dialect).unwrap();
        assert_eq!(scout.follow(0).unwrap(), Some(Way::Ends(8)));
        assert_eq!(scout.follow(13).unwrap(), Some(Way::Ends(19)));
    }
}

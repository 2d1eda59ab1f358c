//! Where a CSV record ends, and where its fields are. RFC 4180, with any line end.
//!
//! A quoted field may span lines. Where its closing quote is missing, or is followed by text, the quotes are not
//! believed: the record ends with the line on which that field was opened, so that the lines after it stay records.

use memchr::{memchr, memchr_iter, memchr2, memchr3};

use crate::window::LIMIT;

/// The bytes that mean something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    /// The same as `quote` where quotes are doubled.
    pub(super) escape: u8,
}

/// One field, as positions in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) quoted: bool,
    pub(super) escaped: bool,
}

/// Bad quoting, and the field (from 1) where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A quote inside a field that does not begin with one.
    Stray(usize),
    /// No closing quote, or text after it.
    Open(usize),
}

/// One record in the bytes at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// The length without the line end.
    pub(super) end: usize,
    /// Where the next record begins.
    pub(super) next: usize,
    pub(super) fault: Option<Fault>,
    /// Whether it may hold more lines than one.
    pub(super) quoted: bool,
}

/// Finds the record at the beginning of `bytes`; `None` when more bytes are needed to tell, which is never when `over`.
pub(super) fn split(bytes: &[u8], over: bool, dialect: Dialect, fields: &mut Vec<Field>) -> Option<Span> {
    fields.clear();
    match memchr3(b'\n', b'\r', dialect.quote, bytes) {
        None if !over => None,
        None => {
            split_plain(bytes, dialect.delimiter, fields);
            Some(Span { end: bytes.len(), next: bytes.len(), fault: None, quoted: false })
        }
        Some(end) if bytes[end] != dialect.quote => {
            let next = pass_line_end(bytes, end, over)?;
            split_plain(&bytes[..end], dialect.delimiter, fields);
            Some(Span { end, next, fault: None, quoted: false })
        }
        Some(_) => Quoted { bytes, over, dialect, fields, fault: None }.split(),
    }
}

/// Finds the line at the beginning of `bytes`, whatever it holds; `None` as in [`split`].
pub(super) fn split_line(bytes: &[u8], over: bool) -> Option<Span> {
    let end = memchr2(b'\n', b'\r', bytes).or(over.then_some(bytes.len()))?;
    Some(Span { end, next: pass_line_end(bytes, end, over)?, fault: None, quoted: false })
}

/// A line without quotes.
fn split_plain(line: &[u8], delimiter: u8, fields: &mut Vec<Field>) {
    let mut start = 0;
    for end in memchr_iter(delimiter, line) {
        fields.push(Field { start, end, quoted: false, escaped: false });
        start = end + 1;
    }
    fields.push(Field { start, end: line.len(), quoted: false, escaped: false });
}

/// Where the line after the line end at `end` begins.
fn pass_line_end(bytes: &[u8], end: usize, over: bool) -> Option<usize> {
    match (bytes.get(end), bytes.get(end + 1)) {
        (Some(b'\r'), Some(b'\n')) => Some(end + 2),
        (Some(b'\r'), None) if !over => None,
        (Some(_), _) => Some(end + 1),
        (None, _) => Some(end),
    }
}

/// The number of line ends in some bytes; CRLF is one.
pub(super) fn count_lines(bytes: &[u8]) -> u64 {
    let lines = memchr::memchr2_iter(b'\n', b'\r', bytes)
        .filter(|position| bytes[*position] == b'\n' || bytes.get(position + 1) != Some(&b'\n'));
    lines.count() as u64
}

/// A record with quotes in it, on the way through its fields.
struct Quoted<'b> {
    bytes: &'b [u8],
    over: bool,
    dialect: Dialect,
    fields: &'b mut Vec<Field>,
    fault: Option<Fault>,
}

/// How a quoted field ends.
enum Close {
    At { quote: usize, escaped: bool },
    Nowhere,
    Unknown,
}

impl Quoted<'_> {
    fn split(mut self) -> Option<Span> {
        let mut start = 0;
        loop {
            let end = if self.bytes.get(start) == Some(&self.dialect.quote) {
                match self.find_close(start + 1) {
                    Close::Unknown => return None,
                    Close::Nowhere => return self.give_up(start),
                    Close::At { quote, escaped } => {
                        self.fields.push(Field { start: start + 1, end: quote, quoted: true, escaped });
                        quote + 1
                    }
                }
            } else {
                self.take_unquoted(start)?
            };
            if self.bytes.get(end) == Some(&self.dialect.delimiter) {
                start = end + 1;
                continue;
            }
            if end == self.bytes.len() && !self.over {
                return None;
            }
            let next = pass_line_end(self.bytes, end, self.over)?;
            return Some(Span { end, next, fault: self.fault, quoted: true });
        }
    }

    fn take_unquoted(&mut self, start: usize) -> Option<usize> {
        let rest = &self.bytes[start..];
        let length = match memchr3(self.dialect.delimiter, b'\n', b'\r', rest) {
            Some(length) => length,
            None if self.over => rest.len(),
            None => return None,
        };
        if memchr(self.dialect.quote, &rest[..length]).is_some() {
            self.fault = self.fault.or(Some(Fault::Stray(self.fields.len() + 1)));
        }
        self.fields.push(Field { start, end: start + length, quoted: false, escaped: false });
        Some(start + length)
    }

    fn find_close(&self, mut position: usize) -> Close {
        let Dialect { delimiter, quote, escape } = self.dialect;
        let unfinished = if self.over || self.bytes.len() >= LIMIT { Close::Nowhere } else { Close::Unknown };
        let mut escaped = false;
        while let Some(length) = memchr2(quote, escape, &self.bytes[position..]) {
            position += length;
            let next = match self.bytes.get(position + 1) {
                None if !self.over => return unfinished,
                next => next.copied(),
            };
            let special = next.is_some_and(|next| next == quote || next == escape);
            if self.bytes[position] == escape && special {
                escaped = true;
                position += 2;
            } else if self.bytes[position] != quote {
                position += 1;
            } else if next.is_none_or(|next| next == delimiter || next == b'\n' || next == b'\r') {
                return Close::At { quote: position, escaped };
            } else {
                return Close::Nowhere;
            }
        }
        unfinished
    }

    /// Ends the record with the line on which the field that begins at `start` was opened.
    fn give_up(&self, start: usize) -> Option<Span> {
        let end = match memchr2(b'\n', b'\r', &self.bytes[start..]) {
            Some(length) => start + length,
            None if self.over => self.bytes.len(),
            None => return None,
        };
        let next = pass_line_end(self.bytes, end, self.over)?;
        Some(Span { end, next, fault: Some(Fault::Open(self.fields.len() + 1)), quoted: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALECT: Dialect = Dialect { delimiter: b',', quote: b'"', escape: b'"' };

    /// All records: the fields' texts, or the fault.
    fn split_all(text: &str, dialect: Dialect) -> Vec<Result<Vec<&str>, Fault>> {
        let (mut rest, mut fields, mut records) = (text, Vec::new(), Vec::new());
        while !rest.is_empty() {
            let span = split(rest.as_bytes(), true, dialect, &mut fields).unwrap();
            let texts = fields.iter().map(|field| &rest[field.start..field.end]).collect();
            records.push(span.fault.map_or(Ok(texts), Err));
            rest = &rest[span.next..];
        }
        records
    }

    #[test]
    fn lines_end_in_any_way() {
        let expected = [Ok(vec!["a", "b"]), Ok(vec!["c", "d"]), Ok(vec!["e", ""])];
        for text in ["a,b\nc,d\ne,", "a,b\r\nc,d\r\ne,\r\n", "a,b\rc,d\re,\r", "a,b\nc,d\r\ne,\r"] {
            assert_eq!(split_all(text, DIALECT), expected, "{text:?}");
        }
    }

    #[test]
    fn quoted_fields_span_lines() {
        assert_eq!(split_all("\"a\nb\",\"\"\"\"\r\n\"\",x\n", DIALECT), [Ok(vec!["a\nb", "\"\""]), Ok(vec!["", "x"])]);
        let slashed = Dialect { escape: b'\\', ..DIALECT };
        assert_eq!(split_all("\"a\\\"b\\\\\",\"c\\d\"\n", slashed), [Ok(vec!["a\\\"b\\\\", "c\\d"])]);
    }

    #[test]
    fn a_bad_quote_costs_one_line() {
        for (text, faulty, fault) in [
            ("1,x\n2,a\"b\n3,y\n", 1, Fault::Stray(2)),
            ("1,x\n2,\"a\"b\n3,y\n", 1, Fault::Open(2)),
            ("1,x\n2,\"ab\n3,y\n", 1, Fault::Open(2)),
            ("1,x\n2,\"ab\n3,\"y\"\n", 1, Fault::Open(2)),
            ("1,x\r\n\"2,ab\r\n3,y", 1, Fault::Open(1)),
        ] {
            let records = split_all(text, DIALECT);
            assert_eq!(records.len(), 3, "{text:?}: {records:?}");
            assert_eq!(records[faulty], Err(fault), "{text:?}");
        }
    }

    #[test]
    fn more_bytes_are_asked_for_until_the_end_is_certain() {
        let text = b"\"a\"\"b\",c\r\n";
        for cut in 0..text.len() {
            assert_eq!(split(&text[..cut], false, DIALECT, &mut Vec::new()), None, "{cut}");
        }
        assert_eq!(split(text, false, DIALECT, &mut Vec::new()).map(|span| span.next), Some(text.len()));
    }

    #[test]
    fn lines_are_counted() {
        assert_eq!(count_lines(b"a\nb\r\nc\rd\r\r\n\n"), 6);
    }
}

//! Where a CSV record ends, and where its fields are. RFC 4180, with any line end.
//!
//! Here one record is looked at by itself. Where its quotes contradict each other it has a [`Fault`]; what that means for
//! the records around it is decided by [`super::split`].

use memchr::{memchr, memchr_iter, memchr2, memchr3};

use crate::block::Field;

/// The bytes that mean something.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    pub(crate) quote: u8,
    /// The same as `quote` where quotes are doubled.
    pub(crate) escape: u8,
}

/// Bad quoting, and the field (from 1) where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A quote inside a field that does not begin with one.
    Stray(usize),
    /// Text after a closing quote; the field was closed further on in the same line.
    Trailing(usize),
    /// No closing quote, as far as its line goes.
    Open(usize),
}

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Where it ends, without the line end.
    pub(crate) end: usize,
    /// Where the next one begins.
    pub(crate) next: usize,
    /// The number of its fields.
    pub(crate) width: usize,
    pub(crate) fault: Option<Fault>,
    /// Whether it has any quote.
    pub(crate) quotes: bool,
    /// Whether a quoted field with several lines in it is closed by a quote that could be an opening one.
    pub(crate) ambiguous: bool,
}

/// Whether a record could be the inside of a quoted field, as far as its quotes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inside {
    /// Its first quote that is no escape can close a field.
    Closes,
    /// It has no such quote.
    Possible,
    /// Its first such quote is followed by something else, as an opening quote is.
    Impossible,
}

/// The bytes at hand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scanner<'b> {
    pub(crate) bytes: &'b [u8],
    /// Whether the object ends with them.
    pub(crate) over: bool,
    pub(crate) dialect: Dialect,
    /// How many fields of a record to keep; the others are only counted.
    pub(crate) keep: usize,
    /// Up to where quotes are trusted: a quoted field that begins there or further on must end on its line.
    pub(crate) trusted: usize,
}

/// How a quoted field ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Close {
    At {
        quote: usize,
        escaped: bool,
    },
    /// Something else follows the first quote that is no escape.
    Broken {
        quote: usize,
    },
    Nowhere,
    /// More bytes are needed to tell; what is before `seen` need not be looked at again.
    Unknown {
        seen: usize,
    },
}

impl Scanner<'_> {
    /// Finds the record at `start` and appends its fields; `None` when more bytes are needed to tell, which is never when
    /// all are there.
    pub(crate) fn scan(&self, start: usize, fields: &mut Vec<Field>) -> Option<Scan> {
        let rest = &self.bytes[start..];
        match memchr3(b'\n', b'\r', self.dialect.quote, rest) {
            None if !self.over => None,
            None => Some(self.scan_plain(start, (self.bytes.len(), self.bytes.len()), fields)),
            Some(length) if rest[length] != self.dialect.quote => {
                let end = start + length;
                let next = self.pass_line_end(end)?;
                Some(self.scan_plain(start, (end, next), fields))
            }
            Some(_) => {
                let width = fields.len();
                let mut quoted =
                    Quoted { scanner: *self, fields, width: 0, fault: None, ambiguous: false, line_end: None };
                let found = quoted.scan(start);
                if found.is_none() {
                    fields.truncate(width);
                }
                found
            }
        }
    }

    /// Finds the line at `start`, whatever it holds; `None` as in [`Self::scan`].
    pub(crate) fn scan_line(&self, start: usize) -> Option<Scan> {
        let end = self.find_line_end(start)?;
        let next = self.pass_line_end(end)?;
        Some(Scan { end, next, width: 1, fault: None, quotes: false, ambiguous: false })
    }

    /// What the quotes of a record say if it is taken for the inside of a quoted field.
    pub(crate) fn look_inside(&self, start: usize, end: usize) -> Inside {
        let record = Scanner { bytes: &self.bytes[..end], over: true, ..*self };
        match record.find_close(start) {
            Close::At { .. } => Inside::Closes,
            Close::Broken { .. } => Inside::Impossible,
            Close::Nowhere | Close::Unknown { .. } => Inside::Possible,
        }
    }

    /// A line without quotes.
    fn scan_plain(&self, mut start: usize, (end, next): (usize, usize), fields: &mut Vec<Field>) -> Scan {
        let line = &self.bytes[start..end];
        let (base, mut width) = (start, 1);
        for position in memchr_iter(self.dialect.delimiter, line) {
            if width <= self.keep {
                fields.push(plain(start, base + position));
            }
            start = base + position + 1;
            width += 1;
        }
        if width <= self.keep {
            fields.push(plain(start, end));
        }
        Scan { end, next, width, fault: None, quotes: false, ambiguous: false }
    }

    fn find_line_end(&self, start: usize) -> Option<usize> {
        match memchr2(b'\n', b'\r', &self.bytes[start..]) {
            Some(length) => Some(start + length),
            None => self.over.then_some(self.bytes.len()),
        }
    }

    /// Where the line after the line end at `end` begins.
    fn pass_line_end(&self, end: usize) -> Option<usize> {
        match (self.bytes.get(end), self.bytes.get(end + 1)) {
            (Some(b'\r'), Some(b'\n')) => Some(end + 2),
            (Some(b'\r'), None) if !self.over => None,
            (Some(_), _) => Some(end + 1),
            (None, _) => Some(end),
        }
    }

    /// Looks for the closing quote of a field whose text begins at `start`.
    pub(crate) fn find_close(&self, start: usize) -> Close {
        let Dialect { quote, escape, .. } = self.dialect;
        let (mut position, mut escaped) = (start, false);
        while let Some(length) = self.bytes.get(position..).and_then(|rest| memchr2(quote, escape, rest)) {
            position += length;
            let next = match self.bytes.get(position + 1) {
                None if !self.over => return Close::Unknown { seen: position },
                next => next.copied(),
            };
            let special = next.is_some_and(|next| next == quote || next == escape);
            if self.bytes[position] == escape && special {
                escaped = true;
                position += 2;
            } else if self.bytes[position] != quote {
                position += 1;
            } else if next.is_none_or(|next| self.ends_field(next)) {
                return Close::At { quote: position, escaped };
            } else {
                return Close::Broken { quote: position };
            }
        }
        if self.over { Close::Nowhere } else { Close::Unknown { seen: self.bytes.len() } }
    }

    pub(crate) fn ends_field(&self, byte: u8) -> bool {
        byte == self.dialect.delimiter || byte == b'\n' || byte == b'\r'
    }

    /// Whether the closing quote at `position` could as well open a field: a delimiter or a line end is before it.
    fn may_open(&self, position: usize, field: usize) -> bool {
        position > field && self.bytes.get(position - 1).is_some_and(|byte| self.ends_field(*byte))
    }
}

fn plain(start: usize, end: usize) -> Field {
    Field { start: place(start), end: place(end), ..Field::default() }
}

/// A position in a block; blocks are far smaller than what this holds.
fn place(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// The number of line ends in some bytes; CRLF is one.
pub(crate) fn count_lines(bytes: &[u8]) -> u64 {
    let lines = memchr::memchr2_iter(b'\n', b'\r', bytes)
        .filter(|position| bytes[*position] == b'\n' || bytes.get(position + 1) != Some(&b'\n'));
    lines.count() as u64
}

/// A record with quotes in it, on the way through its fields.
struct Quoted<'b, 'f> {
    scanner: Scanner<'b>,
    fields: &'f mut Vec<Field>,
    width: usize,
    fault: Option<Fault>,
    ambiguous: bool,
    /// The line end that was looked for last: a line may have many bad quotes.
    line_end: Option<usize>,
}

impl Quoted<'_, '_> {
    fn scan(&mut self, mut start: usize) -> Option<Scan> {
        let Scanner { bytes, over, dialect, .. } = self.scanner;
        loop {
            let quoted = bytes.get(start) == Some(&dialect.quote);
            let end = if quoted { self.take_quoted(start)? } else { self.take_unquoted(start)? };
            if bytes.get(end) == Some(&dialect.delimiter) && !matches!(self.fault, Some(Fault::Open(_))) {
                start = end + 1;
                continue;
            }
            if end == bytes.len() && !over {
                return None;
            }
            let next = self.scanner.pass_line_end(end)?;
            let (width, fault, ambiguous) = (self.width, self.fault, self.ambiguous);
            return Some(Scan { end, next, width, fault, quotes: true, ambiguous });
        }
    }

    fn take_unquoted(&mut self, start: usize) -> Option<usize> {
        let Scanner { bytes, over, dialect, .. } = self.scanner;
        let rest = &bytes[start..];
        let length = match memchr3(dialect.delimiter, b'\n', b'\r', rest) {
            Some(length) => length,
            None if over => rest.len(),
            None => return None,
        };
        self.push(plain(start, start + length));
        if memchr(dialect.quote, &rest[..length]).is_some() {
            self.fault = self.fault.or(Some(Fault::Stray(self.width)));
        }
        Some(start + length)
    }

    fn take_quoted(&mut self, start: usize) -> Option<usize> {
        match self.find_close(start)? {
            Close::Unknown { .. } => None,
            Close::Nowhere => self.give_up(start),
            Close::Broken { quote } => self.mend(start, quote),
            Close::At { quote, escaped } => {
                let text = &self.scanner.bytes[start + 1..quote];
                if memchr2(b'\n', b'\r', text).is_some() {
                    self.ambiguous |= self.scanner.may_open(quote, start + 1);
                }
                self.push(Field { quoted: true, escaped, ..plain(start + 1, quote) });
                Some(quote + 1)
            }
        }
    }

    /// The closing quote of the field that begins at `start`, on its line where quotes are not trusted.
    fn find_close(&mut self, start: usize) -> Option<Close> {
        if start < self.scanner.trusted {
            return Some(self.scanner.find_close(start + 1));
        }
        let end = self.find_line_end(start)?;
        let line = Scanner { bytes: &self.scanner.bytes[..end], over: true, ..self.scanner };
        Some(line.find_close(start + 1))
    }

    /// A quote in the middle of a quoted field: the field ends at a later quote on the line on which it began, if there is
    /// one that could close it.
    fn mend(&mut self, start: usize, mut quote: usize) -> Option<usize> {
        let line_end = self.find_line_end(start)?;
        let Scanner { bytes, dialect, .. } = self.scanner;
        while quote < line_end {
            let closes = bytes.get(quote + 1).is_none_or(|next| self.scanner.ends_field(*next));
            if closes {
                self.push(plain(start, quote + 1));
                self.fault = self.fault.or(Some(Fault::Trailing(self.width)));
                return Some(quote + 1);
            }
            let Some(length) = memchr(dialect.quote, &bytes[quote + 1..line_end]) else { break };
            quote += 1 + length;
        }
        self.give_up(start)
    }

    /// Ends the record with the line on which the field that begins at `start` was opened.
    fn give_up(&mut self, start: usize) -> Option<usize> {
        let end = self.find_line_end(start)?;
        self.push(plain(start, end));
        self.fault = Some(Fault::Open(self.width));
        Some(end)
    }

    /// Where the line ends in which `start` is, which is never before what was asked for last.
    fn find_line_end(&mut self, start: usize) -> Option<usize> {
        if self.line_end.is_none_or(|end| end < start) {
            self.line_end = self.scanner.find_line_end(start);
        }
        self.line_end
    }

    fn push(&mut self, field: Field) {
        self.width += 1;
        if self.width <= self.scanner.keep {
            self.fields.push(field);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALECT: Dialect = Dialect { delimiter: b',', quote: b'"', escape: b'"' };

    fn scan(text: &[u8], start: usize, over: bool) -> (Option<Scan>, Vec<Field>) {
        let mut fields = Vec::new();
        let scanner = Scanner { bytes: text, over, dialect: DIALECT, keep: 100, trusted: usize::MAX };
        (scanner.scan(start, &mut fields), fields)
    }

    /// All records: the fields' texts, or the fault.
    fn scan_all(text: &str, dialect: Dialect) -> Vec<Result<Vec<&str>, Fault>> {
        let scanner = Scanner { bytes: text.as_bytes(), over: true, dialect, keep: 100, trusted: usize::MAX };
        let (mut start, mut records) = (0, Vec::new());
        while start < text.len() {
            let mut fields = Vec::new();
            let scan = scanner.scan(start, &mut fields).unwrap();
            let texts = fields.iter().map(|field| &text[field.start as usize..field.end as usize]).collect();
            records.push(scan.fault.map_or(Ok(texts), Err));
            start = scan.next;
        }
        records
    }

    #[test]
    fn lines_end_in_any_way() {
        let expected = [Ok(vec!["a", "b"]), Ok(vec!["c", "d"]), Ok(vec!["e", ""])];
        for text in ["a,b\nc,d\ne,", "a,b\r\nc,d\r\ne,\r\n", "a,b\rc,d\re,\r", "a,b\nc,d\r\ne,\r"] {
            assert_eq!(scan_all(text, DIALECT), expected, "{text:?}");
        }
    }

    #[test]
    fn quoted_fields_span_lines() {
        assert_eq!(scan_all("\"a\nb\",\"\"\"\"\r\n\"\",x\n", DIALECT), [Ok(vec!["a\nb", "\"\""]), Ok(vec!["", "x"])]);
        let slashed = Dialect { escape: b'\\', ..DIALECT };
        assert_eq!(scan_all("\"a\\\"b\\\\\",\"c\\d\"\n", slashed), [Ok(vec!["a\\\"b\\\\", "c\\d"])]);
    }

    #[test]
    fn a_bad_quote_costs_one_line() {
        for (text, faulty, fault) in [
            ("1,x\n2,a\"b\n3,y\n", 1, Fault::Stray(2)),
            ("1,x\n2,\"a\"b\n3,y\n", 1, Fault::Open(2)),
            ("1,x\n2,\"a\"b\",c\n3,y\n", 1, Fault::Trailing(2)),
            ("1,x\n2,\"ab\n3,y\n", 1, Fault::Open(2)),
            ("1,x\n2,\"ab\n3,\"y\"\n", 1, Fault::Open(2)),
            ("1,x\r\n\"2,ab\r\n3,y", 1, Fault::Open(1)),
        ] {
            let records = scan_all(text, DIALECT);
            assert_eq!(records.len(), 3, "{text:?}: {records:?}");
            assert_eq!(records[faulty], Err(fault), "{text:?}");
        }
    }

    #[test]
    fn a_line_of_bad_quotes_takes_no_longer_than_another_one() {
        let fields = 2_000_000;
        let text = "\"a\"b\",".repeat(fields);
        let scan = scan(text.as_bytes(), 0, true).0.unwrap();
        assert_eq!((scan.width, scan.fault), (fields + 1, Some(Fault::Trailing(1))));
    }

    #[test]
    fn more_bytes_are_asked_for_until_the_end_is_certain() {
        for text in ["\"a\"\"b\",c\r\n", "\"a\nb\",c\r\n"] {
            for cut in 0..text.len() {
                assert_eq!(scan(&text.as_bytes()[..cut], 0, false), (None, vec![]), "{text:?} {cut}");
            }
            assert_eq!(scan(text.as_bytes(), 0, false).0.map(|scan| scan.next), Some(text.len()));
        }
    }

    #[test]
    fn a_closing_quote_on_another_line_may_be_an_opening_one() {
        for (text, ambiguous) in [
            ("1,\"ab\"\n", false),
            ("1,\"a\nb\"\n", false),
            ("1,\"a,\"\n", false),
            ("1,\"ab\n2,\"\nx\n", true),
            ("1,\"ab\n\"\nx\n", true),
        ] {
            assert_eq!(scan(text.as_bytes(), 0, true).0.unwrap().ambiguous, ambiguous, "{text:?}");
        }
    }

    #[test]
    fn the_quotes_tell_whether_a_record_could_be_the_inside_of_a_field() {
        for (text, inside) in [
            ("cd\",2", Inside::Closes),
            ("a\"\"b\"", Inside::Closes),
            ("1,\"x\",2", Inside::Impossible),
            ("5\" disk", Inside::Impossible),
            ("1,2", Inside::Possible),
            ("1,\"\",2", Inside::Possible),
        ] {
            let scanner =
                Scanner { bytes: text.as_bytes(), over: true, dialect: DIALECT, keep: 0, trusted: usize::MAX };
            assert_eq!(scanner.look_inside(0, text.len()), inside, "{text:?}");
        }
    }

    #[test]
    fn only_the_record_itself_is_looked_into() {
        let text = b"cd\"\n3,\"x\"";
        let scanner = Scanner { bytes: text, over: false, dialect: DIALECT, keep: 0, trusted: usize::MAX };
        assert_eq!(scanner.look_inside(0, 3), Inside::Closes, "its end is the end of a field");
        assert_eq!(scanner.look_inside(0, 2), Inside::Possible, "a quote behind it does not count");
    }

    #[test]
    fn a_line_may_be_taken_whatever_it_holds() {
        let scanner = Scanner { bytes: b"a,\"b\r\nc", over: true, dialect: DIALECT, keep: 9, trusted: usize::MAX };
        let line = |end, next| Some(Scan { end, next, width: 1, fault: None, quotes: false, ambiguous: false });
        assert_eq!((scanner.scan_line(0), scanner.scan_line(6)), (line(4, 6), line(7, 7)));
        assert_eq!(Scanner { over: false, ..scanner }.scan_line(6), None);
    }

    #[test]
    fn a_quoted_field_that_is_not_trusted_ends_on_its_line() {
        let scan = |text: &[u8], trusted: usize, over: bool| {
            let scanner = Scanner { bytes: text, over, dialect: DIALECT, keep: 9, trusted };
            scanner.scan(0, &mut Vec::new()).map(|scan| (scan.next, scan.width, scan.fault))
        };
        let open = Some(Fault::Open(2));
        assert_eq!(scan(b"1,\"a\nb\",c\n", 3, true), Some((10, 3, None)));
        assert_eq!(scan(b"1,\"a\nb\",c\n", 2, true), Some((5, 2, open)));
        assert_eq!(scan(b"1,\"a\nb\",c\n", 2, false), Some((5, 2, open)));
        assert_eq!(scan(b"1,\"ab\",c\n", 0, true), Some((9, 3, None)));
        assert_eq!(scan(b"1,\"ab\"", 0, true), Some((6, 2, None)));
        assert_eq!(scan(b"1,\"ab", 0, true), Some((5, 2, open)));
        assert_eq!(scan(b"1,\"ab", 0, false), None);
    }

    #[test]
    fn a_field_says_how_it_is_written() {
        let fields = scan(b"a,\"b\",\"c\"\"\"\n", 0, true).1;
        let written: Vec<(bool, bool)> = fields.iter().map(|field| (field.quoted, field.escaped)).collect();
        assert_eq!(written, [(false, false), (true, false), (true, true)]);
    }

    #[test]
    fn fields_are_counted() {
        let count = |text: &[u8]| scan(text, 0, true).0.map(|scan| (scan.width, scan.quotes));
        for (text, width, quotes) in [
            (&b"a,b,c\n"[..], 3, false),
            (b",,,", 4, false),
            (b"a\n", 1, false),
            (b"a,\"b\",\n", 3, true),
            (b"\"a\",b", 2, true),
        ] {
            assert_eq!(count(text), Some((width, quotes)), "{text:?}");
        }
    }

    #[test]
    fn lines_are_counted() {
        for (bytes, lines) in [(&b"a\nb\r\nc\rd\r\r\n\n"[..], 6), (b"a\r\nb", 1), (b"a\rb", 1), (b"\r\n\r\n", 2)] {
            assert_eq!(count_lines(bytes), lines, "{bytes:?}");
        }
    }
}

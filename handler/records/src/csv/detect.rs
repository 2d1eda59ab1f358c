//! Which delimiter and quote an object has whose source does not say.
//!
//! The first records are split with each candidate. The delimiter is the one with which most of them have as many fields
//! as the first one, which must have more than one; of equals the one that comes first here. Where there is none, the
//! object has one column. A declared decimal separator is none. The quote is the one that begins fields: an apostrophe only where more records are sound with it
//! than are not, for it is a letter of many texts.

use super::dialect;
use super::head::check_text;
use super::scan::{Dialect, Scan, Scanner};
use super::split::{SIGHT, Splitter};
use crate::error::Error;
use crate::input::Input;
use crate::options::{Format, Options};
use crate::window::Window;

/// The delimiters that are tried.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// How many records are looked at, and how many bytes; more only where they do not hold two records, and [`SIGHT`] at most.
const RECORDS: usize = 100;
const BYTES: usize = 64 * 1024;

/// The options with the dialect that the object has, where they do not say it. The same bytes give the same dialect.
///
/// # Errors
/// [`Error::Unreadable`] when the object as a whole is bad, [`Error::Io`] when it could not be fetched.
pub(crate) fn settle(input: &dyn Input, options: &Options) -> Result<Options, Error> {
    if options.format != Format::Csv || (options.delimiter.is_some() && options.quote.is_some()) {
        return Ok(options.clone());
    }
    let mut splitter = Splitter::new(Window::open(input, options)?, dialect(options)?, options.preamble)?;
    let mut length = BYTES;
    while Sample::take(&mut splitter, length, options)?.is_short() && length < SIGHT {
        length *= 2;
    }
    let sample = Sample::take(&mut splitter, length, options)?;
    let mut settled = options.clone();
    let quote = options.quote.unwrap_or_else(|| sample.find_quote());
    settled.quote = Some(quote);
    settled.delimiter = Some(options.delimiter.unwrap_or_else(|| sample.find_delimiter(quote)));
    dialect(&settled)?;
    Ok(settled)
}

/// The beginning of an object, after its preamble.
struct Sample<'w> {
    bytes: &'w [u8],
    over: bool,
    /// What is declared.
    options: &'w Options,
    delimiters: Vec<u8>,
}

impl<'w> Sample<'w> {
    fn take(splitter: &'w mut Splitter, length: usize, options: &'w Options) -> Result<Self, Error> {
        let (bytes, over) = splitter.sample(length)?;
        let mut delimiters = options.delimiter.map_or_else(|| DELIMITERS.to_vec(), |delimiter| vec![delimiter]);
        // Between the fields stands nothing that is in numbers.
        delimiters.retain(|delimiter| Some(*delimiter) != options.decimal);
        Ok(Self { bytes, over, options, delimiters })
    }

    /// Whether it ends before there are two records to compare, whatever the delimiter is.
    fn is_short(&self) -> bool {
        let quote = self.options.quote.unwrap_or(b'"');
        !self.over && self.delimiters.iter().all(|delimiter| self.records(*delimiter, quote).len() < 2)
    }

    fn scanner(&self, delimiter: u8, quote: u8) -> Scanner<'w> {
        let dialect = Dialect { delimiter, quote, escape: self.options.escape.unwrap_or(quote) };
        Scanner { bytes: self.bytes, over: self.over, dialect, keep: 0, trusted: usize::MAX }
    }

    /// The first records.
    fn records(&self, delimiter: u8, quote: u8) -> Vec<Scan> {
        let scanner = self.scanner(delimiter, quote);
        let (mut start, mut scans) = (0, Vec::new());
        while start < self.bytes.len() && scans.len() < RECORDS {
            let comment = self.options.comment.is_some_and(|comment| self.bytes[start] == comment);
            let found = if comment { scanner.scan_line(start) } else { scanner.scan(start, &mut Vec::new()) };
            let Some(scan) = found else { break };
            if !comment && !self.is_blank(&self.bytes[start..scan.end]) {
                scans.push(scan);
            }
            start = scan.next;
        }
        scans
    }

    fn is_blank(&self, line: &[u8]) -> bool {
        line.is_empty() || (self.options.trim && line.iter().all(|byte| matches!(byte, b' ' | b'\t')))
    }

    fn find_delimiter(&self, quote: u8) -> u8 {
        let score = |delimiter: u8| {
            let records = self.records(delimiter, quote).into_iter();
            let widths: Vec<usize> = records.filter(|scan| scan.fault.is_none()).map(|scan| scan.width).collect();
            let first = widths.first().copied().filter(|width| *width > 1);
            first.map_or(0, |first| widths.iter().filter(|width| **width == first).count())
        };
        let scored = self.delimiters.iter().rev().map(|delimiter| (score(*delimiter), *delimiter));
        scored.max_by_key(|(score, _)| *score).map_or(b',', |(_, best)| best)
    }

    /// An apostrophe where no field is written in double quotes, and more records are sound with it than not.
    fn find_quote(&self) -> u8 {
        let is_apostrophe = !self.has_quoted(b'"') && check_text(self.bytes).is_ok() && {
            let mut records = self.records(self.find_delimiter(b'\''), b'\'');
            records.retain(|scan| scan.quotes);
            let sound = records.iter().filter(|scan| scan.fault.is_none()).count();
            sound > records.len() - sound
        };
        if is_apostrophe { b'\'' } else { b'"' }
    }

    /// Whether a field is written in quotes, whatever the delimiter is.
    fn has_quoted(&self, quote: u8) -> bool {
        let ends =
            |byte: Option<&u8>| byte.is_none_or(|byte| self.delimiters.contains(byte) || matches!(byte, b'\n' | b'\r'));
        let opens = |position: usize| {
            let before = position.checked_sub(1).and_then(|before| self.bytes.get(before));
            let closes = memchr::memchr(quote, &self.bytes[position + 1..]).map(|length| position + 2 + length);
            ends(before) && closes.is_some_and(|after| ends(self.bytes.get(after)))
        };
        memchr::memchr_iter(quote, self.bytes).any(opens)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Cursor, Read};
    use std::ops::Range;

    use super::*;
    use crate::MemoryInput;

    fn found(text: &str, options: &Options) -> (char, char) {
        let settled = settle(&MemoryInput(text.as_bytes().to_vec()), options).unwrap();
        (char::from(settled.delimiter.unwrap()), char::from(settled.quote.unwrap()))
    }

    #[test]
    fn the_dialect_is_found_where_it_is_not_declared() {
        for (text, delimiter, quote) in [
            ("a,b\n1,2\n", ',', '"'),
            ("a;b\n1,5;2,5\n", ';', '"'),
            ("a\tb\n1,5\t2;3\n", '\t', '"'),
            ("a|b|c\n1|2|3\n", '|', '"'),
            ("a;b,c\n1;2,3\n1;2\n", ';', '"'),
            ("\"a;b\",c\n\"1;2\",3\n", ',', '"'),
            ("a\n1\n", ',', '"'),
            ("a,b\n'1,5',2\n", ',', '\''),
            ("a,b\n'12,5',23456789\n", ',', '\''),
            ("a,b\nit's,that's\n", ',', '"'),
            (&format!("{};b\n1;2\n", "a".repeat(2000)), ';', '"'),
            ("a,b\n1,'tis\n2,rock 'n' roll\n3,'so'\n", ',', '"'),
            ("a,b\n1,'tis,so'\n2,'it''s'\n3,it's\n", ',', '\''),
            ("a,b\n1,'so'\n2,'tis\n", ',', '"'),
            ("a,b\n1,'it''s'\n", ',', '\''),
            ("a,b\n'say,\"hi',2\n'x',3\n", ',', '\''),
            ("a,b\n'say hi\",2',2\n'x',3\n", ',', '\''),
            ("\n\na;b\n1;2\n", ';', '"'),
            ("", ',', '"'),
        ] {
            assert_eq!(found(text, &Options::default()), (delimiter, quote), "{text:?}");
        }
    }

    #[test]
    fn the_mark_of_the_fraction_is_no_delimiter() {
        let comma = Options { decimal: Some(b','), ..Options::default() };
        assert_eq!(found("1,5;2,5\n3,5;4,5\n", &comma), (';', '"'));
        assert_eq!(found("x\n1,5\n2,5\n", &comma), (';', '"'));
        let declared = Options { delimiter: Some(b'\t'), ..comma };
        assert_eq!(found("x,y\n1,2\n", &declared), ('\t', '"'));
    }

    #[test]
    fn lines_of_spaces_tell_nothing_where_they_are_trimmed() {
        let trim = Options { trim: true, ..Options::default() };
        assert_eq!(found(" \t\n1,a\n2,b\n", &trim), (',', '"'));
        assert_eq!(found("\t\n1\ta\n2,5\tb\n", &trim), ('\t', '"'));
        assert_eq!(found(" \t\n1,a\n2,b\n", &Options::default()), ('\t', '"'));
    }

    #[test]
    fn a_record_may_be_longer_than_the_sample() {
        let header = (0..6_000).map(|number| format!("column_{number:05}")).collect::<Vec<_>>().join(";");
        let record = (0..6_000).map(|number| format!("{number},5")).collect::<Vec<_>>().join(";");
        for text in [header.clone(), format!("{header}\n{record}\n"), format!("a,b;c\n{};1\n1;2\n", "x".repeat(80_000))]
        {
            assert_eq!(found(&text, &Options::default()), (';', '"'), "{}", &text[..20]);
        }
    }

    #[test]
    fn no_more_is_looked_at_than_two_records_need() {
        let late = |filler: usize| format!("a,b\n1,'x'\n{},2\n\"y\",3\n", "x".repeat(filler));
        assert_eq!(found(&late(2000), &Options::default()), (',', '"'));
        assert_eq!(found(&late(BYTES), &Options::default()), (',', '\''));
        let long = |length: usize| format!("{}\n1;2\n", "x;".repeat(length / 2));
        assert_eq!(found(&long(SIGHT - 10), &Options::default()), (';', '"'));
        assert_eq!(found(&long(SIGHT + 10), &Options::default()), (',', '"'));
    }

    /// An object that cannot be fetched behind its beginning.
    struct Beginning(Vec<u8>);

    impl Input for Beginning {
        fn length(&self) -> u64 {
            u64::MAX
        }

        fn open(&self, _whole: Range<u64>) -> io::Result<Box<dyn Read + Send>> {
            Ok(Box::new(Cursor::new(self.0.clone())))
        }
    }

    #[test]
    fn what_stands_further_on_is_not_fetched() {
        let input = Beginning("a;b\n1;2\n".repeat(40_000).into_bytes());
        assert_eq!(settle(&input, &Options::default()).unwrap().delimiter, Some(b';'));
        let short = Beginning("a;".repeat(40_000).into_bytes());
        assert!(settle(&short, &Options::default()).is_err(), "one record is not enough");
    }

    #[test]
    fn what_is_declared_holds() {
        let declared = Options { delimiter: Some(b','), quote: Some(b'"'), ..Options::default() };
        assert_eq!(found("a;b\n1;2\n", &declared), (',', '"'));
        let delimiter = Options { delimiter: Some(b','), ..Options::default() };
        assert_eq!(found("a,b\n'1,5',2\n", &delimiter), (',', '\''));
        let json = Options { format: Format::Json, ..Options::default() };
        assert_eq!(settle(&MemoryInput(b"a;b\n".to_vec()), &json).unwrap(), json);
        let preamble = Options { preamble: 1, comment: Some(b'#'), ..Options::default() };
        assert_eq!(found("x,y\n#c,d\na;b\n1;2\n", &preamble), (';', '"'));
    }
}

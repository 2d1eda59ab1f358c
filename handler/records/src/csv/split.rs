//! The walk over a CSV object: its text becomes blocks of records, and its damage is kept where it is.
//!
//! A quote that is lost, or one too many, leaves two readings of the lines around it: what looks like records may be the
//! inside of a quoted field, and the reverse. Nothing that has both readings is accepted:
//!
//! - A quoted field that is never closed, or whose closing quote something else follows, ends with its line. The up to
//!   [`REACH`] records after it are in doubt, until one has a quote that could only open a field (the doubt is over, and
//!   that record is good) or one that closes what was open (the doubt is over after it).
//! - A record with bad quotes that could be the inside of a quoted field puts the up to [`REACH`] records before it in
//!   doubt, back to the last one that has a quote which could only open a field, and with it.
//!
//! - A quoted field with several lines whose closing quote could be an opening one is believed only as long as nothing
//!   contradicts it: where its record, or one within [`REACH`] after it, is damaged, it ends with its line, and is a bad
//!   quote itself. So damage reaches twice as far at most.
//!
//! - A record that does not fit into the window is followed by a [`Scout`] first: a field that is closed further on makes
//!   it one reject, and one that is not ends with its line.
//!
//! It cannot know of a field that has more lines than that which look like records, nor of two lost quotes that make a
//! field of all that is between them.

use std::ops::Range;

use crate::block::{BLOCK_BYTES, BLOCK_RECORDS, BLOCK_VALUES, Block, Field, Span, Split};
use crate::csv::scan::{Dialect, Fault, Inside, Scan, Scanner, count_lines};
use crate::csv::scout::{Scout, Way};
use crate::error::Error;
use crate::passed::Passed;
use crate::text::cut_text;
use crate::window::{LIMIT, MARK, Window};

/// How many records a bad quote may put in doubt, on each side.
pub(crate) const REACH: usize = 16;

/// How far back a bad quote may reach, in bytes.
const REACH_BYTES: usize = if cfg!(fuzzing) { 512 } else { 1024 * 1024 };

/// The most columns that an object may have.
pub(crate) const COLUMNS: usize = 65_535;

/// How far the walk looks from the first record for what another one looks like, in bytes.
pub(crate) const SIGHT: usize = if cfg!(fuzzing) { 512 } else { 1024 * 1024 };

/// The part of a record that is too long which is kept.
const KEPT: usize = if cfg!(fuzzing) { 100 } else { 64 * 1024 };

/// What a record must look like.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    /// The number of its fields.
    pub(crate) width: usize,
    /// Whether fields may be missing at its end.
    pub(crate) ragged: bool,
    /// Whether spaces and tabs around fields are no part of them, so that a line of nothing else is blank.
    pub(crate) trim: bool,
    /// The byte that begins a comment line.
    pub(crate) comment: Option<u8>,
    /// The header, as it is written, where there is one.
    pub(crate) header: Option<Vec<u8>>,
}

/// What is wrong with a record's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) fault: Option<Fault>,
    pub(crate) width: usize,
    /// The line of the damage that puts it in doubt.
    pub(crate) doubt: Option<u64>,
    /// It is longer than a record may be.
    pub(crate) long: bool,
}

/// A record in the head of the object.
pub(crate) struct Peeked<'w> {
    pub(crate) bytes: &'w [u8],
    pub(crate) fields: Vec<Field>,
    pub(crate) scan: Scan,
    /// Where it begins.
    pub(crate) place: Place,
}

/// A record's beginning, to come back to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// The bytes before it since something was last forgotten.
    pub(crate) at: usize,
    line: u64,
    passed: Passed,
}

/// Where the walk stands.
pub(crate) struct Splitter {
    window: Window,
    dialect: Dialect,
    rules: Rules,
    /// Where in the window the next record begins.
    at: usize,
    line: u64,
    before: u64,
    spans: Vec<Span<Shape>>,
    /// Whether each record cannot be the inside of a field.
    anchors: Vec<bool>,
    fields: Vec<Field>,
    /// How many more records are in doubt, and because of which line.
    doubt: Option<(usize, u64)>,
    passed: Passed,
    /// The last record with a field that ends in a quote which could be an opening one.
    ambiguous: Option<Ambiguous>,
    /// Whether the next record's quoted fields must end on their line.
    distrust: bool,
    /// Looks ahead where a record does not fit into the window.
    scout: Option<Scout>,
    /// What it said of the next record.
    way: Option<Way>,
    finished: bool,
}

/// A record to go back to.
#[derive(Debug, Clone, Copy)]
struct Ambiguous {
    /// Its position in the block.
    index: usize,
    line: u64,
    doubt: Option<(usize, u64)>,
    passed: Passed,
}

impl Splitter {
    pub(crate) fn new(window: Window, dialect: Dialect, preamble: u64) -> Result<Self, Error> {
        let mut splitter = Self {
            window,
            dialect,
            rules: Rules { width: COLUMNS + 1, ..Rules::default() },
            at: 0,
            line: 1,
            before: 0,
            spans: Vec::new(),
            anchors: Vec::new(),
            fields: Vec::new(),
            doubt: None,
            passed: Passed::default(),
            ambiguous: None,
            distrust: false,
            scout: None,
            way: None,
            finished: false,
        };
        splitter.pass_preamble(preamble)?;
        Ok(splitter)
    }

    /// Lets a scout look ahead where a record does not fit into the window.
    pub(crate) fn with_scout(self, scout: Scout) -> Self {
        Self { scout: Some(scout), ..self }
    }

    pub(crate) fn rules(&mut self) -> &mut Rules {
        &mut self.rules
    }

    fn pass_preamble(&mut self, lines: u64) -> Result<(), Error> {
        while self.passed.preamble_lines < lines && !self.is_over()? {
            self.skip_line()?;
            self.passed.preamble_lines += 1;
        }
        self.window.consume(std::mem::take(&mut self.at));
        Ok(())
    }

    /// The next record with its fields, for the head of the object. Blank lines and comments are passed over, and forgotten
    /// as long as there is no record to come back to.
    pub(crate) fn peek(&mut self) -> Result<Option<Peeked<'_>>, Error> {
        loop {
            if self.is_over()? {
                return Ok(None);
            }
            let (start, line) = (self.at, self.line);
            let Some(scan) = self.find_record()? else {
                return Err(Error::unreadable(format!("the record at line {line} is longer than {LIMIT} bytes")));
            };
            self.pass(&scan);
            if !self.is_passed_over(start, &scan) {
                let mut fields = std::mem::take(&mut self.fields);
                shift(&mut fields, start);
                let bytes = &self.window.bytes()[start..scan.end];
                let place = Place { at: start, line, passed: self.passed };
                return Ok(Some(Peeked { bytes, fields, scan, place }));
            }
            self.fields.clear();
            if start == 0 {
                self.window.consume(std::mem::take(&mut self.at));
            } else if start > SIGHT {
                return Ok(None);
            }
        }
    }

    /// The next bytes, up to a number of them, and whether the object ends with them.
    pub(crate) fn sample(&mut self, length: usize) -> Result<(&[u8], bool), Error> {
        while self.window.bytes().len() - self.at < length && !self.window.is_over() {
            self.window.fill()?;
        }
        let rest = &self.window.bytes()[self.at..];
        Ok((&rest[..rest.len().min(length)], self.window.is_over() && rest.len() <= length))
    }

    /// Goes back to a record that was peeked at; nothing since then is forgotten.
    pub(crate) fn reset(&mut self, Place { at, line, passed }: Place) {
        (self.at, self.line, self.passed) = (at, line, passed);
    }

    /// Whether nothing follows; what was read may end before that shows.
    fn is_over(&mut self) -> Result<bool, Error> {
        Ok(self.peek_byte()?.is_none())
    }

    /// Finds the next record, reading on as needed, and appends its fields. `None` when it is too long.
    fn find_record(&mut self) -> Result<Option<Scan>, Error> {
        let found = self.scan(if self.distrust { self.at } else { usize::MAX })?;
        if found.is_some() || self.distrust || self.is_comment()? {
            return Ok(found);
        }
        let Some(broken) = self.look_ahead()? else { return Ok(None) };
        let found = self.scan(broken)?;
        self.way = self.way.filter(|_| found.is_none());
        Ok(found)
    }

    /// Finds the next record, where quotes are trusted up to a place.
    fn scan(&mut self, trusted: usize) -> Result<Option<Scan>, Error> {
        let comment = self.is_comment()?;
        let mut fields = std::mem::take(&mut self.fields);
        let kept = fields.len();
        let found = loop {
            let scanner = Scanner { trusted, ..self.scanner() };
            let scan = if comment { scanner.scan_line(self.at) } else { scanner.scan(self.at, &mut fields) };
            // Two bytes more are enough to know of the end of every record that is not too long.
            if scan.is_some() || self.window.bytes().len() - self.at > LIMIT + 1 {
                break scan.filter(|scan| scan.end - self.at <= LIMIT);
            }
            self.window.fill()?;
        };
        if found.is_none() {
            fields.truncate(kept);
        }
        self.fields = fields;
        Ok(found)
    }

    /// Asks the scout, once, how the record at hand goes on, which is too long or seems to be. Says where in the window a
    /// quoted field begins that is not closed.
    fn look_ahead(&mut self) -> Result<Option<usize>, Error> {
        let start = self.window.offset() + self.at as u64;
        if let (None, Some(scout)) = (self.way, &mut self.scout) {
            self.way = scout.follow(start)?;
        }
        let Some(Way::Breaks(field)) = self.way else { return Ok(None) };
        let length = usize::try_from(field - start).unwrap_or(usize::MAX);
        Ok((length <= LIMIT).then(|| self.at + length))
    }

    fn is_comment(&mut self) -> Result<bool, Error> {
        let next = self.peek_byte()?;
        Ok(self.rules.comment.is_some() && self.rules.comment == next)
    }

    fn peek_byte(&mut self) -> Result<Option<u8>, Error> {
        while self.at == self.window.bytes().len() && !self.window.is_over() {
            self.window.fill()?;
        }
        Ok(self.window.bytes().get(self.at).copied())
    }

    fn scanner(&self) -> Scanner<'_> {
        Scanner {
            bytes: self.window.bytes(),
            over: self.window.is_over(),
            dialect: self.dialect,
            keep: self.rules.width,
            trusted: usize::MAX,
        }
    }

    fn pass(&mut self, scan: &Scan) {
        self.line += if scan.quotes { count_lines(&self.window.bytes()[self.at..scan.next]) } else { 1 };
        self.at = scan.next;
    }

    /// Counts a record that is none.
    fn is_passed_over(&mut self, start: usize, scan: &Scan) -> bool {
        let bytes = &self.window.bytes()[start..scan.end];
        let spaces = || scan.width == 1 && bytes.iter().all(|byte| matches!(byte, b' ' | b'\t'));
        let counter = match (bytes.first(), &self.rules.header) {
            (None, _) => &mut self.passed.blank_lines,
            _ if self.rules.trim && spaces() => &mut self.passed.blank_lines,
            (first, _) if self.rules.comment.is_some() && first == self.rules.comment.as_ref() => {
                &mut self.passed.comment_lines
            }
            // Where files are joined, a header has the mark of its own file before it.
            (_, Some(header)) if bytes.strip_prefix(MARK).unwrap_or(bytes) == header => {
                &mut self.passed.repeated_headers
            }
            _ => return false,
        };
        *counter += 1;
        true
    }

    /// Takes the next record; says no when it is too long to be taken here.
    fn take(&mut self) -> Result<bool, Error> {
        let (start, line, kept) = (self.at, self.line, self.fields.len());
        let Some(scan) = self.find_record()? else { return Ok(false) };
        self.pass(&scan);
        if self.is_passed_over(start, &scan) {
            self.fields.truncate(kept);
            return Ok(true);
        }
        if scan.ambiguous && (scan.fault.is_some() || !self.fits(scan.width)) {
            (self.at, self.line, self.distrust) = (start, line, true);
            self.fields.truncate(kept);
            return Ok(true);
        }
        self.distrust = false;
        let inside = if scan.quotes { self.scanner().look_inside(start, scan.end) } else { Inside::Possible };
        if scan.fault.is_some() && inside != Inside::Impossible {
            self.fields.truncate(kept);
            if self.doubt_before(start, line) {
                return Ok(true);
            }
        }
        self.append((start, line, kept), &scan, inside);
        Ok(true)
    }

    /// Appends a record, whose fields are those behind the `kept` ones, if they are.
    fn append(&mut self, (start, line, kept): (usize, u64, usize), scan: &Scan, inside: Inside) {
        if scan.ambiguous {
            let index = self.spans.len();
            self.ambiguous = Some(Ambiguous { index, line, doubt: self.doubt, passed: self.passed });
        }
        let doubt = self.weigh(scan.fault, inside, line);
        let sound = scan.fault.is_none() && doubt.is_none() && self.fits(scan.width);
        if sound {
            self.pad(scan);
        } else {
            self.fields.truncate(kept);
        }
        self.anchors.push(inside == Inside::Impossible);
        let shape = Shape { fault: scan.fault, width: scan.width, doubt, long: false };
        self.spans.push(Span { start, end: scan.end, line, fault: (!sound).then_some(shape) });
    }

    /// Whether a record may have so many fields.
    fn fits(&self, width: usize) -> bool {
        width == self.rules.width || (self.rules.ragged && width < self.rules.width)
    }

    /// The fields that a ragged record does not have are missing.
    fn pad(&mut self, scan: &Scan) {
        let end = u32::try_from(scan.end).unwrap_or(u32::MAX);
        let missing = self.rules.width.saturating_sub(scan.width);
        self.fields.extend(std::iter::repeat_n(Field { start: end, end, missing: true, ..Field::default() }, missing));
    }

    /// Whether a record is in doubt because of damage before it, and whether the doubt goes on after it.
    fn weigh(&mut self, fault: Option<Fault>, inside: Inside, line: u64) -> Option<u64> {
        let settling = if fault.is_some() { Inside::Closes } else { Inside::Impossible };
        let doubt = self.doubt.take().filter(|_| inside != settling);
        self.doubt = match fault {
            Some(Fault::Open(_)) => Some((REACH, line)),
            _ => doubt.and_then(pass_on),
        };
        doubt.filter(|_| fault.is_none()).map(|(_, cause)| cause)
    }

    /// Puts the records before in doubt, because of the one that begins at `start`. Says whether the walk went back to one
    /// of them instead, to read it anew.
    fn doubt_before(&mut self, start: usize, line: u64) -> bool {
        let first = self.spans.len().saturating_sub(REACH);
        for index in (first..self.spans.len()).rev() {
            if self.spans[index].start + REACH_BYTES < start {
                break;
            }
            if let Some(ambiguous) = self.ambiguous.take_if(|ambiguous| ambiguous.index == index) {
                self.go_back(ambiguous);
                return true;
            }
            self.reject_sound(index, line);
            if self.anchors[index] {
                break;
            }
        }
        false
    }

    /// Goes back to a record whose quotes are not believed any more.
    fn go_back(&mut self, to: Ambiguous) {
        let Ambiguous { index, line, doubt, passed } = to;
        self.at = self.spans[index].start;
        (self.line, self.doubt, self.passed, self.distrust) = (line, doubt, passed, true);
        self.fields.truncate(self.find_fields(index));
        self.spans.truncate(index);
        self.anchors.truncate(index);
    }

    /// Takes a record back that was sound, with its fields.
    fn reject_sound(&mut self, index: usize, line: u64) {
        if self.spans[index].fault.is_some() {
            return;
        }
        let (from, width) = (self.find_fields(index), self.rules.width);
        self.fields.drain(from..from + width);
        self.spans[index].fault = Some(Shape { fault: None, width, doubt: Some(line), long: false });
    }

    /// Where the fields of a record begin, and of those behind it, which are few.
    fn find_fields(&self, index: usize) -> usize {
        self.fields.len() - self.count_sound(index..self.spans.len()) * self.rules.width
    }

    fn count_sound(&self, range: Range<usize>) -> usize {
        self.spans[range].iter().filter(|span| span.fault.is_none()).count()
    }

    /// The records that nothing that follows can put in doubt, not even if the walk goes back to one of those before it.
    fn count_ready(&self) -> usize {
        let far = self.spans.partition_point(|span| span.start + 2 * REACH_BYTES < self.at);
        far.max(self.spans.len().saturating_sub(2 * REACH))
    }

    /// Whether there is enough for a block besides the records that may still be put in doubt.
    fn is_full(&self) -> bool {
        let values = BLOCK_VALUES + 2 * REACH * self.rules.width;
        self.at >= BLOCK_BYTES || self.spans.len() >= BLOCK_RECORDS + 2 * REACH || self.fields.len() >= values
    }

    /// Hands the first `count` records over, with the text up to the next one.
    fn cut(&mut self, count: usize) -> Block<Shape> {
        let length = self.spans.get(count).map_or(self.at, |span| span.start);
        let kept = self.count_sound(0..count) * self.rules.width;
        let (mut fields, mut spans) = (self.fields.split_off(kept), self.spans.split_off(count));
        std::mem::swap(&mut fields, &mut self.fields);
        std::mem::swap(&mut spans, &mut self.spans);
        self.anchors.drain(..count);
        self.ambiguous = self.ambiguous.and_then(|last| {
            let index = last.index.checked_sub(count)?;
            Some(Ambiguous { index, ..last })
        });
        shift(&mut self.fields, length);
        for span in &mut self.spans {
            (span.start, span.end) = (span.start - length, span.end - length);
        }
        let (offset, before) = (self.window.offset(), self.before);
        let text = self.window.bytes()[..length].to_vec();
        self.window.consume(length);
        self.at -= length;
        self.before += count as u64;
        Block { text, offset, before, spans, fields, passed: self.passed }
    }

    /// Takes a record that is too long, by itself: only its beginning is kept.
    fn take_long(&mut self) -> Result<Block<Shape>, Error> {
        self.window.consume(std::mem::take(&mut self.at));
        let mut text = cut_text(self.window.bytes(), KEPT).to_vec();
        let (offset, before, line) = (self.window.offset(), self.before, self.line);
        match self.way.take() {
            Some(Way::Ends(next)) => self.skip_to(next)?,
            Some(Way::Breaks(field)) => {
                self.skip_to(field)?;
                self.doubt = Some((REACH, self.line));
                self.skip_line()?;
            }
            None => {
                let comment = self.is_comment()?;
                let doubt = self.doubt.and_then(pass_on);
                let quoted = self.skip_line()?;
                if !comment {
                    self.doubt = if quoted { Some((REACH, line)) } else { doubt };
                }
            }
        }
        self.before += 1;
        let passed = self.window.offset() + self.at as u64 - offset;
        text.truncate(usize::try_from(passed).unwrap_or(usize::MAX));
        let shape = Shape { fault: None, width: 0, doubt: None, long: true };
        let spans = vec![Span { start: 0, end: text.len(), line, fault: Some(shape) }];
        Ok(Block { text, offset, before, spans, fields: Vec::new(), passed: self.passed })
    }

    /// Passes over all that is before a place in the object.
    fn skip_to(&mut self, place: u64) -> Result<(), Error> {
        while self.window.offset() < place && self.peek_byte()?.is_some() {
            let left = usize::try_from(place - self.window.offset()).unwrap_or(usize::MAX);
            let bytes = self.window.bytes();
            // What may be a part of a line end stays: a line feed may follow a carriage return.
            let cut = left > bytes.len() && !self.window.is_over();
            let kept = if bytes.ends_with(b"\r\n") { 2 } else { 1 };
            let count = if cut { bytes.len() - kept } else { left.min(bytes.len()) };
            self.line += count_lines(&bytes[..count]);
            self.window.consume(count);
            if self.window.offset() < place {
                self.window.fill()?;
            }
        }
        Ok(())
    }

    /// Passes over the line at hand, however long it is; says whether there is a quote in it.
    fn skip_line(&mut self) -> Result<bool, Error> {
        self.window.consume(std::mem::take(&mut self.at));
        let mut quoted = false;
        loop {
            let has_quote = |bytes: &[u8]| memchr::memchr(self.dialect.quote, bytes).is_some();
            if let Some(scan) = self.scanner().scan_line(0) {
                quoted |= has_quote(&self.window.bytes()[..scan.end]);
                self.pass(&scan);
                return Ok(quoted);
            }
            // A carriage return at the end stays: its line feed may follow.
            let count = self.window.bytes().len().saturating_sub(1);
            quoted |= has_quote(&self.window.bytes()[..count]);
            self.window.consume(count);
            self.window.fill()?;
        }
    }
}

/// What is left of a doubt behind a record.
fn pass_on((left, cause): (usize, u64)) -> Option<(usize, u64)> {
    (left > 1).then(|| (left - 1, cause))
}

/// Counts the fields' positions from a later place on.
fn shift(fields: &mut [Field], by: usize) {
    let by = u32::try_from(by).unwrap_or(u32::MAX);
    for field in fields {
        (field.start, field.end) = (field.start - by, field.end - by);
    }
}

impl Split for Splitter {
    type Fault = Shape;

    fn next_block(&mut self) -> Result<Option<Block<Shape>>, Error> {
        while !self.is_over()? {
            if self.is_full() {
                let ready = self.count_ready();
                if ready > 0 {
                    return Ok(Some(self.cut(ready)));
                }
                if self.spans.is_empty() {
                    self.window.consume(std::mem::take(&mut self.at));
                }
            }
            if !self.take()? {
                let block = if self.spans.is_empty() { self.take_long()? } else { self.cut(self.spans.len()) };
                return Ok(Some(block));
            }
        }
        let first = !std::mem::replace(&mut self.finished, true);
        Ok(first.then(|| self.cut(self.spans.len())))
    }
}

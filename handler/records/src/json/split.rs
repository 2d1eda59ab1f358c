//! The walk over a JSON object: lines, the elements of one array, or values that follow each other.
//!
//! A damaged element of an array ends where its brackets do, when they agree with each other on one line; else behind a
//! closing brace that begins its line and that nothing opened, or with the last line on which it was sound. A damaged value
//! of those that follow each other ends behind the next brace that an object follows, or with its line. The lines after it
//! that stand further to the right than records do are its rest. So are sound elements behind it, if what then comes shows
//! that they stand in something: until that is settled they are in doubt, but for those behind an element whose brackets
//! agree and are no more than one pair. Where values follow each other that needs no doubt: no comma follows a record, and
//! no bracket.

use memchr::{memchr, memchr_iter, memrchr};

use super::brackets::{Brackets, Goes};
use super::damage::{
    Behind, Measured, ends_with_brace, find_parting, goes_on, is_blank, is_in_number, look_behind, measure,
};
use super::scan::{Entry, Stop, is_space, scan};
use crate::block::{BLOCK_BYTES, Block, Span, Split, block_records};
use crate::error::Error;
use crate::input::Input;
use crate::options::Options;
use crate::passed::Passed;
use crate::text::cut_text;
use crate::window::{LIMIT, Window};

/// The part of a record that is too long which is kept.
const KEPT: usize = if cfg!(fuzzing) { 100 } else { 64 * 1024 };

/// How many sound values behind a damaged element are in doubt.
const DOUBTFUL: usize = 16;

/// How many records, and how many bytes, the first value in doubt is kept from being handed over, at most.
const DOUBTFUL_RECORDS: usize = 64;
const DOUBTFUL_BYTES: u64 = if cfg!(fuzzing) { 128 } else { 1024 * 1024 };

/// Why a record is none, before it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is longer than a record may be.
    Long,
    /// It is a line of the damaged record that begins at this line.
    Rest(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Lines,
    Concatenated,
    Array,
    Over,
}

/// What stands between two records, besides whitespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Between {
    /// Nothing, or nothing that matters.
    Nothing,
    /// A sound element of an array, with its comma still to come.
    Element,
    /// The comma behind a sound element.
    Comma,
    /// The comma behind a damaged one.
    LooseComma,
}

/// The values that may be parts of the damaged element before them.
#[derive(Debug, Clone, Copy)]
struct Doubt {
    /// The first of the block's records that is one of them.
    first: usize,
    /// Where it stands in the object.
    offset: u64,
}

/// Where the walk stands.
pub(crate) struct Splitter {
    /// How many records are handed over at once, at most.
    block_records: usize,
    window: Window,
    shape: Shape,
    /// Where in the window the walk stands.
    at: usize,
    line: u64,
    before: u64,
    spans: Vec<Span<Fault>>,
    /// Where the current line begins in the object.
    line_offset: u64,
    /// Whether nothing but whitespace stands before the walk on its line.
    fresh: bool,
    /// How far from the beginning of its line a record begins that is the first thing on its line, or else its closing brace
    /// is: the last sound one, but for the first one behind damage, which may be a part of that.
    indent: Option<u64>,
    /// The line on which the damaged record began whose end is not found yet.
    damage: Option<u64>,
    /// What may be a part of it.
    doubt: Option<Doubt>,
    /// How many sound values came since the last damage.
    sound: usize,
    /// Whether the last record is damaged and may have swallowed the end of the array.
    swallowed: bool,
    /// What stands before the walk since the last record.
    between: Between,
    passed: Passed,
    finished: bool,
}

/// A record in the window.
struct Found {
    end: usize,
    fault: Option<Fault>,
}

impl Splitter {
    /// Opens the object, whose records become rows of so many columns; its first byte tells whether it is one array.
    pub(crate) fn open(input: &dyn Input, options: &Options, columns: usize) -> Result<Self, Error> {
        let window = Window::open(input, options)?;
        let mut splitter = Self {
            block_records: block_records(columns),
            line_offset: window.offset(),
            window,
            shape: if options.concatenated { Shape::Concatenated } else { Shape::Lines },
            at: 0,
            line: 1,
            before: 0,
            spans: Vec::new(),
            fresh: true,
            indent: None,
            damage: None,
            doubt: None,
            sound: 0,
            swallowed: false,
            between: Between::Nothing,
            passed: Passed::default(),
            finished: false,
        };
        if splitter.skip_space()? == Some(b'[') && !options.concatenated {
            splitter.advance(splitter.at + 1);
            splitter.shape = Shape::Array;
            if splitter.skip_space()? == Some(b']') && splitter.ends_array()? {
                splitter.close();
            }
        }
        Ok(splitter)
    }

    fn bytes(&self) -> &[u8] {
        self.window.bytes()
    }

    /// Passes over whitespace, and says what follows; nothing at the end, and nothing yet where the records before must
    /// be handed over first: they would have to be kept however long the whitespace is.
    fn skip_space(&mut self) -> Result<Option<u8>, Error> {
        loop {
            let rest = &self.bytes()[self.at..];
            let length = rest.iter().position(|byte| !is_space(*byte));
            let (next, count) = (length.map(|length| rest[length]), length.unwrap_or(rest.len()));
            let line = self.line;
            self.advance(self.at + count);
            if self.shape == Shape::Lines {
                self.passed.blank_lines += self.line - line;
            }
            if next.is_some() || self.window.is_over() {
                return Ok(next);
            }
            if self.spans.is_empty() {
                self.window.consume(std::mem::take(&mut self.at));
            } else if self.is_full() {
                return Ok(None);
            }
            self.window.fill()?;
        }
    }

    /// Whether there are records enough for a block. Those in doubt are not parted from what may tell what they are.
    fn is_full(&self) -> bool {
        if self.doubt.is_some() {
            return self.is_far();
        }
        self.spans.len() >= self.block_records || self.at >= BLOCK_BYTES
    }

    /// Whether nothing follows at all.
    fn is_over(&self) -> bool {
        self.window.is_over() && self.at == self.bytes().len()
    }

    fn advance(&mut self, to: usize) {
        let passed = &self.bytes()[self.at..to];
        if let Some(last) = memrchr(b'\n', passed) {
            let fresh = is_blank(&passed[last..]);
            let lines = memchr_iter(b'\n', passed).count() as u64;
            self.line_offset = self.offset() + last as u64 + 1;
            (self.fresh, self.line) = (fresh, self.line + lines);
        } else {
            self.fresh &= is_blank(passed);
        }
        self.at = to;
    }

    /// Takes the next record; says no when it is too long to be taken here, at the end, and where those before must be
    /// handed over first.
    fn take(&mut self) -> Result<bool, Error> {
        if !self.go_to_record()? {
            return Ok(false);
        }
        if self.is_far() {
            self.doubt = None;
        }
        if self.sound >= DOUBTFUL {
            (self.doubt, self.damage) = (None, None);
        }
        let (start, line) = (self.at, self.line);
        let found = match self.shape {
            Shape::Lines => self.find_line()?,
            _ => self.find_value()?,
        };
        let Some(Found { end, fault }) = found else { return Ok(false) };
        let bytes = &self.bytes()[start..end];
        let length = bytes.iter().rposition(|byte| !is_space(*byte)).map_or(0, |last| last + 1);
        self.swallowed = self.damage.is_some() && bytes[..length].ends_with(b"]");
        self.spans.push(Span { start, end: start + length, line, fault });
        let sound = self.shape == Shape::Array && self.damage.is_none();
        self.between = if sound { Between::Element } else { Between::Nothing };
        Ok(true)
    }

    /// Goes to where the next record begins, if there is one and those before need not be handed over first.
    fn go_to_record(&mut self) -> Result<bool, Error> {
        if self.between == Between::Element && !self.pass_separator()? {
            return Ok(false);
        }
        let mut next = self.skip_space()?;
        if self.shape == Shape::Array && self.damage.is_some() && !self.is_rest() {
            // The comma after a damaged record may stand before the next one.
            if next == Some(b',') && self.between != Between::LooseComma {
                self.between = Between::LooseComma;
                self.advance(self.at + 1);
                next = self.skip_space()?;
            }
            if next == Some(b']') && self.ends_array()? {
                self.close();
                next = self.skip_space()?;
            }
        }
        match (self.shape, next) {
            (_, None) => {
                if self.is_over() {
                    self.end()?;
                }
                Ok(false)
            }
            (Shape::Over, Some(_)) => Err(Error::unreadable("something follows the JSON array")),
            (_, Some(b']')) if self.between == Between::Comma && self.ends_array()? => {
                Err(Error::unreadable("the JSON array ends after a comma"))
            }
            _ => Ok(true),
        }
    }

    /// Whether the bracket on which the walk stands is taken for the end of the array, not for damage: nothing follows, or
    /// another array, or others of its line would be lost with it.
    fn ends_array(&mut self) -> Result<bool, Error> {
        let Some((next, byte)) = self.find_solid(self.at + 1)? else { return Ok(true) };
        if byte == b'[' && matches!(self.find_solid(next + 1)?, None | Some((_, b'{' | b']'))) {
            return Ok(true);
        }
        if self.damage.is_some() {
            return Ok(false);
        }
        let Some(end) = self.find_line_end(self.at)? else { return Ok(true) };
        Ok(self.find_solid(end)?.is_none())
    }

    /// The first byte from a position on that is no whitespace, and where it is, if that is not too far away.
    fn find_solid(&mut self, from: usize) -> Result<Option<(usize, u8)>, Error> {
        loop {
            let rest = &self.bytes()[from..];
            match rest.iter().position(|byte| !is_space(*byte)) {
                Some(length) => return Ok(Some((from + length, rest[length])).filter(|(at, _)| at - self.at <= LIMIT)),
                None if self.window.is_over() || self.is_long() => return Ok(None),
                None => self.window.fill()?,
            }
        }
    }

    /// Whether the walk is too far from the first value in doubt for telling what that is.
    fn is_far(&self) -> bool {
        self.doubt.is_some_and(|doubt| {
            self.spans.len() - doubt.first >= DOUBTFUL_RECORDS || self.offset() - doubt.offset > DOUBTFUL_BYTES
        })
    }

    /// The values in doubt are parts of the damaged record, as it goes on behind them.
    fn disbelieve(&mut self) {
        if let (Some(doubt), Some(line)) = (self.doubt.take(), self.damage) {
            for span in &mut self.spans[doubt.first..] {
                span.fault = span.fault.or(Some(Fault::Rest(line)));
            }
        }
    }

    /// A sound object ends the damage before it; in an array only if it turns out to be no part of what is damaged.
    fn end_damage(&mut self, end: usize) {
        let in_doubt = self.shape == Shape::Array && self.damage.is_some();
        if !(in_doubt && self.sound == 0) {
            self.indent = self.find_indent(end).or(self.indent);
        }
        if in_doubt {
            let doubt = Doubt { first: self.spans.len(), offset: self.offset() };
            self.doubt = self.doubt.or(Some(doubt));
            self.sound += 1;
        } else {
            self.damage = None;
        }
    }

    /// Takes the end of the object for the end of its records, if that is what it is.
    fn end(&mut self) -> Result<(), Error> {
        if self.shape == Shape::Array && !self.swallowed {
            return Err(Error::unreadable("the JSON array is not closed"));
        }
        self.shape = Shape::Over;
        Ok(())
    }

    /// Whether the walk stands on a line that belongs to the damaged record before it.
    fn is_rest(&self) -> bool {
        self.fresh && self.damage.is_some() && self.indent.is_some_and(|indent| self.column() > indent)
    }

    /// How far the record up to `end` is indented, if it begins its line, or its last byte does.
    fn find_indent(&self, end: usize) -> Option<u64> {
        if self.fresh {
            return Some(self.column());
        }
        let last = end - 1;
        let line = memrchr(b'\n', &self.bytes()[self.at..last]).map(|length| self.at + length + 1)?;
        is_blank(&self.bytes()[line..last]).then_some((last - line) as u64)
    }

    /// How far the walk is from the beginning of its line.
    fn column(&self) -> u64 {
        self.offset() - self.line_offset
    }

    fn offset(&self) -> u64 {
        self.window.offset() + self.at as u64
    }

    fn find_line(&mut self) -> Result<Option<Found>, Error> {
        let Some(end) = self.find_line_end(self.at)? else { return Ok(None) };
        if end < self.bytes().len() {
            // Its end is the only line end in it.
            self.at = end + 1;
            (self.line, self.line_offset, self.fresh) = (self.line + 1, self.offset(), true);
        } else {
            self.advance(end);
        }
        Ok(Some(Found { end, fault: None }))
    }

    /// Where the line ends; `None` when that is too far away.
    fn find_line_end(&mut self, from: usize) -> Result<Option<usize>, Error> {
        self.find_end(from, |rest| memchr(b'\n', rest))
    }

    /// Where a search finds an end, or else the object has its own; `None` when that is too far away.
    fn find_end(&mut self, from: usize, search: fn(&[u8]) -> Option<usize>) -> Result<Option<usize>, Error> {
        loop {
            let found = search(&self.bytes()[from..]).map(|length| from + length);
            let end = found.or(self.window.is_over().then_some(self.bytes().len()));
            if end.is_some() || self.is_long() {
                return Ok(end.filter(|end| end - self.at <= LIMIT));
            }
            self.window.fill()?;
        }
    }

    fn is_long(&self) -> bool {
        self.bytes().len() - self.at > LIMIT
    }

    /// The next element of the array, or the next value.
    fn find_value(&mut self) -> Result<Option<Found>, Error> {
        if let Some(line) = self.damage.filter(|_| self.is_rest()) {
            let Some(end) = self.find_damaged_end(self.at)? else { return Ok(None) };
            self.advance(end);
            return Ok(Some(Found { end, fault: Some(Fault::Rest(line)) }));
        }
        let mut entries = Vec::new();
        loop {
            match scan(self.bytes(), self.at, &mut entries) {
                Ok(end) if end - self.at > LIMIT => return Ok(None),
                // A number may go on.
                Ok(end) if end == self.bytes().len() && !self.window.is_over() => self.window.fill()?,
                Ok(end) => {
                    if let Some(colon) = self.find_other_key(end, &entries)? {
                        self.disbelieve();
                        return self.end_damaged(colon);
                    }
                    let empty = entries.is_empty();
                    if let Some(wrong) = self.find_what_follows(end, empty)? {
                        if self.bytes().get(wrong) == Some(&b'}') {
                            self.disbelieve();
                        }
                        return self.end_damaged(wrong);
                    }
                    // Any other value may be a part of what is damaged.
                    if self.bytes()[self.at] == b'{' {
                        self.end_damage(end);
                    }
                    self.advance(end);
                    return Ok(Some(Found { end, fault: None }));
                }
                Err(Stop::Damage { at, .. }) if at - self.at <= LIMIT => return self.end_damaged(at),
                Err(_) if self.is_long() => return Ok(None),
                Err(Stop::Unfinished) if self.window.is_over() => {
                    let end = self.bytes().len();
                    return self.end_damaged(end);
                }
                Err(_) => self.window.fill()?,
            }
        }
    }

    /// Where a colon stands behind an object and a key that it does not have: it goes on there, if not another one begins.
    /// With a key that it has it cannot go on.
    fn find_other_key(&mut self, end: usize, entries: &[Entry]) -> Result<Option<usize>, Error> {
        if self.bytes()[self.at] != b'{' {
            return Ok(None);
        }
        loop {
            let bytes = self.bytes();
            match look_behind(&bytes[end..]) {
                Behind::Key(key) => {
                    let key = end + key.start..end + key.end;
                    let is_own = entries.iter().any(|own| bytes[own.key.0..own.key.1] == bytes[key.clone()]);
                    let colon = memchr(b':', &bytes[key.end..]).map(|length| key.end + length);
                    return Ok(colon.filter(|colon| !is_own && colon - self.at <= LIMIT));
                }
                Behind::Unfinished if !self.window.is_over() && !self.is_long() => self.window.fill()?,
                Behind::Other | Behind::Unfinished => return Ok(None),
            }
        }
    }

    /// Where something stands behind a value that must not stand there. An object that is empty has been one of more, if it
    /// is not parted from what follows.
    fn find_what_follows(&mut self, end: usize, empty: bool) -> Result<Option<usize>, Error> {
        let (array, limit) = (self.shape == Shape::Array, self.at + LIMIT);
        loop {
            let rest = &self.bytes()[end..];
            match rest.iter().position(|byte| !is_space(*byte)) {
                Some(length) if end + length <= limit => {
                    let next = rest[length];
                    let right = match (array, length) {
                        (true, _) => matches!(next, b',' | b']'),
                        (false, 0) if empty => matches!(next, b'{' | b'['),
                        (false, 0) => !goes_on(next) && !is_in_number(next),
                        _ => !goes_on(next),
                    };
                    return Ok((!right).then_some(end + length));
                }
                None if !self.window.is_over() && !self.is_long() => self.window.fill()?,
                // An element that so much whitespace follows, or nothing, is too long.
                _ => return Ok(array.then_some(limit.min(self.bytes().len()))),
            }
        }
    }

    /// Ends a record that is damaged at a position.
    fn end_damaged(&mut self, at: usize) -> Result<Option<Found>, Error> {
        let (line, begins) = (self.line, self.bytes().get(self.at).copied());
        let from = self.find_last_own(at);
        let element = matches!(begins, Some(b'{' | b'[' | b','));
        if !element {
            self.disbelieve();
        }
        if self.shape == Shape::Concatenated && self.fresh && self.damage.is_none() && element {
            // No value is in doubt there: it is behind a sound one, or the first.
            self.indent = Some(self.column());
        }
        let measured = match begins {
            Some(b'{' | b'[' | b',') => true,
            // A key whose object has lost its brace, or a byte for which there is no element.
            Some(b'"') => self.bytes().get(at) == Some(&b':'),
            byte => at == self.at && !matches!(byte, Some(b']' | b'}')),
        };
        let agreed = if measured && self.shape == Shape::Array { self.find_agreeing_end(from)? } else { None };
        if let Some((end, false)) = agreed.filter(|_| element) {
            self.advance(end);
            return Ok(Some(Found { end, fault: None }));
        }
        let end = match agreed {
            Some((end, _)) => Some(end),
            None if self.shape == Shape::Array && ends_with_brace(&self.bytes()[self.at..], at - self.at) => {
                Some(at + 1)
            }
            None => self.find_damaged_end(from)?,
        };
        let Some(end) = end else { return Ok(None) };
        let again = self.damage.filter(|_| !element || self.doubt.is_some());
        (self.damage, self.sound) = (again.or(Some(line)), 0);
        self.advance(end);
        Ok(Some(Found { end, fault: None }))
    }

    /// Where what is damaged ends that goes on at `from`: with its line, if no object is sure to follow it there.
    fn find_damaged_end(&mut self, from: usize) -> Result<Option<usize>, Error> {
        if self.shape == Shape::Concatenated { self.find_end(from, find_parting) } else { self.find_line_end(from) }
    }

    /// The last byte up to `at`, where a record is damaged, that is its own: what stands first on its line belongs to the
    /// next one, but for what can only go on with this one. An array in the array is no record, and may have taken others.
    fn find_last_own(&self, at: usize) -> usize {
        let bytes = self.bytes();
        if self.shape == Shape::Array && bytes.get(self.at) == Some(&b'[') {
            return self.at;
        }
        let last = bytes[self.at..at].iter().rposition(|byte| !is_space(*byte)).map_or(self.at, |last| self.at + last);
        let own = match bytes.get(at) {
            Some(b':' | b'}') => true,
            byte => self.shape == Shape::Concatenated && byte.is_some_and(|byte| goes_on(*byte)),
        };
        if own || memchr(b'\n', &bytes[last..at]).is_none() { at } else { last }
    }

    /// Where a damaged element ends whose brackets agree before the line ends that goes on at `from`, and whether there are
    /// so many that they may do so by chance. The rest of that line is not looked at: all other elements may stand there.
    fn find_agreeing_end(&mut self, from: usize) -> Result<Option<(usize, bool)>, Error> {
        loop {
            match measure(&self.bytes()[self.at..], from - self.at) {
                Measured::End { length, nested } => {
                    return Ok(Some((self.at + length, nested)).filter(|_| length <= LIMIT));
                }
                Measured::Unfinished if !self.window.is_over() && !self.is_long() => self.window.fill()?,
                Measured::Nowhere | Measured::Unfinished => return Ok(None),
            }
        }
    }

    /// Passes over the comma after an element, or over the end of the array; says no where the records before must be
    /// handed over first.
    fn pass_separator(&mut self) -> Result<bool, Error> {
        let separator = self.skip_space()?;
        if separator == Some(b']') {
            self.between = Between::Nothing;
            if self.ends_array()? {
                self.close();
            }
        } else if separator.is_some() {
            self.advance(self.at + 1);
            self.between = Between::Comma;
        }
        Ok(separator.is_some() || self.is_over())
    }

    /// Passes over the end of the array. Nothing but whitespace may follow, so that no record is passed over.
    fn close(&mut self) {
        self.advance(self.at + 1);
        (self.shape, self.between) = (Shape::Over, Between::Nothing);
    }

    /// Hands the records over, with their text.
    fn cut(&mut self) -> Block<Fault> {
        let length = self.at;
        let (offset, before) = (self.window.offset(), self.before);
        let text = self.bytes()[..length].to_vec();
        let spans = std::mem::take(&mut self.spans);
        self.doubt = None;
        self.window.consume(length);
        self.at = 0;
        self.before += spans.len() as u64;
        Block { text, offset, before, spans, fields: Vec::new(), passed: self.passed }
    }

    /// Takes a record that is too long, by itself: only its beginning is kept.
    fn take_long(&mut self) -> Result<Block<Fault>, Error> {
        self.window.consume(std::mem::take(&mut self.at));
        let mut text = cut_text(self.bytes(), KEPT).to_vec();
        let (offset, before, line) = (self.window.offset(), self.before, self.line);
        let sound = self.pass_long()? && self.find_what_follows(self.at, false)?.is_none();
        // Of what is open for too long only a line is taken, which may be short.
        let length = usize::try_from(self.window.offset() - offset).unwrap_or(usize::MAX);
        text.truncate(length);
        self.before += 1;
        let (array, lines) = (self.shape == Shape::Array, self.shape == Shape::Lines);
        self.between = if sound && array { Between::Element } else { Between::Nothing };
        (self.damage, self.sound) = ((!sound && !lines).then_some(line), 0);
        let spans = vec![Span { start: 0, end: text.len(), line, fault: (length > LIMIT).then_some(Fault::Long) }];
        Ok(Block { text, offset, before, spans, fields: Vec::new(), passed: self.passed })
    }

    /// Passes over a record that is too long, and says whether that is up to its own end. Where it is damaged, or no object,
    /// it ends with its line, or before the line that begins with what is not its own. It is damaged, too, if it has an end
    /// in sight: no place was found there behind which others may follow, nor the end of the line on which that shows.
    fn pass_long(&mut self) -> Result<bool, Error> {
        let mut brackets = Brackets::default();
        let mut sound = self.shape != Shape::Lines && !self.is_rest() && self.bytes().first() == Some(&b'{');
        let sight = self.window.offset() + LIMIT as u64;
        loop {
            let goes = if sound { brackets.pass(self.bytes()) } else { find_end_of_line(self.bytes()) };
            match goes {
                Goes::To(end) if sound && self.window.offset() + end as u64 <= sight => {
                    self.forget(LIMIT);
                    sound = false;
                }
                Goes::To(end) => {
                    self.forget(end);
                    return Ok(sound);
                }
                Goes::Wrong(at) => {
                    self.forget(at);
                    if self.fresh {
                        return Ok(false);
                    }
                    sound = false;
                }
                Goes::On if self.window.is_over() && self.bytes().is_empty() => return Ok(false),
                Goes::On => {
                    self.forget(self.bytes().len());
                    self.window.fill()?;
                }
            }
        }
    }

    /// Passes over the first bytes, which belong to no record that is handed over.
    fn forget(&mut self, count: usize) {
        if let Some(last) = self.bytes()[..count].iter().rfind(|byte| !is_space(**byte)) {
            self.swallowed = *last == b']';
        }
        self.advance(count);
        self.window.consume(std::mem::take(&mut self.at));
    }
}

/// Where a line goes that is passed over.
fn find_end_of_line(text: &[u8]) -> Goes {
    memchr(b'\n', text).map_or(Goes::On, |end| Goes::To(end + 1))
}

impl Split for Splitter {
    type Fault = Fault;

    fn next_block(&mut self) -> Result<Option<Block<Fault>>, Error> {
        while !self.is_full() {
            if !self.take()? {
                if !self.spans.is_empty() {
                    return Ok(Some(self.cut()));
                }
                if self.shape != Shape::Over {
                    return self.take_long().map(Some);
                }
                let first = !std::mem::replace(&mut self.finished, true);
                return Ok(first.then(|| self.cut()));
            }
        }
        Ok(Some(self.cut()))
    }
}

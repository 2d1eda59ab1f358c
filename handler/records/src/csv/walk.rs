//! The walk over the records of a CSV object, whoever looks at them.

use std::borrow::Cow;

use super::split::{Dialect, Fault, Field, Span, count_lines, split, split_line};
use crate::error::Error;
use crate::input::Input;
use crate::options::Options;
use crate::window::{LIMIT, Window};

/// Where the walk stands.
pub(super) struct Walk {
    window: Window,
    dialect: Dialect,
    fields: Vec<Field>,
    /// The last record, still in the window.
    taken: usize,
    line: u64,
    next_line: u64,
    width: usize,
    yardstick: &'static str,
}

/// A record, and what it needs to be judged.
pub(super) struct Record<'w> {
    pub(super) bytes: &'w [u8],
    pub(super) line: u64,
    pub(super) offset: u64,
    fields: &'w [Field],
    fault: Option<Fault>,
    dialect: Dialect,
    width: usize,
    yardstick: &'static str,
}

/// A field's value as text.
pub(super) struct FieldText<'w> {
    pub(super) text: Cow<'w, str>,
    quoted: bool,
}

impl FieldText<'_> {
    /// Whether it stands for NULL. Quotes make a text of it where the type is one.
    pub(super) fn is_null(&self, tokens: &[String], textual: bool) -> bool {
        !(self.quoted && textual) && tokens.iter().any(|token| *token == self.text)
    }
}

impl Walk {
    /// Opens the object and passes over its preamble.
    pub(super) fn open(input: &dyn Input, options: &Options) -> Result<Self, Error> {
        let quote = options.quote.unwrap_or(b'"');
        let dialect =
            Dialect { delimiter: options.delimiter.unwrap_or(b','), quote, escape: options.escape.unwrap_or(quote) };
        check_dialect(dialect)?;
        let window = Window::open(input, options)?;
        let mut walk = Self {
            window,
            dialect,
            fields: Vec::new(),
            taken: 0,
            line: 1,
            next_line: 1,
            width: 0,
            yardstick: "header",
        };
        for _ in 0..options.preamble {
            let Some(span) = walk.find(true)? else { break };
            walk.pass(span);
        }
        Ok(walk)
    }

    /// How many fields a record has, and whether a header says so.
    pub(super) fn set_width(&mut self, width: usize, yardstick: &'static str) {
        self.width = width;
        self.yardstick = yardstick;
    }

    /// The next record, blank lines included.
    pub(super) fn advance(&mut self) -> Result<Option<Record<'_>>, Error> {
        let Some(span) = self.find(false)? else { return Ok(None) };
        self.pass(span);
        Ok(Some(self.record(span)))
    }

    /// The next record. Blank lines are none, unless a record has one field.
    pub(super) fn advance_record(&mut self) -> Result<Option<Record<'_>>, Error> {
        loop {
            let Some(span) = self.find(false)? else { return Ok(None) };
            self.pass(span);
            if span.end > 0 || self.width == 1 {
                return Ok(Some(self.record(span)));
            }
        }
    }

    fn record(&self, span: Span) -> Record<'_> {
        Record {
            bytes: &self.window.bytes()[..span.end],
            line: self.line,
            offset: self.window.offset(),
            fields: &self.fields,
            fault: span.fault,
            dialect: self.dialect,
            width: self.width,
            yardstick: self.yardstick,
        }
    }

    /// Forgets the last record and finds the next one (a line of the preamble, if asked to). `None` at the end.
    fn find(&mut self, preamble: bool) -> Result<Option<Span>, Error> {
        self.window.consume(std::mem::take(&mut self.taken));
        self.line = self.next_line;
        loop {
            let over = self.window.is_over();
            if over && self.window.bytes().is_empty() {
                return Ok(None);
            }
            let bytes = self.window.bytes();
            let found =
                if preamble { split_line(bytes, over) } else { split(bytes, over, self.dialect, &mut self.fields) };
            if let Some(span) = found {
                return Ok(Some(span));
            }
            if self.window.bytes().len() > LIMIT {
                let line = self.line;
                return Err(Error::unreadable(format!("the record at line {line} is longer than {LIMIT} bytes")));
            }
            self.window.fill()?;
        }
    }

    fn pass(&mut self, span: Span) {
        self.taken = span.next;
        self.next_line = self.line + if span.quoted { count_lines(&self.window.bytes()[..span.next]) } else { 1 };
    }
}

fn check_dialect(dialect: Dialect) -> Result<(), Error> {
    let Dialect { delimiter, quote, escape } = dialect;
    let sound = [delimiter, quote, escape].iter().all(|byte| byte.is_ascii() && !matches!(byte, b'\n' | b'\r'));
    if !sound || delimiter == 0 || delimiter == quote || delimiter == escape {
        return Err(Error::unreadable("the delimiter, the quote and the escape must be ASCII and not the same"));
    }
    Ok(())
}

impl<'w> Record<'w> {
    /// Whether it is a line with nothing on it.
    pub(super) fn is_blank(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn width(&self) -> usize {
        self.fields.len()
    }

    /// Whether its quotes are in order.
    pub(super) fn is_sound(&self) -> bool {
        self.fault.is_none()
    }

    /// Its text, if it is a record at all; otherwise everything that speaks against it.
    pub(super) fn check(&self) -> Result<&'w str, Vec<String>> {
        let text = self.check_text();
        let shaped = self.fault.is_none() && self.fields.len() == self.width;
        match text {
            Ok(text) if shaped => Ok(text),
            other => {
                let mut reasons: Vec<String> = self.explain_shape().into_iter().collect();
                reasons.extend(other.err());
                Err(reasons)
            }
        }
    }

    fn explain_shape(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        match self.fault {
            Some(Fault::Stray(field)) => {
                reasons.push(format!("field {field} has a quote inside, and does not begin with one"));
            }
            Some(Fault::Open(field)) => {
                reasons.push(format!("field {field} begins with a quote, and has no closing one at its end"));
            }
            None => {}
        }
        if !matches!(self.fault, Some(Fault::Open(_))) && self.fields.len() != self.width {
            let what = self.yardstick;
            let plural = if self.fields.len() == 1 { "" } else { "s" };
            reasons.push(format!("has {} field{plural}, the {what} has {}", self.fields.len(), self.width));
        }
        reasons
    }

    fn check_text(&self) -> Result<&'w str, String> {
        let text = std::str::from_utf8(self.bytes).map_err(|error| {
            let position = error.valid_up_to();
            format!("is not valid text: the byte {:#04X} at byte {position} of the record", self.bytes[position])
        })?;
        match memchr::memchr(0, self.bytes) {
            Some(position) => Err(format!("has a NUL at byte {position} of the record")),
            None => Ok(text),
        }
    }

    /// The value of a field; `text` is the record's.
    pub(super) fn field<'t>(&self, text: &'t str, position: usize) -> FieldText<'t> {
        let Some(field) = self.fields.get(position) else {
            return FieldText { text: Cow::Borrowed(""), quoted: false };
        };
        let written = text.get(field.start..field.end).unwrap_or_default();
        let text = if field.escaped { Cow::Owned(self.unescape(written)) } else { Cow::Borrowed(written) };
        FieldText { text, quoted: field.quoted }
    }

    /// Takes away the escapes before quotes and before themselves.
    fn unescape(&self, written: &str) -> String {
        let (quote, escape) = (char::from(self.dialect.quote), char::from(self.dialect.escape));
        let mut text = String::with_capacity(written.len());
        let mut letters = written.chars().peekable();
        while let Some(letter) = letters.next() {
            match letters.peek() {
                Some(next) if letter == escape && (*next == quote || *next == escape) => text.extend(letters.next()),
                _ => text.push(letter),
            }
        }
        text
    }

    /// The names, when this is the header.
    pub(super) fn name_columns(&self) -> Result<Vec<String>, String> {
        if let Some(reason) = self.fault.and_then(|_| self.explain_shape().into_iter().next()) {
            return Err(format!("is damaged: {reason}"));
        }
        let text = self.check_text()?;
        Ok((0..self.fields.len()).map(|position| self.field(text, position).text.into_owned()).collect())
    }
}

//! The fields of one CSV column in a block, on their way to a [`super::Slot`].

use crate::block::Field;

/// How a field's text is read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    pub(crate) quote: u8,
    pub(crate) escape: u8,
    /// Texts that mean NULL.
    pub(crate) null_tokens: Vec<String>,
    /// Whether spaces and tabs around an unquoted field are no part of it.
    pub(crate) trim: bool,
    /// What stands before the fraction of a number.
    pub(crate) decimal: u8,
}

impl Reading {
    /// The value of a field; `None` for NULL, as a missing one is. Quotes make a text of a null token where the column is
    /// `textual`.
    pub(crate) fn value<'v>(
        &self,
        text: &'v str,
        field: Field,
        (textual, scratch): (bool, &'v mut String),
    ) -> Option<&'v str> {
        if field.missing {
            return None;
        }
        let written = text.get(field.start as usize..field.end as usize).unwrap_or_default();
        let value = if field.escaped {
            self.unescape(written, scratch);
            scratch.as_str()
        } else if self.trim && !field.quoted {
            written.trim_matches([' ', '\t'])
        } else {
            written
        };
        let null = !(field.quoted && textual) && self.null_tokens.iter().any(|token| token == value);
        (!null).then_some(value)
    }

    /// Takes away the escapes before quotes and before themselves.
    fn unescape(&self, written: &str, text: &mut String) {
        let (quote, escape) = (char::from(self.quote), char::from(self.escape));
        text.clear();
        let mut rest = written;
        while let Some(position) = rest.find(escape) {
            let after = position + 1;
            let taken = rest[after..].starts_with([quote, escape]);
            text.push_str(&rest[..if taken { position } else { after }]);
            // An escaped character is taken as it is, even if it is an escape itself.
            let next = if taken { after + 1 } else { after };
            text.push_str(&rest[after..next]);
            rest = &rest[next..];
        }
        text.push_str(rest);
    }
}

/// One column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cells<'b> {
    pub(crate) text: &'b str,
    pub(crate) reading: &'b Reading,
    /// The fields of all records.
    pub(crate) fields: &'b [Field],
    /// The number of fields of each record.
    pub(crate) width: usize,
    /// The column's position among them.
    pub(crate) position: usize,
}

impl Cells<'_> {
    /// The values in order; `None` for NULL.
    pub(crate) fn for_each(self, textual: bool, mut take: impl FnMut(usize, Option<&str>)) {
        let mut scratch = String::new();
        for (row, field) in self.fields.iter().skip(self.position).step_by(self.width.max(1)).enumerate() {
            take(row, self.reading.value(self.text, *field, (textual, &mut scratch)));
        }
    }
}

//! Text, JSON text and UUIDs.

use std::borrow::Cow;
use std::collections::HashSet;

use arrow::array::{ArrayRef, StringBuilder};
use arrow::error::ArrowError;

use super::cell::{Cell, read_text};
use super::{Misfit, Slot};
use crate::object::check_json;

/// The text of a JSON string, which stands in its quotes.
pub(crate) fn parse_string(json: &str) -> Result<Cow<'_, str>, Misfit> {
    if memchr::memchr(b'\\', json.as_bytes()).is_none() {
        return Ok(Cow::Borrowed(json.get(1..json.len() - 1).unwrap_or_default()));
    }
    serde_json::from_str(json)
        .map(Cow::Owned)
        .map_err(|_| Misfit::Rule("is no text: it has an escape of half a character".to_owned()))
}

/// The text of a JSON string; what is no string stays as it is written.
pub(super) fn unquote(json: &str) -> Result<Cow<'_, str>, Misfit> {
    if json.starts_with('"') { parse_string(json) } else { Ok(Cow::Borrowed(json)) }
}

#[derive(Default)]
pub(super) struct VarcharSlot(StringBuilder);

impl Slot for VarcharSlot {
    appends_to!(0);

    fn take_text(&mut self, text: &str) -> Result<(), Misfit> {
        self.0.append_value(text);
        Ok(())
    }

    fn take_json(&mut self, json: &str) -> Result<(), Misfit> {
        self.take_text(&unquote(json)?)
    }

    fn take_native(&mut self, cell: &Cell<'_>) -> Result<(), Misfit> {
        self.take_text(&cell.to_text()?)
    }
}

/// Text that keeps a rule.
pub(super) struct TextSlot {
    inner: VarcharSlot,
    /// The characters that there may be.
    length: usize,
    /// The texts that there may be; any where there are none.
    values: HashSet<String>,
}

impl TextSlot {
    pub(super) fn of_length(length: u32) -> Self {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        Self { inner: VarcharSlot::default(), length, values: HashSet::new() }
    }

    pub(super) fn one_of(values: &[String]) -> Self {
        Self { inner: VarcharSlot::default(), length: usize::MAX, values: values.iter().cloned().collect() }
    }
}

impl Slot for TextSlot {
    fn skip(&mut self) {
        self.inner.skip();
    }

    fn length(&self) -> usize {
        self.inner.length()
    }

    fn take_text(&mut self, text: &str) -> Result<(), Misfit> {
        if !self.values.is_empty() && !self.values.contains(text) {
            return Err(Misfit::Type);
        }
        if text.len() > self.length && text.chars().count() > self.length {
            return Err(Misfit::Because("it is longer".to_owned()));
        }
        self.inner.take_text(text)
    }

    fn take_json(&mut self, json: &str) -> Result<(), Misfit> {
        self.take_text(&unquote(json)?)
    }

    fn take_native(&mut self, cell: &Cell<'_>) -> Result<(), Misfit> {
        self.take_text(&cell.to_text()?)
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        self.inner.finish()
    }
}

/// JSON text, as it is written.
#[derive(Default)]
pub(super) struct JsonSlot(StringBuilder);

impl Slot for JsonSlot {
    appends_to!(0);

    fn take_text(&mut self, text: &str) -> Result<(), Misfit> {
        check_json(text).map_err(Misfit::Because)?;
        self.0.append_value(text);
        Ok(())
    }

    fn take_quoted(&mut self, text: &str) -> Result<(), Misfit> {
        self.take_json(&format!("\"{text}\""))
    }

    fn take_json(&mut self, json: &str) -> Result<(), Misfit> {
        self.0.append_value(json);
        Ok(())
    }

    fn take_native(&mut self, cell: &Cell<'_>) -> Result<(), Misfit> {
        if let Cell::Bytes(bytes) = cell {
            return self.take_text(read_text(bytes)?);
        }
        self.0.append_value(cell.to_json()?);
        Ok(())
    }
}

/// Whether a text is `8-4-4-4-12` hexadecimal digits.
fn is_uuid(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(position, byte)| {
            if matches!(position, 8 | 13 | 18 | 23) { *byte == b'-' } else { byte.is_ascii_hexdigit() }
        })
}

/// UUIDs, kept in small letters.
#[derive(Default)]
pub(super) struct UuidSlot(StringBuilder);

impl Slot for UuidSlot {
    appends_to!(0);

    fn take_text(&mut self, text: &str) -> Result<(), Misfit> {
        if !is_uuid(text) {
            return Err(Misfit::Type);
        }
        self.0.append_value(text.to_ascii_lowercase());
        Ok(())
    }

    fn take_native(&mut self, cell: &Cell<'_>) -> Result<(), Misfit> {
        match cell {
            Cell::Bytes(bytes) if bytes.len() == 16 => {
                let digits = bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
                self.take_text(&format!(
                    "{}-{}-{}-{}-{}",
                    &digits[..8],
                    &digits[8..12],
                    &digits[12..16],
                    &digits[16..20],
                    &digits[20..]
                ))
            }
            _ => Err(Misfit::Type),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_length_and_an_enum_its_values() {
        let mut text = TextSlot::of_length(2);
        assert_eq!(text.take_text("éé"), Ok(()));
        assert_eq!(text.take_text("abc"), Err(Misfit::Because("it is longer".to_owned())));
        let mut one = TextSlot::one_of(&["a".to_owned(), "b".to_owned()]);
        assert_eq!(
            (one.take_text("b"), one.take_json("\"a\""), one.take_text("A")),
            (Ok(()), Ok(()), Err(Misfit::Type))
        );
    }

    #[test]
    fn only_the_canonical_text_is_a_uuid() {
        assert!(is_uuid("123e4567-E89B-12d3-a456-426614174000"));
        for text in [
            "",
            "123e4567e89b12d3a456426614174000",
            "{123e4567-e89b-12d3-a456-426614174000}",
            "123e4567-e89b-12d3-a456-42661417400g",
        ] {
            assert!(!is_uuid(text), "{text}");
        }
    }

    #[test]
    fn half_a_character_is_no_text() {
        assert_eq!(parse_string("\"a\\u00e9\""), Ok(Cow::Borrowed("aé")));
        assert!(parse_string("\"\\ud800\"").is_err());
    }
}

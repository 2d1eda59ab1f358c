//! Bytes: as they are, or written in hexadecimal digits or base64 where that is declared.

use std::str::FromStr;

use arrow::array::BinaryBuilder;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cell::Cell;
use super::characters::parse_string;
use super::{Misfit, Slot};

/// How bytes are written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The UTF-8 bytes of the text itself.
    Plain,
    /// Two hexadecimal digits for each byte.
    Hex,
    /// RFC 4648 with its padding.
    Base64,
}

impl FromStr for Form {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "hex" => Ok(Self::Hex),
            "base64" => Ok(Self::Base64),
            _ => Err(format!("the format of a BLOB is hex or base64, not {name:?}")),
        }
    }
}

pub(super) struct BlobSlot {
    builder: BinaryBuilder,
    form: Form,
}

impl BlobSlot {
    pub(super) fn new(form: Form) -> Self {
        Self { builder: BinaryBuilder::new(), form }
    }
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8]| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok();
    text.len().is_multiple_of(2).then(|| text.as_bytes().chunks_exact(2).map(byte).collect())?
}

impl Slot for BlobSlot {
    appends_to!(builder);

    fn take_text(&mut self, text: &str) -> Result<(), Misfit> {
        match self.form {
            Form::Plain => self.builder.append_value(text),
            Form::Hex => {
                self.builder.append_value(parse_hex(text).ok_or_else(|| Misfit::Because("as hex".to_owned()))?);
            }
            Form::Base64 => {
                let bytes = STANDARD.decode(text).map_err(|_| Misfit::Because("as base64".to_owned()))?;
                self.builder.append_value(bytes);
            }
        }
        Ok(())
    }

    fn take_json(&mut self, json: &str) -> Result<(), Misfit> {
        if !json.starts_with('"') {
            return Err(Misfit::Type);
        }
        self.take_text(&parse_string(json)?)
    }

    fn take_native(&mut self, cell: &Cell<'_>) -> Result<(), Misfit> {
        let Cell::Bytes(bytes) = cell else { return Err(Misfit::Type) };
        self.builder.append_value(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_declared() {
        for (form, text, refused) in [
            (Form::Hex, "00fFa1", &["0", "0g", "0x00", " 00"][..]),
            (Form::Base64, "AP+h", &["AP+", "AP-h", "AP+h=", " AP+h"][..]),
        ] {
            let mut slot = BlobSlot::new(form);
            assert_eq!(slot.take_text(text), Ok(()));
            assert_eq!(slot.builder.values_slice(), [0, 255, 161]);
            for text in refused {
                assert!(slot.take_text(text).is_err(), "{form:?} {text}");
            }
        }
    }
}

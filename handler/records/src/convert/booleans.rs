//! `true` and `false`, in any case; nothing else is a boolean.

use std::sync::Arc;

use arrow::array::{ArrayBuilder, ArrayRef, BooleanBuilder};
use arrow::error::ArrowError;

use super::cell::Cell;
use super::{Misfit, Slot};

/// Reads `true` or `false`.
pub(crate) fn parse_boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

#[derive(Default)]
pub(super) struct BooleanSlot(BooleanBuilder);

impl Slot for BooleanSlot {
    fn skip(&mut self) {
        self.0.append_null();
    }

    fn length(&self) -> usize {
        self.0.len()
    }

    fn take_text(&mut self, text: &str) -> Result<(), Misfit> {
        self.0.append_value(parse_boolean(text).ok_or(Misfit::Type)?);
        Ok(())
    }

    fn take_cell(&mut self, cell: &Cell<'_>) -> Result<(), Misfit> {
        match cell {
            Cell::Boolean(value) => self.0.append_value(*value),
            Cell::Text(text) => return self.take_text(text),
            _ => return Err(Misfit::Type),
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(Arc::new(self.0.finish()))
    }
}

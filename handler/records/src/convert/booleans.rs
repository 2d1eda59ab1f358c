//! `true` and `false`, in any case; nothing else is a boolean.

use arrow::array::BooleanBuilder;

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
    appends_to!(0);

    fn take_text(&mut self, text: &str) -> Result<(), Misfit> {
        self.0.append_value(parse_boolean(text).ok_or(Misfit::Type)?);
        Ok(())
    }

    fn take_native(&mut self, cell: &Cell<'_>) -> Result<(), Misfit> {
        let Cell::Boolean(value) = cell else { return Err(Misfit::Type) };
        self.0.append_value(*value);
        Ok(())
    }
}

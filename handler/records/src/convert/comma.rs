//! Numbers whose fraction stands behind another character than a point, as a CSV file may be declared to have them.

use arrow::array::ArrayRef;
use arrow::error::ArrowError;

use super::{Misfit, Slot};

/// Writes a number with a point in the place of its mark; says no where it has a point already.
pub(crate) fn write_point(text: &str, mark: u8, pointed: &mut String) -> bool {
    pointed.clear();
    pointed.extend(text.chars().map(|letter| if letter == char::from(mark) { '.' } else { letter }));
    !text.contains('.')
}

/// A slot for numbers that reads `1,5` where the mark is a comma, and refuses `1.5`.
pub(super) struct CommaSlot {
    inner: Box<dyn Slot>,
    mark: u8,
    scratch: String,
}

impl CommaSlot {
    pub(super) fn new(inner: Box<dyn Slot>, mark: u8) -> Self {
        Self { inner, mark, scratch: String::new() }
    }
}

impl Slot for CommaSlot {
    fn skip(&mut self) {
        self.inner.skip();
    }

    fn length(&self) -> usize {
        self.inner.length()
    }

    fn take_text(&mut self, text: &str) -> Result<(), Misfit> {
        let written = write_point(text, self.mark, &mut self.scratch);
        if written { self.inner.take_text(&self.scratch) } else { Err(Misfit::Type) }
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        self.inner.finish()
    }
}

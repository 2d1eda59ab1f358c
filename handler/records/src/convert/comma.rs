//! Numbers whose fraction stands behind another character than a point, as a CSV file may be declared to have them.

use arrow::array::ArrayRef;
use arrow::error::ArrowError;

use super::cell::Cell;
use super::{Misfit, Slot};

/// A slot for numbers that reads `1,5` where the mark is a comma, and refuses `1.5`.
pub(super) struct CommaSlot {
    inner: Box<dyn Slot>,
    mark: char,
    scratch: String,
}

impl CommaSlot {
    pub(super) fn new(inner: Box<dyn Slot>, mark: u8) -> Self {
        Self { inner, mark: char::from(mark), scratch: String::new() }
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
        if text.contains('.') {
            return Err(Misfit::Type);
        }
        self.scratch.clear();
        self.scratch.extend(text.chars().map(|letter| if letter == self.mark { '.' } else { letter }));
        self.inner.take_text(&self.scratch)
    }

    fn take_cell(&mut self, cell: &Cell<'_>) -> Result<(), Misfit> {
        self.inner.take_cell(cell)
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        self.inner.finish()
    }
}

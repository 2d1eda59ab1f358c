//! The values of one JSON column in a block, on their way to a [`super::Slot`].

use crate::object::part;

/// Where a value stands in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Whether it is known to be a string without escapes.
    pub(crate) plain: bool,
}

impl Place {
    /// The same place in a text that has so many bytes before.
    pub(crate) fn behind(self, count: usize) -> Self {
        Self { start: self.start + count, end: self.end + count, ..self }
    }
}

/// A value as it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written<'b> {
    pub(crate) json: &'b str,
    /// Whether it is known to be a string without escapes.
    pub(crate) plain: bool,
}

/// One column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values<'b> {
    pub(crate) text: &'b str,
    /// The values of all records; nowhere where a record has none.
    pub(crate) places: &'b [Option<Place>],
    /// The number of values of each record.
    pub(crate) width: usize,
    /// The column's position among them.
    pub(crate) position: usize,
}

impl<'b> Values<'b> {
    /// The values in order; `None` for NULL.
    pub(crate) fn iter(self) -> impl Iterator<Item = Option<Written<'b>>> {
        let places = self.places.get(self.position..).unwrap_or_default();
        places.iter().step_by(self.width.max(1)).map(move |place| self.read(*place))
    }

    /// The value of a record, as it is written.
    pub(crate) fn at(self, row: usize) -> &'b str {
        let place = self.places.get(row * self.width + self.position).copied().flatten();
        self.read(place).map_or("null", |value| value.json)
    }

    fn read(self, place: Option<Place>) -> Option<Written<'b>> {
        let Place { start, end, plain } = place?;
        let json = part(self.text, (start, end));
        (json != "null").then_some(Written { json, plain })
    }
}

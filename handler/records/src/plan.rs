//! What to make of an object's columns: the contract, in the reader's words.

use std::collections::{BTreeMap, HashMap};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::error::Error;
use crate::infer::Guess;
use crate::types::Type;

/// The name of the column that [`Plan::rescue`] appends.
pub const RESCUED: &str = "_rescued";

/// One column of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name in the file, exactly; `None` when the file does not have it, and every value is NULL.
    pub source: Option<String>,
    /// Its name in the result.
    pub name: String,
    /// The type that each value must convert to exactly.
    pub data_type: Type,
    /// How dates, times and timestamps are written, in strptime's words (see [`crate::check_format`]); ISO 8601 when `None`.
    pub format: Option<String>,
    /// Whether a NULL rejects the record.
    pub not_null: bool,
}

/// Something that an object has and its plan does not foresee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unforeseen {
    /// A JSON key that no column takes.
    Column(String),
    /// A value that would have made the guessed type of this column another one.
    Value(String),
}

/// The columns of the result, and which records to refuse beyond what their values say.
///
/// Columns of the file that no plan column takes are ignored, or kept in one JSON column (`rescue`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The columns of the result, in order.
    pub columns: Vec<Column>,
    /// Whether to append the text column [`RESCUED`]: a JSON object of the file's columns that no plan column takes,
    /// NULL where there are none. CSV values are JSON strings or null there.
    pub rescue: bool,
    /// Whether a JSON key that no plan column takes is [`Unforeseen`].
    pub closed: bool,
    /// The columns whose type is only a guess, by position: a value that would have changed it is [`Unforeseen`].
    pub guesses: BTreeMap<usize, Guess>,
    /// A reason that makes every record a reject, besides its own reasons.
    pub refuse: Option<String>,
    /// Reasons found by later tests, by record number: these records become rejects.
    pub verdicts: BTreeMap<u64, Vec<String>>,
}

impl Plan {
    /// The Arrow schema of the accepted rows. Every field is nullable; `not_null` is held by rejecting records.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        let mut fields: Vec<Field> =
            self.columns.iter().map(|column| Field::new(&column.name, column.data_type.arrow(), true)).collect();
        if self.rescue {
            fields.push(Field::new(RESCUED, DataType::Utf8, true));
        }
        Schema::new(fields).into()
    }

    /// For each column its guess, where a value can be found that it does not hold.
    pub(crate) fn open_guesses(&self) -> Vec<Option<Guess>> {
        let guess = |index| self.guesses.get(&index).copied().filter(|guess| !guess.holds_all());
        (0..self.columns.len()).map(guess).collect()
    }

    /// The guess at a column is wrong.
    pub(crate) fn misguessed(&self, index: usize) -> Unforeseen {
        Unforeseen::Value(self.columns[index].name.clone())
    }

    /// For each column its position among the names of a file; `None` where it takes nothing from the file.
    pub(crate) fn locate<N: AsRef<str>>(&self, names: &[N]) -> Result<Vec<Option<usize>>, Error> {
        let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
        for (position, name) in names.iter().enumerate() {
            places.entry(name.as_ref()).or_default().push(position);
        }
        let of = |source: &String| places.get(source.as_str()).map_or(&[][..], Vec::as_slice);
        let sources = || self.columns.iter().filter_map(|column| column.source.as_ref());
        refuse("the file has no column", sources().filter(|source| of(source).is_empty()))?;
        refuse("the file has more than one column", sources().filter(|source| of(source).len() > 1))?;
        Ok(self
            .columns
            .iter()
            .map(|column| column.source.as_ref().and_then(|source| of(source).first().copied()))
            .collect())
    }
}

/// Names the columns with which something is wrong, if there are any.
fn refuse<'n>(what: &str, names: impl Iterator<Item = &'n String>) -> Result<(), Error> {
    let names: Vec<String> = names.map(|name| format!("{name:?}")).collect();
    if names.is_empty() { Ok(()) } else { Err(Error::unreadable(format!("{what} {}", names.join(", ")))) }
}

//! What to make of an object's columns: the contract, in the reader's words.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

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
}

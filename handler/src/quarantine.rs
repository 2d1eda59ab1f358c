//! The quarantine: one Delta table that keeps every rejected record with where it stood, its text and all reasons.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use records::Reject;

use crate::error::{Error, Result};
use crate::lake::RawObject;

/// The table's name in the silver zone; no other table may have it.
pub const TABLE: &str = "quarantine";

/// The table, as `zone/name`.
pub const PATH: &str = "silver/quarantine";

/// The table's schema.
pub static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let number = |name: &str| Field::new(name, DataType::Int64, true);
    let reasons = DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)));
    Arc::new(Schema::new(vec![
        text("source"),
        text("key"),
        text("version"),
        number("record_number"),
        number("line"),
        number("byte_offset"),
        text("raw"),
        text("raw_base64"),
        Field::new("reasons", reasons, true),
    ]))
});

/// Rejects as rows of the table.
///
/// # Errors
/// [`Error::Columns`] when Arrow refuses the columns.
pub fn rows(source: &str, object: &RawObject, rejects: &[Reject]) -> Result<RecordBatch> {
    let same = |text: &str| Arc::new(StringArray::from(vec![text; rejects.len()])) as ArrayRef;
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let numbers = |of: &dyn Fn(&Reject) -> Option<u64>| {
        Arc::new(rejects.iter().map(|reject| of(reject).map(number)).collect::<Int64Array>()) as ArrayRef
    };
    let texts =
        |of: &dyn Fn(&Reject) -> Option<&str>| Arc::new(rejects.iter().map(of).collect::<StringArray>()) as ArrayRef;
    let item = Field::new("element", DataType::Utf8, true);
    let mut reasons = ListBuilder::new(StringBuilder::new()).with_field(item);
    for reject in rejects {
        reasons.append_value(reject.reasons.iter().map(Some));
    }
    let columns: Vec<ArrayRef> = vec![
        same(source),
        same(&object.key),
        same(&object.version),
        numbers(&|reject| Some(reject.record_number)),
        numbers(&|reject| reject.line),
        numbers(&|reject| reject.byte_offset),
        texts(&|reject| Some(reject.raw.as_str())),
        texts(&|reject| reject.raw_base64.as_deref()),
        Arc::new(reasons.finish()),
    ];
    RecordBatch::try_new(Arc::clone(&SCHEMA), columns).map_err(Error::columns("quarantined records"))
}

/// An object that cannot be read as a whole counts as one record.
pub fn whole(reason: &str) -> Reject {
    Reject { record_number: 1, byte_offset: Some(0), reasons: vec![reason.to_owned()], ..Reject::default() }
}

//! How the columns of a data file are encoded: a dictionary pays where values come again, which the first rows tell.
//!
//! Source: the Parquet format, "Encodings". Spark reads `DELTA_BINARY_PACKED` in its vectorized reader since 3.3.

use std::collections::HashSet;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field};
use arrow::row::{RowConverter, SortField};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use crate::contract::{INGESTED_AT, MODIFIED_AT, RECORD_NUMBER};

/// How many rows are looked at.
const ROWS: usize = 2048;
/// Below so many they tell nothing.
const FEW: usize = 32;

/// The properties of a file that begins with these rows.
pub fn properties(first: &RecordBatch) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default()))
        .set_created_by("pintail".to_owned());
    for (field, values) in first.schema().fields().iter().zip(first.columns()) {
        if !is_steady(field) && comes_again(field, values) {
            continue;
        }
        let column = ColumnPath::from(field.name().as_str());
        properties = properties.set_column_dictionary_enabled(column.clone(), false);
        if has_differences(field.data_type()) {
            properties = properties.set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
        }
    }
    properties.build()
}

/// Numbers that count up, and times that are all the same: their differences take next to no room.
fn is_steady(field: &Field) -> bool {
    [MODIFIED_AT, INGESTED_AT, RECORD_NUMBER].contains(&field.name().as_str())
}

/// Whether the values repeat often enough for a dictionary. Nested ones are taken to do so.
fn comes_again(field: &Field, values: &ArrayRef) -> bool {
    if field.data_type().is_nested() || values.len() < FEW {
        return true;
    }
    let some = values.slice(0, values.len().min(ROWS));
    let rows = RowConverter::new(vec![SortField::new(field.data_type().clone())])
        .and_then(|converter| converter.convert_columns(&[some]));
    rows.is_ok_and(|rows| rows.iter().collect::<HashSet<_>>().len() * 10 < rows.num_rows() * 9)
}

/// Whether Parquet stores the type in integers of 32 or 64 bits.
fn has_differences(data_type: &DataType) -> bool {
    match data_type {
        DataType::Decimal128(precision, _) => *precision <= 18,
        DataType::Date32 | DataType::Timestamp(_, _) => true,
        other => other.is_integer(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    #[test]
    fn values_that_seldom_come_again_have_no_dictionary() {
        let numbers = |step: i64| Arc::new((0..4000).map(|row| Some(row / step)).collect::<Int64Array>()) as ArrayRef;
        let texts: StringArray = (0..4000).map(|row| Some(row.to_string())).collect();
        let columns = [("own", numbers(1)), ("shared", numbers(10)), ("texts", Arc::new(texts) as ArrayRef)];
        let properties = properties(&RecordBatch::try_from_iter(columns).unwrap());
        let told = ["own", "shared", "texts"].map(|name| {
            let column = ColumnPath::from(name);
            (properties.dictionary_enabled(&column), properties.encoding(&column))
        });
        assert_eq!(told, [(false, Some(Encoding::DELTA_BINARY_PACKED)), (true, None), (false, None)]);
    }
}

//! How the columns of a data file are encoded: a dictionary pays where values come again and their differences would take
//! more room, which the first rows tell.
//!
//! Source: the Parquet format, "Encodings". Spark reads `DELTA_BINARY_PACKED` in its vectorized reader since 3.3.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Field, Int64Type};
use arrow::row::{RowConverter, SortField};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use crate::contract::{INGESTED_AT, MODIFIED_AT, RECORD_NUMBER};

/// How many rows are looked at.
const ROWS: usize = 2048;
/// Below so many they tell nothing.
const FEW: usize = 32;
/// The differences that are packed with the same number of bits.
const PACKED: usize = 32;
/// A dictionary costs time: each value is hashed. Differences that take so many more bits for a value are better.
const BITS: u32 = 2;

/// The properties of a file that begins with these rows.
pub fn properties(first: &RecordBatch) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default()))
        .set_created_by("pintail".to_owned());
    for (field, values) in first.schema().fields().iter().zip(first.columns()) {
        let values = values.slice(0, values.len().min(ROWS));
        let differences = difference_bits(&values);
        if !is_steady(field) && pays(&values, differences) {
            continue;
        }
        let column = ColumnPath::from(field.name().as_str());
        properties = properties.set_column_dictionary_enabled(column.clone(), false);
        if differences.is_some() {
            properties = properties.set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
        }
    }
    properties.build()
}

/// Numbers that count up, and times that are all the same: their differences take next to no room.
fn is_steady(field: &Field) -> bool {
    [MODIFIED_AT, INGESTED_AT, RECORD_NUMBER].contains(&field.name().as_str())
}

/// Whether a dictionary pays. It is taken to do so for nested values.
fn pays(values: &ArrayRef, differences: Option<u32>) -> bool {
    if values.data_type().is_nested() || values.len() < FEW {
        return true;
    }
    let rows = RowConverter::new(vec![SortField::new(values.data_type().clone())])
        .and_then(|converter| converter.convert_columns(&[Arc::clone(values)]));
    let distinct = rows.map_or(values.len(), |rows| rows.iter().collect::<HashSet<_>>().len());
    let again = distinct * 10 < values.len() * 9;
    again && differences.is_none_or(|bits| bits > distinct.next_power_of_two().ilog2() + BITS)
}

/// The bits that the difference between two values takes, on average; nothing for what Parquet does not store in integers of
/// 32 or 64 bits.
fn difference_bits(values: &ArrayRef) -> Option<u32> {
    let numbers: Vec<i64> = match values.data_type() {
        DataType::Decimal128(precision, _) if *precision <= 18 => {
            values.as_primitive::<Decimal128Type>().iter().flatten().filter_map(|value| value.try_into().ok()).collect()
        }
        kind if kind.is_integer() || matches!(kind, DataType::Date32 | DataType::Timestamp(_, _)) => {
            cast(values, &DataType::Int64).ok()?.as_primitive::<Int64Type>().iter().flatten().collect()
        }
        _ => return None,
    };
    let differences: Vec<i128> = numbers.windows(2).map(|two| i128::from(two[1]) - i128::from(two[0])).collect();
    let bits = differences.chunks(PACKED).map(|some| {
        let range = some.iter().max().zip(some.iter().min()).map_or(0, |(most, least)| most.abs_diff(*least));
        u128::BITS - range.leading_zeros()
    });
    Some(bits.sum::<u32>() / u32::try_from(differences.len().div_ceil(PACKED).max(1)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};

    use super::*;

    fn told(values: ArrayRef) -> (bool, Option<Encoding>) {
        let properties = properties(&RecordBatch::try_from_iter([("values", values)]).unwrap());
        let column = ColumnPath::from("values");
        (properties.dictionary_enabled(&column), properties.encoding(&column))
    }

    /// So many numbers in an order like chance, each below another one and a multiple of the last.
    fn numbers(count: i64, below: i64, of: i64) -> ArrayRef {
        Arc::new((0..count).map(|row| Some(row * 7919 % below * of)).collect::<Int64Array>())
    }

    #[test]
    fn values_that_seldom_come_again_have_no_dictionary() {
        assert_eq!(told(numbers(4000, 1_000_003, 1)), (false, Some(Encoding::DELTA_BINARY_PACKED)));
        let texts: StringArray = (0..4000).map(|row| Some(row.to_string())).collect();
        assert_eq!(told(Arc::new(texts)), (false, None));
        let texts: StringArray = (0..4000).map(|row| Some((row % 50).to_string())).collect();
        assert_eq!(told(Arc::new(texts)), (true, None));
    }

    #[test]
    fn numbers_have_a_dictionary_where_it_takes_less_room_than_their_differences() {
        assert_eq!(told(numbers(4000, 50, 1)), (false, Some(Encoding::DELTA_BINARY_PACKED)));
        assert_eq!(told(numbers(4000, 50, 1000)), (true, None));
        let extremes = [i64::MIN, i64::MAX, 0].into_iter().cycle().take(4000).collect::<Int64Array>();
        assert_eq!(told(Arc::new(extremes)), (true, None));
        let counted = (0..4000).map(|row| Some(row / 4)).collect::<Int64Array>();
        assert_eq!(told(Arc::new(counted)), (false, Some(Encoding::DELTA_BINARY_PACKED)));
    }
}

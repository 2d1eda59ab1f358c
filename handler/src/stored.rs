//! The types that a Delta table stores: Arrow's types that Delta has, and what the others become.
//!
//! | `DuckDB` | stored | Delta |
//! | --- | --- | --- |
//! | UTINYINT, USMALLINT, UINTEGER | the next larger signed integer | short, integer, long |
//! | UBIGINT | DECIMAL(20,0) | decimal(20,0) |
//! | HUGEINT | DECIMAL(38,0), overflow is an error | decimal(38,0) |
//! | TIME, INTERVAL | text | string |
//! | TIMESTAMP, `TIMESTAMP_S`, `TIMESTAMP_MS`, `TIMESTAMP_NS` | microseconds, what is finer is an error | `timestamp_ntz` |
//! | TIMESTAMPTZ | microseconds, UTC | timestamp |
//! | JSON, UUID, ENUM | text | string |
//! | LIST, STRUCT, MAP | with their parts as above | array, struct, map |
//!
//! UHUGEINT, BIT, BIGNUM and TIME WITH TIME ZONE are refused: Arrow, through which results come, has no such types.
//!
//! Source: Delta's protocol, "Primitive Types" and "Timestamp without timezone".

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, MapArray, RecordBatch, RecordBatchOptions, StructArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use arrow::util::display::FormatOptions;
use serde_json::{Value, json};

use crate::error::{Error, Result};

const EXACT: CastOptions<'static> = CastOptions { safe: false, format_options: FormatOptions::new() };

/// The stored schema of a result: every column nullable, every type one that Delta has.
///
/// # Errors
/// [`Error::Columns`] names the first column whose type has no place in Delta.
pub fn stored_schema(schema: &Schema) -> Result<SchemaRef> {
    let fields: Result<Vec<Field>> = schema
        .fields()
        .iter()
        .map(|field| {
            let data_type =
                stored_type(field.data_type()).map_err(Error::columns(format!("column {:?}", field.name())))?;
            Ok(Field::new(field.name(), data_type, true))
        })
        .collect();
    Ok(Arc::new(Schema::new(fields?)))
}

fn stored_type(data_type: &DataType) -> std::result::Result<DataType, ArrowError> {
    use DataType as D;
    Ok(match data_type {
        D::Boolean | D::Int8 | D::Int16 | D::Int32 | D::Int64 | D::Float32 | D::Float64 | D::Date32 | D::Utf8 => {
            data_type.clone()
        }
        D::UInt8 => D::Int16,
        D::UInt16 => D::Int32,
        D::UInt32 => D::Int64,
        D::UInt64 => D::Decimal128(20, 0),
        D::Decimal128(precision, scale) if *scale >= 0 && *precision <= 38 => D::Decimal128(*precision, *scale),
        D::LargeUtf8 | D::Utf8View | D::Time32(_) | D::Time64(_) | D::Interval(_) | D::Null => D::Utf8,
        D::Dictionary(_, values) => stored_type(values)?,
        D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => D::Binary,
        D::Timestamp(_, None) => D::Timestamp(TimeUnit::Microsecond, None),
        D::Timestamp(_, Some(_)) => D::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        D::List(item) | D::LargeList(item) | D::FixedSizeList(item, _) => {
            D::List(Arc::new(stored_field(item, "element")?))
        }
        D::Struct(fields) => {
            let fields: std::result::Result<Fields, ArrowError> =
                fields.iter().map(|field| stored_field(field, field.name())).collect();
            D::Struct(fields?)
        }
        D::Map(entries, _) => {
            let (key, value) = map_types(entries)
                .ok_or_else(|| ArrowError::SchemaError("a map without keys and values".to_owned()))?;
            map_of(stored_type(key)?, stored_type(value)?)
        }
        other => return Err(ArrowError::NotYetImplemented(format!("a Delta table cannot store {other}"))),
    })
}

fn stored_field(field: &Field, name: &str) -> std::result::Result<Field, ArrowError> {
    Ok(Field::new(name, stored_type(field.data_type())?, true))
}

/// A map as Parquet names its parts; keys are never NULL.
fn map_of(key: DataType, value: DataType) -> DataType {
    let entry = vec![Field::new("key", key, false), Field::new("value", value, true)];
    DataType::Map(Arc::new(Field::new("key_value", DataType::Struct(entry.into()), false)), false)
}

/// The types of a map's keys and values.
fn map_types(entries: &Field) -> Option<(&DataType, &DataType)> {
    let DataType::Struct(fields) = entries.data_type() else { return None };
    let [key, value] = &**fields else { return None };
    Some((key.data_type(), value.data_type()))
}

/// Brings a batch to the stored schema, column by column in order; a value that does not fit exactly is an error.
///
/// # Errors
/// [`ArrowError`] names the value that cannot be stored exactly.
pub fn stored_batch(batch: &RecordBatch, schema: &SchemaRef) -> std::result::Result<RecordBatch, ArrowError> {
    let columns: std::result::Result<Vec<ArrayRef>, ArrowError> = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| stored_column(column, field.data_type()))
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns?, &options)
}

fn stored_column(column: &ArrayRef, target: &DataType) -> std::result::Result<ArrayRef, ArrowError> {
    if let (DataType::Decimal128(38, _), Some(decimals)) =
        (target, column.as_any().downcast_ref::<arrow::array::Decimal128Array>())
    {
        // DuckDB hands HUGEINT over as decimal(38,0) without looking whether it fits.
        decimals.validate_decimal_precision(decimals.precision())?;
    }
    if column.data_type() == target {
        return Ok(Arc::clone(column));
    }
    match (column.data_type(), target) {
        (DataType::Timestamp(TimeUnit::Nanosecond, _), DataType::Timestamp(TimeUnit::Microsecond, _)) => {
            exact_microseconds(column, target)
        }
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let structs = column.as_any().downcast_ref::<StructArray>().ok_or_else(|| lost(column))?;
            Ok(Arc::new(stored_struct(structs, fields)?))
        }
        (DataType::Map(_, _), DataType::Map(entries, sorted)) => {
            let maps = column.as_any().downcast_ref::<MapArray>().ok_or_else(|| lost(column))?;
            let DataType::Struct(fields) = entries.data_type() else { return Err(lost(column)) };
            let stored = stored_struct(maps.entries(), fields)?;
            let (offsets, nulls) = (maps.offsets().clone(), maps.nulls().cloned());
            Ok(Arc::new(MapArray::try_new(Arc::clone(entries), offsets, stored, nulls, *sorted)?))
        }
        (DataType::List(_), DataType::List(item)) => {
            let lists = column.as_any().downcast_ref::<ListArray>().ok_or_else(|| lost(column))?;
            let values = stored_column(lists.values(), item.data_type())?;
            Ok(Arc::new(ListArray::try_new(Arc::clone(item), lists.offsets().clone(), values, lists.nulls().cloned())?))
        }
        _ => cast_with_options(column, target, &EXACT),
    }
}

fn stored_struct(structs: &StructArray, fields: &Fields) -> std::result::Result<StructArray, ArrowError> {
    let children = structs.columns().iter().zip(fields);
    let children: std::result::Result<Vec<ArrayRef>, ArrowError> =
        children.map(|(child, field)| stored_column(child, field.data_type())).collect();
    StructArray::try_new(fields.clone(), children?, structs.nulls().cloned())
}

fn exact_microseconds(column: &ArrayRef, target: &DataType) -> std::result::Result<ArrayRef, ArrowError> {
    let nanoseconds =
        column.as_any().downcast_ref::<arrow::array::TimestampNanosecondArray>().ok_or_else(|| lost(column))?;
    if let Some(value) = nanoseconds.iter().flatten().find(|value| value % 1000 != 0) {
        return Err(ArrowError::CastError(format!(
            "timestamp of {value} ns is finer than the microseconds that Delta stores"
        )));
    }
    cast_with_options(column, target, &EXACT)
}

fn lost(column: &ArrayRef) -> ArrowError {
    ArrowError::CastError(format!("array is not the {} that it says", column.data_type()))
}

/// Casts columns exactly to another stored schema by name, adding NULLs for columns that are missing.
///
/// # Errors
/// [`ArrowError`] when a value does not convert exactly.
pub fn conform_batch(batch: &RecordBatch, schema: &SchemaRef) -> std::result::Result<RecordBatch, ArrowError> {
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let names = batch.schema();
        let place = names.fields().iter().position(|column| column.name().eq_ignore_ascii_case(field.name()));
        columns.push(match place.map(|place| batch.column(place)) {
            Some(column) => exact_cast(column, field.data_type())?,
            None => arrow::array::new_null_array(field.data_type(), batch.num_rows()),
        });
    }
    RecordBatch::try_new_with_options(
        Arc::clone(schema),
        columns,
        &RecordBatchOptions::new().with_row_count(Some(batch.num_rows())),
    )
}

/// A cast that must come back to the same value.
fn exact_cast(column: &ArrayRef, target: &DataType) -> std::result::Result<ArrayRef, ArrowError> {
    if column.data_type() == target {
        return Ok(Arc::clone(column));
    }
    let there = cast_with_options(column, target, &EXACT)?;
    if *target != DataType::Utf8 {
        let back = cast_with_options(&there, column.data_type(), &EXACT)?;
        if back.as_ref() != column.as_ref() {
            return Err(ArrowError::CastError(format!(
                "a value does not convert exactly from {} to {target}",
                column.data_type()
            )));
        }
    }
    Ok(there)
}

/// Delta's schema string for a stored schema.
pub fn delta_schema(schema: &Schema) -> Value {
    delta_struct(schema.fields())
}

fn delta_struct(fields: &Fields) -> Value {
    let fields: Vec<Value> = fields
        .iter()
        .map(|field| json!({"name": field.name(), "type": delta_type(field.data_type()), "nullable": true, "metadata": {}}))
        .collect();
    json!({"type": "struct", "fields": fields})
}

fn delta_type(data_type: &DataType) -> Value {
    use DataType as D;
    match data_type {
        D::Boolean => json!("boolean"),
        D::Int8 => json!("byte"),
        D::Int16 => json!("short"),
        D::Int32 => json!("integer"),
        D::Int64 => json!("long"),
        D::Float32 => json!("float"),
        D::Float64 => json!("double"),
        D::Date32 => json!("date"),
        D::Binary => json!("binary"),
        D::Timestamp(_, None) => json!("timestamp_ntz"),
        D::Timestamp(_, Some(_)) => json!("timestamp"),
        D::Decimal128(precision, scale) => json!(format!("decimal({precision},{scale})")),
        D::List(item) => json!({"type": "array", "elementType": delta_type(item.data_type()), "containsNull": true}),
        D::Struct(fields) => delta_struct(fields),
        D::Map(entries, _) => {
            let (key, value) = map_types(entries).map_or_else(
                || (json!("string"), json!("string")),
                |(key, value)| (delta_type(key), delta_type(value)),
            );
            json!({"type": "map", "keyType": key, "valueType": value, "valueContainsNull": true})
        }
        _ => json!("string"),
    }
}

/// The stored schema that a Delta schema string describes; `None` for types that Pintail does not write.
pub fn schema_from_delta(schema: &Value) -> Option<SchemaRef> {
    Some(Arc::new(Schema::new(fields_from_delta(schema)?)))
}

fn fields_from_delta(schema: &Value) -> Option<Fields> {
    schema
        .get("fields")?
        .as_array()?
        .iter()
        .map(|field| Some(Field::new(field.get("name")?.as_str()?, type_from_delta(field.get("type")?)?, true)))
        .collect()
}

fn type_from_delta(text: &Value) -> Option<DataType> {
    use DataType as D;
    if let Some(name) = text.as_str() {
        return Some(match name {
            "boolean" => D::Boolean,
            "byte" => D::Int8,
            "short" => D::Int16,
            "integer" => D::Int32,
            "long" => D::Int64,
            "float" => D::Float32,
            "double" => D::Float64,
            "date" => D::Date32,
            "binary" => D::Binary,
            "string" => D::Utf8,
            "timestamp_ntz" => D::Timestamp(TimeUnit::Microsecond, None),
            "timestamp" => D::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            _ => {
                let (precision, scale) = name.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
                D::Decimal128(precision.trim().parse().ok()?, scale.trim().parse().ok()?)
            }
        });
    }
    match text.get("type")?.as_str()? {
        "array" => Some(D::List(Arc::new(Field::new("element", type_from_delta(text.get("elementType")?)?, true)))),
        "map" => Some(map_of(type_from_delta(text.get("keyType")?)?, type_from_delta(text.get("valueType")?)?)),
        "struct" => Some(D::Struct(fields_from_delta(text)?)),
        _ => None,
    }
}

/// `DuckDB`'s name of a stored type.
pub fn duckdb_type(data_type: &DataType) -> String {
    use DataType as D;
    match data_type {
        D::Boolean => "BOOLEAN".to_owned(),
        D::Int8 => "TINYINT".to_owned(),
        D::Int16 => "SMALLINT".to_owned(),
        D::Int32 => "INTEGER".to_owned(),
        D::Int64 => "BIGINT".to_owned(),
        D::Float32 => "FLOAT".to_owned(),
        D::Float64 => "DOUBLE".to_owned(),
        D::Date32 => "DATE".to_owned(),
        D::Binary => "BLOB".to_owned(),
        D::Timestamp(_, None) => "TIMESTAMP".to_owned(),
        D::Timestamp(_, Some(_)) => "TIMESTAMP WITH TIME ZONE".to_owned(),
        D::Decimal128(precision, scale) => format!("DECIMAL({precision},{scale})"),
        D::List(item) => format!("{}[]", duckdb_type(item.data_type())),
        D::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| format!("\"{}\" {}", field.name().replace('"', "\"\""), duckdb_type(field.data_type())))
                .collect();
            format!("STRUCT({})", fields.join(", "))
        }
        D::Map(entries, _) => {
            let of = |data_type: Option<&DataType>| data_type.map_or_else(|| "VARCHAR".to_owned(), duckdb_type);
            let types = map_types(entries);
            format!("MAP({}, {})", of(types.map(|types| types.0)), of(types.map(|types| types.1)))
        }
        _ => "VARCHAR".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Decimal128Array, TimestampNanosecondArray, UInt64Array};

    use super::*;

    fn store(column: ArrayRef) -> std::result::Result<ArrayRef, String> {
        let batch = RecordBatch::try_from_iter([("x", column)]).unwrap();
        let schema = stored_schema(&batch.schema()).unwrap();
        stored_batch(&batch, &schema).map(|batch| Arc::clone(batch.column(0))).map_err(|error| error.to_string())
    }

    #[test]
    fn the_largest_unsigned_integer_is_stored_exactly() {
        let stored = store(Arc::new(UInt64Array::from(vec![u64::MAX]))).unwrap();
        let expected =
            Decimal128Array::from(vec![18_446_744_073_709_551_615_i128]).with_precision_and_scale(20, 0).unwrap();
        assert_eq!(stored.as_ref(), &expected as &dyn Array);
    }

    #[test]
    fn a_hugeint_of_39_digits_is_an_error() {
        let huge = Decimal128Array::from(vec![i128::MAX]).with_data_type(DataType::Decimal128(38, 0));
        let error = store(Arc::new(huge)).unwrap_err();
        assert!(error.contains("too large to store in a Decimal128 of precision 38"), "{error}");
    }

    #[test]
    fn nanoseconds_are_stored_or_refused_never_cut() {
        assert!(store(Arc::new(TimestampNanosecondArray::from(vec![1_000]))).is_ok());
        let error = store(Arc::new(TimestampNanosecondArray::from(vec![1_001]))).unwrap_err();
        assert!(error.contains("timestamp of 1001 ns is finer"), "{error}");
    }

    #[test]
    fn a_stored_schema_survives_the_way_through_delta() {
        let inner = Fields::from(vec![Field::new("a", DataType::Int8, true), Field::new("b", DataType::Binary, true)]);
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int64, true),
            Field::new("money", DataType::Decimal128(12, 2), true),
            Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, None), true),
            Field::new("seen", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
            Field::new("tags", DataType::List(Arc::new(Field::new("element", DataType::Utf8, true))), true),
            Field::new("nested", DataType::Struct(inner), true),
            Field::new("scores", map_of(DataType::Utf8, DataType::Int64), true),
        ]);
        assert_eq!(schema_from_delta(&delta_schema(&schema)).unwrap().as_ref(), &schema);
    }
}

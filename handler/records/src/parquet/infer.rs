//! The type of a Parquet column, in the reader's words; JSON text for what has no such type.

use ::parquet::arrow::arrow_reader::ArrowReaderMetadata;
use ::parquet::basic::LogicalType;
use arrow::datatypes::{DataType, Field};

use crate::types::Type;

/// How deep lists and structs may stand in each other before they become JSON.
const DEPTH: usize = 16;

/// The columns with their types.
pub(super) fn infer_types(metadata: &ArrowReaderMetadata) -> Vec<(String, Type)> {
    let root = metadata.metadata().file_metadata().schema_descr().root_schema();
    let column = |(field, parquet): (&std::sync::Arc<Field>, &::parquet::schema::types::TypePtr)| {
        let inferred = match parquet.get_basic_info().logical_type_ref() {
            Some(LogicalType::Uuid) if parquet.is_primitive() => Type::Uuid,
            Some(LogicalType::Json) if parquet.is_primitive() => Type::Json,
            _ => infer_type(field.data_type(), 0),
        };
        (field.name().clone(), inferred)
    };
    metadata.schema().fields().iter().zip(root.get_fields()).map(column).collect()
}

fn infer_type(data_type: &DataType, depth: usize) -> Type {
    match data_type {
        DataType::Boolean => Type::Boolean,
        DataType::Int8 => Type::TinyInt,
        DataType::Int16 => Type::SmallInt,
        DataType::Int32 => Type::Integer,
        DataType::Int64 => Type::BigInt,
        DataType::UInt8 => Type::UTinyInt,
        DataType::UInt16 => Type::USmallInt,
        DataType::UInt32 => Type::UInteger,
        DataType::UInt64 => Type::UBigInt,
        DataType::Float16 | DataType::Float32 => Type::Float,
        DataType::Float64 => Type::Double,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => infer_decimal(*precision, *scale),
        DataType::Null | DataType::Decimal256(..) | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            Type::Varchar
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => Type::Blob,
        DataType::Date32 => Type::Date,
        DataType::Time32(_) | DataType::Time64(_) => Type::Time,
        DataType::Interval(_) => Type::Interval,
        DataType::Timestamp(_, None) => Type::Timestamp,
        DataType::Timestamp(_, Some(_)) => Type::TimestampTz,
        DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _)
            if depth < DEPTH =>
        {
            Type::List(Box::new(infer_type(element.data_type(), depth + 1)))
        }
        DataType::Struct(fields) if depth < DEPTH => infer_struct(fields.iter().map(AsRef::as_ref), depth),
        _ => Type::Json,
    }
}

fn infer_decimal(precision: u8, scale: i8) -> Type {
    match u8::try_from(scale) {
        Ok(scale) if scale <= precision => Type::Decimal { precision, scale },
        _ => Type::Varchar,
    }
}

/// A struct whose names differ in more than their case; other ones have no type.
fn infer_struct<'f>(fields: impl Iterator<Item = &'f Field>, depth: usize) -> Type {
    let mut parts: Vec<(String, Type)> = Vec::new();
    for field in fields {
        if parts.iter().any(|(name, _)| name.eq_ignore_ascii_case(field.name())) {
            return Type::Json;
        }
        parts.push((field.name().clone(), infer_type(field.data_type(), depth + 1)));
    }
    if parts.is_empty() { Type::Json } else { Type::Struct(parts) }
}

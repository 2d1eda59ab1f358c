//! The exact types, in `DuckDB`'s names: what a declared column may be, and how Arrow holds it.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod parse;

pub use parse::UnknownType;

/// The type of a column. Written and parsed in `DuckDB`'s words.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Type {
    /// `true` or `false`.
    Boolean,
    /// 8 bits.
    TinyInt,
    /// 16 bits.
    SmallInt,
    /// 32 bits.
    Integer,
    /// 64 bits.
    BigInt,
    /// Up to 38 digits (`DuckDB`'s own goes a little further; Arrow has no such integer).
    HugeInt,
    /// [`Self::HugeInt`] without a sign.
    UHugeInt,
    /// 8 bits, no sign.
    UTinyInt,
    /// 16 bits, no sign.
    USmallInt,
    /// 32 bits, no sign.
    UInteger,
    /// 64 bits, no sign.
    UBigInt,
    /// IEEE 754, 32 bits.
    Float,
    /// IEEE 754, 64 bits.
    Double,
    /// Exact decimal digits.
    Decimal {
        /// All digits, 1 to 38.
        precision: u8,
        /// Digits after the point, at most `precision`.
        scale: u8,
    },
    /// Text, UTF-8.
    Varchar,
    /// Text of so many characters at most.
    Text(u32),
    /// One of these texts.
    Enum(Vec<String>),
    /// Bytes.
    Blob,
    /// A day of the proleptic Gregorian calendar.
    Date,
    /// A time of day in microseconds.
    Time,
    /// Date and time in microseconds, without time zone.
    Timestamp,
    /// [`Self::Timestamp`] with whole seconds only.
    TimestampS,
    /// [`Self::Timestamp`] with whole milliseconds only.
    TimestampMs,
    /// A moment in microseconds, kept in UTC.
    TimestampTz,
    /// Months, days and microseconds.
    Interval,
    /// JSON text.
    Json,
    /// A UUID as its canonical text.
    Uuid,
    /// Any number of values of one type.
    List(Box<Type>),
    /// Named values.
    Struct(Vec<(String, Type)>),
    /// Keys, each of them once, and their values.
    Map(Box<Type>, Box<Type>),
}

impl Type {
    /// How Arrow holds it.
    #[must_use]
    pub fn arrow(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::TinyInt => DataType::Int8,
            Self::SmallInt => DataType::Int16,
            Self::Integer => DataType::Int32,
            Self::BigInt => DataType::Int64,
            Self::HugeInt | Self::UHugeInt => DataType::Decimal128(38, 0),
            Self::UTinyInt => DataType::UInt8,
            Self::USmallInt => DataType::UInt16,
            Self::UInteger => DataType::UInt32,
            Self::UBigInt => DataType::UInt64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Decimal { precision, scale } => {
                DataType::Decimal128(*precision, i8::try_from(*scale).unwrap_or(i8::MAX))
            }
            Self::Varchar | Self::Text(_) | Self::Enum(_) | Self::Json | Self::Uuid => DataType::Utf8,
            Self::Blob => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Time => DataType::Time64(TimeUnit::Microsecond),
            Self::Timestamp | Self::TimestampS | Self::TimestampMs => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
            Self::List(element) => DataType::List(Self::element_field(element)),
            Self::Map(key, value) => DataType::Map(Self::entries_field(key, value), false),
            Self::Struct(fields) => DataType::Struct(Self::struct_fields(fields)),
        }
    }

    /// The Arrow field of a list's elements.
    pub(crate) fn element_field(element: &Self) -> Arc<Field> {
        Arc::new(Field::new("element", element.arrow(), true))
    }

    /// The Arrow field of a map's entries.
    pub(crate) fn entries_field(key: &Self, value: &Self) -> Arc<Field> {
        let fields = vec![Field::new("key", key.arrow(), false), Field::new("value", value.arrow(), true)];
        Arc::new(Field::new("key_value", DataType::Struct(fields.into()), false))
    }

    /// The Arrow fields of a struct.
    pub(crate) fn struct_fields(fields: &[(String, Self)]) -> Fields {
        fields.iter().map(|(name, data_type)| Field::new(name, data_type.arrow(), true)).collect()
    }
}

impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Boolean => "BOOLEAN",
            Self::TinyInt => "TINYINT",
            Self::SmallInt => "SMALLINT",
            Self::Integer => "INTEGER",
            Self::BigInt => "BIGINT",
            Self::HugeInt => "HUGEINT",
            Self::UHugeInt => "UHUGEINT",
            Self::UTinyInt => "UTINYINT",
            Self::USmallInt => "USMALLINT",
            Self::UInteger => "UINTEGER",
            Self::UBigInt => "UBIGINT",
            Self::Float => "FLOAT",
            Self::Double => "DOUBLE",
            Self::Varchar => "VARCHAR",
            Self::Blob => "BLOB",
            Self::Date => "DATE",
            Self::Time => "TIME",
            Self::Timestamp => "TIMESTAMP",
            Self::TimestampS => "TIMESTAMP_S",
            Self::TimestampMs => "TIMESTAMP_MS",
            Self::TimestampTz => "TIMESTAMP WITH TIME ZONE",
            Self::Interval => "INTERVAL",
            Self::Json => "JSON",
            Self::Uuid => "UUID",
            Self::Decimal { precision, scale } => return write!(formatter, "DECIMAL({precision},{scale})"),
            Self::Text(length) => return write!(formatter, "VARCHAR({length})"),
            Self::Enum(values) => return write_enum(formatter, values),
            Self::List(element) => return write!(formatter, "{element}[]"),
            Self::Map(key, value) => return write!(formatter, "MAP({key}, {value})"),
            Self::Struct(fields) => return write_struct(formatter, fields),
        };
        formatter.write_str(name)
    }
}

fn write_enum(formatter: &mut fmt::Formatter<'_>, values: &[String]) -> fmt::Result {
    let values: Vec<String> = values.iter().map(|value| format!("'{}'", value.replace('\'', "''"))).collect();
    write!(formatter, "ENUM({})", values.join(", "))
}

fn write_struct(formatter: &mut fmt::Formatter<'_>, fields: &[(String, Type)]) -> fmt::Result {
    formatter.write_str("STRUCT(")?;
    for (position, (name, data_type)) in fields.iter().enumerate() {
        let separator = if position == 0 { "" } else { ", " };
        write!(formatter, "{separator}\"{}\" {data_type}", name.replace('"', "\"\""))?;
    }
    formatter.write_str(")")
}

impl Serialize for Type {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

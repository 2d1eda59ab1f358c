//! One value of an Arrow array, as Parquet gives it: in its own type, before it is converted.

use std::fmt::Write as _;

use arrow::array::{Array, ArrayRef, AsArray, StructArray};
use arrow::datatypes::{
    DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Float16Type, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
    IntervalUnit, Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use chrono::{DateTime, NaiveDate, TimeDelta};

use super::Misfit;
use super::decimals::render_decimal;
use super::intervals::render_interval;
use super::temporal::{DAY, refuse_range};
use crate::text::escape_bytes;

/// A value.
pub(crate) enum Cell<'a> {
    Null,
    Boolean(bool),
    Integer(i128),
    Float(f32),
    Double(f64),
    /// Unscaled, and the scale.
    Decimal(i128, i8),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Days since 1970.
    Date(i32),
    /// Nanoseconds of the day.
    Time(i64),
    /// Since 1970; in UTC where it is zoned.
    Moment {
        nanoseconds: i128,
        zoned: bool,
    },
    Interval(IntervalMonthDayNano),
    Nested(Nested<'a>),
    /// Of a type that no column can have; only its text is known.
    Other(String),
}

/// A value that holds values.
pub(crate) enum Nested<'a> {
    List(ArrayRef),
    Struct(&'a StructArray, usize),
    Map(StructArray),
}

impl<'a> Cell<'a> {
    /// The value of a row. The row must exist.
    pub(crate) fn new(array: &'a dyn Array, row: usize) -> Self {
        if array.is_null(row) || *array.data_type() == DataType::Null {
            return Self::Null;
        }
        Self::number(array, row).or_else(|| Self::temporal(array, row)).unwrap_or_else(|| Self::other(array, row))
    }

    fn number(array: &'a dyn Array, row: usize) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Boolean => Self::Boolean(array.as_boolean().value(row)),
            DataType::Int8 => Self::Integer(array.as_primitive::<Int8Type>().value(row).into()),
            DataType::Int16 => Self::Integer(array.as_primitive::<Int16Type>().value(row).into()),
            DataType::Int32 => Self::Integer(array.as_primitive::<Int32Type>().value(row).into()),
            DataType::Int64 => Self::Integer(array.as_primitive::<Int64Type>().value(row).into()),
            DataType::UInt8 => Self::Integer(array.as_primitive::<UInt8Type>().value(row).into()),
            DataType::UInt16 => Self::Integer(array.as_primitive::<UInt16Type>().value(row).into()),
            DataType::UInt32 => Self::Integer(array.as_primitive::<UInt32Type>().value(row).into()),
            DataType::UInt64 => Self::Integer(array.as_primitive::<UInt64Type>().value(row).into()),
            DataType::Float16 => Self::Float(array.as_primitive::<Float16Type>().value(row).to_f32()),
            DataType::Float32 => Self::Float(array.as_primitive::<Float32Type>().value(row)),
            DataType::Float64 => Self::Double(array.as_primitive::<Float64Type>().value(row)),
            DataType::Decimal32(_, scale) => {
                Self::Decimal(array.as_primitive::<Decimal32Type>().value(row).into(), *scale)
            }
            DataType::Decimal64(_, scale) => {
                Self::Decimal(array.as_primitive::<Decimal64Type>().value(row).into(), *scale)
            }
            DataType::Decimal128(_, scale) => Self::Decimal(array.as_primitive::<Decimal128Type>().value(row), *scale),
            _ => return None,
        })
    }

    fn temporal(array: &'a dyn Array, row: usize) -> Option<Self> {
        let moment = |value: i64, factor: i128, zone: bool| Self::Moment {
            nanoseconds: i128::from(value) * factor,
            zoned: zone,
        };
        Some(match array.data_type() {
            DataType::Date32 => Self::Date(array.as_primitive::<Date32Type>().value(row)),
            DataType::Date64 => moment(array.as_primitive::<Date64Type>().value(row), 1_000_000, false),
            DataType::Time32(TimeUnit::Second) => {
                Self::Time(i64::from(array.as_primitive::<Time32SecondType>().value(row)).saturating_mul(1_000_000_000))
            }
            DataType::Time32(_) => Self::Time(
                i64::from(array.as_primitive::<Time32MillisecondType>().value(row)).saturating_mul(1_000_000),
            ),
            DataType::Time64(TimeUnit::Microsecond) => {
                Self::Time(array.as_primitive::<Time64MicrosecondType>().value(row).saturating_mul(1000))
            }
            DataType::Time64(_) => Self::Time(array.as_primitive::<Time64NanosecondType>().value(row)),
            DataType::Timestamp(unit, zone) => {
                let (value, factor) = match unit {
                    TimeUnit::Second => (array.as_primitive::<TimestampSecondType>().value(row), 1_000_000_000),
                    TimeUnit::Millisecond => (array.as_primitive::<TimestampMillisecondType>().value(row), 1_000_000),
                    TimeUnit::Microsecond => (array.as_primitive::<TimestampMicrosecondType>().value(row), 1000),
                    TimeUnit::Nanosecond => (array.as_primitive::<TimestampNanosecondType>().value(row), 1),
                };
                moment(value, factor, zone.is_some())
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                Self::Interval(array.as_primitive::<IntervalMonthDayNanoType>().value(row))
            }
            _ => return None,
        })
    }

    fn other(array: &'a dyn Array, row: usize) -> Self {
        match array.data_type() {
            DataType::Utf8 => Self::Text(array.as_string::<i32>().value(row)),
            DataType::LargeUtf8 => Self::Text(array.as_string::<i64>().value(row)),
            DataType::Utf8View => Self::Text(array.as_string_view().value(row)),
            DataType::Binary => Self::Bytes(array.as_binary::<i32>().value(row)),
            DataType::LargeBinary => Self::Bytes(array.as_binary::<i64>().value(row)),
            DataType::BinaryView => Self::Bytes(array.as_binary_view().value(row)),
            DataType::FixedSizeBinary(_) => Self::Bytes(array.as_fixed_size_binary().value(row)),
            DataType::List(_) => Self::Nested(Nested::List(array.as_list::<i32>().value(row))),
            DataType::LargeList(_) => Self::Nested(Nested::List(array.as_list::<i64>().value(row))),
            DataType::FixedSizeList(..) => Self::Nested(Nested::List(array.as_fixed_size_list().value(row))),
            DataType::Struct(_) => Self::Nested(Nested::Struct(array.as_struct(), row)),
            DataType::Map(..) => Self::Nested(Nested::Map(array.as_map().value(row))),
            _ => Self::Other(arrow::util::display::array_value_to_string(array, row).unwrap_or_default()),
        }
    }

    /// The value as text, exactly; or why it has none.
    pub(crate) fn to_text(&self) -> Result<String, Misfit> {
        Ok(match self {
            Self::Null => return Err(Misfit::Because("a NULL has no text".to_owned())),
            Self::Boolean(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Float(value) => format!("{value:?}"),
            Self::Double(value) => format!("{value:?}"),
            Self::Decimal(value, scale) => render_decimal(*value, *scale),
            Self::Text(text) => (*text).to_owned(),
            Self::Bytes(bytes) => read_text(bytes)?.to_owned(),
            Self::Date(days) => render_date(*days),
            Self::Time(nanoseconds) => render_time(*nanoseconds).ok_or_else(refuse_range)?,
            Self::Moment { nanoseconds, zoned } => {
                render_moment(*nanoseconds, if *zoned { "%Y-%m-%d %H:%M:%S%.f+00:00" } else { "%Y-%m-%d %H:%M:%S%.f" })
            }
            Self::Interval(interval) => {
                render_interval(interval.months.into(), interval.days.into(), interval.nanoseconds)
            }
            Self::Nested(_) => self.to_json()?,
            Self::Other(text) => text.clone(),
        })
    }

    /// The value as JSON, exactly; or why there is none.
    pub(crate) fn to_json(&self) -> Result<String, Misfit> {
        self.render(true)
    }

    /// The value as JSON for whoever looks at a reject: there always is one, and it is not always exact.
    pub(crate) fn show(&self) -> String {
        self.render(false).unwrap_or_default()
    }

    fn show_text(&self) -> String {
        match self {
            Self::Bytes(bytes) => escape_bytes(bytes),
            Self::Time(nanoseconds) => self.to_text().unwrap_or_else(|_| format!("{nanoseconds} ns of the day")),
            Self::Nested(_) => self.show(),
            other => other.to_text().unwrap_or_default(),
        }
    }

    fn render(&self, exact: bool) -> Result<String, Misfit> {
        let tell = |cell: &Cell<'_>| if exact { cell.to_text() } else { Ok(cell.show_text()) };
        Ok(match self {
            Self::Null => "null".to_owned(),
            Self::Boolean(_) | Self::Integer(_) | Self::Decimal(..) => tell(self)?,
            Self::Float(value) if value.is_finite() => tell(self)?,
            Self::Double(value) if value.is_finite() => tell(self)?,
            Self::Nested(Nested::List(elements)) => {
                let element = |row| Cell::new(elements.as_ref(), row).render(exact);
                format!("[{}]", (0..elements.len()).map(element).collect::<Result<Vec<_>, _>>()?.join(","))
            }
            Self::Nested(Nested::Struct(array, row)) => {
                let part = |column: &ArrayRef| Cell::new(column, *row).render(exact);
                let parts = array.columns().iter().map(part).collect::<Result<Vec<_>, _>>()?;
                render_object(array.fields().iter().map(|field| field.name()).zip(parts))
            }
            Self::Nested(Nested::Map(entries)) => {
                let (keys, values) = (entries.column(0), entries.column(1));
                let entry = |row| Ok((tell(&Cell::new(keys, row))?, Cell::new(values, row).render(exact)?));
                render_object((0..entries.len()).map(entry).collect::<Result<Vec<_>, _>>()?.into_iter())
            }
            other => quote(&tell(other)?),
        })
    }
}

/// Bytes that are a text.
pub(super) fn read_text(bytes: &[u8]) -> Result<&str, Misfit> {
    std::str::from_utf8(bytes).map_err(|_| Misfit::Rule("is not UTF-8 text".to_owned()))
}

/// A JSON object of names and JSON texts.
pub(crate) fn render_object<N: AsRef<str>, V: AsRef<str>>(entries: impl Iterator<Item = (N, V)>) -> String {
    let mut text = String::from("{");
    for (name, value) in entries {
        let separator = if text.len() == 1 { "" } else { "," };
        let _ = write!(text, "{separator}{}:{}", quote(name.as_ref()), value.as_ref());
    }
    text.push('}');
    text
}

/// A JSON string.
pub(crate) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn render_date(days: i32) -> String {
    let epoch = NaiveDate::default();
    epoch
        .checked_add_signed(TimeDelta::days(days.into()))
        .map_or_else(|| format!("day {days} of 1970"), |date| date.to_string())
}

/// A time of the day, or its end; there is no other one.
fn render_time(nanoseconds: i64) -> Option<String> {
    const END: i64 = DAY * 1000;
    match nanoseconds {
        0..END => Some(render_moment(nanoseconds.into(), "%H:%M:%S%.f")),
        END => Some("24:00:00".to_owned()),
        _ => None,
    }
}

fn render_moment(nanoseconds: i128, format: &str) -> String {
    let seconds = i64::try_from(nanoseconds.div_euclid(1_000_000_000)).ok();
    let fraction = u32::try_from(nanoseconds.rem_euclid(1_000_000_000)).unwrap_or(0);
    let moment = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, fraction));
    moment.map_or_else(|| format!("{nanoseconds} ns after 1970"), |moment| moment.format(format).to_string())
}

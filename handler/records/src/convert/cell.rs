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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::*;
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::{Field, Fields, Float16Type};

    use super::*;

    /// A list of all elements, in one value of each kind of list.
    fn lists(elements: &ArrayRef) -> [ArrayRef; 3] {
        let field = Arc::new(Field::new("element", elements.data_type().clone(), true));
        let (length, size) = (elements.len(), i32::try_from(elements.len()).unwrap());
        [
            Arc::new(ListArray::new(field.clone(), OffsetBuffer::from_lengths([length]), elements.clone(), None)),
            Arc::new(LargeListArray::new(field.clone(), OffsetBuffer::from_lengths([length]), elements.clone(), None)),
            Arc::new(FixedSizeListArray::new(field, size, elements.clone(), None)),
        ]
    }

    fn map(keys: ArrayRef, values: ArrayRef) -> ArrayRef {
        let length = keys.len();
        let field = |name: &str, array: &ArrayRef| Field::new(name, array.data_type().clone(), name == "value");
        let fields = Fields::from(vec![field("key", &keys), field("value", &values)]);
        let entries = StructArray::new(fields, vec![keys, values], None);
        let field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
        Arc::new(MapArray::new(field, OffsetBuffer::from_lengths([length]), entries, None, false))
    }

    fn check(cases: Vec<(ArrayRef, &str)>) {
        for (array, json) in cases {
            let cell = Cell::new(array.as_ref(), 0);
            assert_eq!((cell.to_json().as_deref(), cell.show().as_str()), (Ok(json), json), "{}", array.data_type());
            let known = !matches!(array.data_type(), DataType::Duration(_));
            assert_eq!(!matches!(cell, Cell::Other(_)), known, "{}", array.data_type());
        }
    }

    #[test]
    fn a_number_of_each_type_is_told_in_json() {
        let half = <Float16Type as ArrowPrimitiveType>::Native::from_f32(1.5);
        check(vec![
            (Arc::new(NullArray::new(1)), "null"),
            (Arc::new(BooleanArray::from(vec![true])), "true"),
            (Arc::new(Int8Array::from(vec![-8])), "-8"),
            (Arc::new(Int16Array::from(vec![-1600])), "-1600"),
            (Arc::new(Int32Array::from(vec![-320_000])), "-320000"),
            (Arc::new(Int64Array::from(vec![i64::MIN])), "-9223372036854775808"),
            (Arc::new(UInt8Array::from(vec![u8::MAX])), "255"),
            (Arc::new(UInt16Array::from(vec![u16::MAX])), "65535"),
            (Arc::new(UInt32Array::from(vec![u32::MAX])), "4294967295"),
            (Arc::new(UInt64Array::from(vec![u64::MAX])), "18446744073709551615"),
            (Arc::new(Float16Array::from(vec![half])), "1.5"),
            (Arc::new(Float32Array::from(vec![0.1])), "0.1"),
            (Arc::new(Float64Array::from(vec![0.1 + 0.2])), "0.30000000000000004"),
            (Arc::new(Float32Array::from(vec![f32::INFINITY])), "\"inf\""),
            (Arc::new(Float64Array::from(vec![f64::NAN])), "\"NaN\""),
            (Arc::new(Decimal32Array::from(vec![-5]).with_precision_and_scale(9, 2).unwrap()), "-0.05"),
            (Arc::new(Decimal64Array::from(vec![1234]).with_precision_and_scale(18, 3).unwrap()), "1.234"),
            (Arc::new(Decimal128Array::from(vec![70]).with_precision_and_scale(38, 1).unwrap()), "7.0"),
        ]);
    }

    #[test]
    fn a_time_of_each_type_is_told_in_json() {
        let interval = IntervalMonthDayNano::new(14, -3, 1_500_000_000);
        check(vec![
            (Arc::new(Date32Array::from(vec![-1])), "\"1969-12-31\""),
            (Arc::new(Date64Array::from(vec![86_400_001])), "\"1970-01-02 00:00:00.001\""),
            (Arc::new(Time32SecondArray::from(vec![3661])), "\"01:01:01\""),
            (Arc::new(Time32MillisecondArray::from(vec![3_661_001])), "\"01:01:01.001\""),
            (Arc::new(Time64MicrosecondArray::from(vec![3_661_000_001])), "\"01:01:01.000001\""),
            (Arc::new(Time64NanosecondArray::from(vec![3_661_000_000_001])), "\"01:01:01.000000001\""),
            (Arc::new(Time64NanosecondArray::from(vec![DAY * 1000])), "\"24:00:00\""),
            (Arc::new(TimestampSecondArray::from(vec![-1])), "\"1969-12-31 23:59:59\""),
            (Arc::new(TimestampMillisecondArray::from(vec![1])), "\"1970-01-01 00:00:00.001\""),
            (Arc::new(TimestampMicrosecondArray::from(vec![1])), "\"1970-01-01 00:00:00.000001\""),
            (Arc::new(TimestampNanosecondArray::from(vec![-1])), "\"1969-12-31 23:59:59.999999999\""),
            (
                Arc::new(TimestampSecondArray::from(vec![1]).with_timezone("Europe/Paris")),
                "\"1970-01-01 00:00:01+00:00\"",
            ),
            (Arc::new(IntervalMonthDayNanoArray::from(vec![interval])), "\"P14M-3DT1.5S\""),
            (Arc::new(DurationSecondArray::from(vec![90])), "\"PT90S\""),
        ]);
    }

    #[test]
    fn a_text_and_a_nested_value_of_each_type_is_told_in_json() {
        let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(-3)]));
        let words: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        let [list, large, fixed] = lists(&numbers);
        let pair = StructArray::from(vec![
            (Arc::new(Field::new("n", DataType::Int32, true)), Arc::new(numbers.slice(0, 2)) as ArrayRef),
            (Arc::new(Field::new("\"w\"", DataType::Utf8, true)), words.clone()),
        ]);
        check(vec![
            (Arc::new(StringArray::from(vec!["é\"\n"])), r#""é\"\n""#),
            (Arc::new(LargeStringArray::from(vec!["large"])), "\"large\""),
            (Arc::new(StringViewArray::from(vec!["a view of more than 12 bytes"])), "\"a view of more than 12 bytes\""),
            (Arc::new(BinaryArray::from(vec![&b"bytes"[..]])), "\"bytes\""),
            (Arc::new(LargeBinaryArray::from(vec![&b"large"[..]])), "\"large\""),
            (
                Arc::new(BinaryViewArray::from(vec![&b"a view of more than 12 bytes"[..]])),
                "\"a view of more than 12 bytes\"",
            ),
            (Arc::new(FixedSizeBinaryArray::try_from_iter([b"four"].into_iter()).unwrap()), "\"four\""),
            (list, "[1,null,-3]"),
            (large, "[1,null,-3]"),
            (fixed, "[1,null,-3]"),
            (Arc::new(pair), r#"{"n":1,"\"w\"":"a"}"#),
            (map(words.clone(), numbers.slice(1, 2)), r#"{"a":null,"b":-3}"#),
            (map(numbers.slice(2, 1), words.slice(1, 1)), r#"{"-3":"b"}"#),
        ]);
    }

    #[test]
    fn what_has_no_exact_text_is_shown_nevertheless() {
        let no_text = Err(Misfit::Rule("is not UTF-8 text".to_owned()));
        let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&b"a\xff"[..], b"b"]));
        let late: ArrayRef = Arc::new(Time64NanosecondArray::from(vec![-1, DAY * 1000 + 1]));
        let [list, ..] = lists(&bytes);
        let keyed = map(bytes.slice(0, 1), late.slice(0, 1));
        let cases: [(&ArrayRef, usize, Result<String, Misfit>, &str); 5] = [
            (&bytes, 0, no_text.clone(), r#""a\\xFF""#),
            (&list, 0, no_text.clone(), r#"["a\\xFF","b"]"#),
            (&keyed, 0, no_text, r#"{"a\\xFF":"-1 ns of the day"}"#),
            (&late, 0, Err(refuse_range()), "\"-1 ns of the day\""),
            (&late, 1, Err(refuse_range()), "\"86400000000001 ns of the day\""),
        ];
        for (array, row, exact, shown) in cases {
            let cell = Cell::new(array.as_ref(), row);
            assert_eq!((cell.to_json(), cell.show().as_str()), (exact, shown));
        }
        let far: ArrayRef = Arc::new(Date32Array::from(vec![i32::MAX]));
        assert_eq!(Cell::new(&far, 0).show(), "\"day 2147483647 of 1970\"");
    }
}

//! Values of which the decoder gives only one half, so that they are decoded twice and put together.
//!
//! 96-bit timestamps, as older writers store them, are nanoseconds of a Julian day. No integer of 64 bits holds all of them,
//! and the decoder wraps or cuts what does not fit: the first time they are seconds, which always fit, and the second time
//! nanoseconds, which are right in their last 64 bits and tell the rest. Of an INTERVAL the first half is its months, the
//! second one its days and milliseconds.

use std::sync::Arc;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use ::parquet::basic::{ConvertedType, Type as Physical};
use ::parquet::errors::ParquetError;
use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, StringArray, StructArray};
use arrow::array::{IntervalMonthDayNanoArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, Schema, TimeUnit};
use arrow::datatypes::{IntervalDayTime, IntervalDayTimeType, IntervalMonthDayNano, IntervalYearMonthType};
use arrow::datatypes::{TimestampNanosecondType, TimestampSecondType};
use arrow::error::ArrowError;

use crate::convert::cell::Cell;
use crate::convert::intervals::render_interval;

const BILLION: i128 = 1_000_000_000;

/// How the columns with such values are decoded once more.
pub(super) struct Halves {
    /// To their second halves.
    pub(super) metadata: ArrowReaderMetadata,
    /// These columns only.
    pub(super) mask: ProjectionMask,
    /// Where they stand among all.
    positions: Vec<usize>,
}

impl Halves {
    /// How a file is decoded, the first time to first halves; `plain` is the decoder's own way. `None` where it has no such
    /// values.
    pub(super) fn of(
        plain: &ArrowReaderMetadata,
        options: &ArrowReaderOptions,
    ) -> Result<Option<(ArrowReaderMetadata, Self)>, ParquetError> {
        let descriptor = plain.metadata().file_metadata().schema_descr();
        let comes_in_halves = |leaf: &usize| {
            let column = descriptor.column(*leaf);
            column.physical_type() == Physical::INT96 || column.converted_type() == ConvertedType::INTERVAL
        };
        let halved: Vec<usize> = (0..descriptor.num_columns()).filter(comes_in_halves).collect();
        if halved.is_empty() {
            return Ok(None);
        }
        let mut positions: Vec<usize> = halved.iter().map(|leaf| descriptor.get_column_root_idx(*leaf)).collect();
        positions.dedup();
        let decoded_to = |half| {
            let mut leaves = (0..descriptor.num_columns()).map(|leaf| halved.contains(&leaf));
            let fields = plain.schema().fields();
            let fields: Vec<Field> = fields.iter().map(|field| with_half(field, half, &mut leaves)).collect();
            let options = options.clone().with_schema(Arc::new(Schema::new(fields)));
            ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), options)
        };
        let mask = ProjectionMask::roots(descriptor, positions.iter().copied());
        let again = Self { metadata: decoded_to(Half::Second)?, mask, positions };
        Ok(Some((decoded_to(Half::First)?, again)))
    }

    /// The rows of the first decoding with the values that the second one completes.
    pub(super) fn join(&self, rows: &RecordBatch, rest: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let (mut columns, mut fields) = (rows.columns().to_vec(), rows.schema_ref().fields().to_vec());
        for (position, rest) in self.positions.iter().zip(rest.columns()) {
            columns[*position] = join(&columns[*position], rest)?;
            fields[*position] = of_type(&fields[*position], &columns[*position]);
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
    }
}

/// Which half of a value is decoded.
#[derive(Debug, Clone, Copy)]
enum Half {
    First,
    Second,
}

impl Half {
    /// What the decoder makes of it, in the place of its own type.
    fn of(self, plain: &DataType) -> DataType {
        match (plain, self) {
            (DataType::Interval(_), Self::First) => DataType::Interval(IntervalUnit::YearMonth),
            (DataType::Interval(_), Self::Second) => DataType::Interval(IntervalUnit::DayTime),
            (_, Self::First) => DataType::Timestamp(TimeUnit::Second, None),
            (_, Self::Second) => DataType::Timestamp(TimeUnit::Nanosecond, None),
        }
    }
}

/// A field of which the next leaves tell whether they come in halves.
fn with_half(field: &Field, half: Half, leaves: &mut impl Iterator<Item = bool>) -> Field {
    let data_type = match field.data_type() {
        DataType::List(element) => DataType::List(Arc::new(with_half(element, half, leaves))),
        DataType::Map(entries, sorted) => DataType::Map(Arc::new(with_half(entries, half, leaves)), *sorted),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| with_half(field, half, leaves)).collect())
        }
        leaf if leaves.next() == Some(true) => half.of(leaf),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}

fn of_type(field: &FieldRef, array: &ArrayRef) -> FieldRef {
    Arc::new(field.as_ref().clone().with_data_type(array.data_type().clone()))
}

/// Two decodings of a column put together, whatever it is nested in.
fn join(first: &ArrayRef, second: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(match (first.data_type(), second.data_type()) {
        (DataType::Timestamp(TimeUnit::Second, None), DataType::Timestamp(TimeUnit::Nanosecond, None)) => {
            join_timestamps(first, second)
        }
        (DataType::Interval(IntervalUnit::YearMonth), DataType::Interval(IntervalUnit::DayTime)) => {
            join_intervals(first, second)
        }
        (DataType::List(element), _) => {
            let list = first.as_list::<i32>();
            let values = join(list.values(), second.as_list::<i32>().values())?;
            let (element, offsets) = (of_type(element, &values), list.offsets().clone());
            Arc::new(ListArray::try_new(element, offsets, values, list.nulls().cloned())?)
        }
        (DataType::Map(entries, sorted), _) => {
            let map = first.as_map();
            let joined = join_structs(map.entries(), second.as_map().entries())?;
            let entries = Arc::new(entries.as_ref().clone().with_data_type(joined.data_type().clone()));
            Arc::new(MapArray::try_new(entries, map.offsets().clone(), joined, map.nulls().cloned(), *sorted)?)
        }
        (DataType::Struct(_), _) => Arc::new(join_structs(first.as_struct(), second.as_struct())?),
        _ => Arc::clone(first),
    })
}

fn join_structs(first: &StructArray, second: &StructArray) -> Result<StructArray, ArrowError> {
    let columns = first.columns().iter().zip(second.columns());
    let columns: Vec<ArrayRef> = columns.map(|(first, second)| join(first, second)).collect::<Result<_, _>>()?;
    let fields = first.fields().iter().zip(&columns).map(|(field, column)| of_type(field, column)).collect();
    StructArray::try_new(fields, columns, first.nulls().cloned())
}

/// Microseconds where all can be told in them, else text, in which nothing is lost.
fn join_timestamps(seconds: &ArrayRef, nanoseconds: &ArrayRef) -> ArrayRef {
    let seconds = seconds.as_primitive::<TimestampSecondType>();
    let nanoseconds = nanoseconds.as_primitive::<TimestampNanosecondType>();
    let moment = |(seconds, nanoseconds): (Option<i64>, Option<i64>)| {
        let (seconds, last) = seconds.zip(nanoseconds)?;
        let rest = last.wrapping_sub(seconds.wrapping_mul(1_000_000_000));
        Some(i128::from(seconds) * BILLION + i128::from(rest))
    };
    let moments = || seconds.iter().zip(nanoseconds.iter()).map(moment);
    let in_microseconds = |moment: i128| (moment % 1000 == 0).then(|| i64::try_from(moment / 1000).ok()).flatten();
    if moments().flatten().all(|moment| in_microseconds(moment).is_some()) {
        let microseconds = moments().map(|moment| moment.and_then(in_microseconds));
        return Arc::new(microseconds.collect::<TimestampMicrosecondArray>());
    }
    let text = |nanoseconds| Cell::Moment { nanoseconds, zoned: false }.to_text().ok();
    Arc::new(moments().map(|moment| moment.and_then(text)).collect::<StringArray>())
}

/// Intervals where all can be told in them, else text, in which nothing is lost. The three numbers have no sign.
fn join_intervals(months: &ArrayRef, rest: &ArrayRef) -> ArrayRef {
    let months = months.as_primitive::<IntervalYearMonthType>();
    let rest = rest.as_primitive::<IntervalDayTimeType>();
    let parts = |(months, rest): (Option<i32>, Option<IntervalDayTime>)| {
        let (months, rest) = months.zip(rest)?;
        Some([months, rest.days, rest.milliseconds].map(i32::cast_unsigned))
    };
    let intervals = || months.iter().zip(rest.iter()).map(parts);
    let nanoseconds = |milliseconds: u32| i64::from(milliseconds) * 1_000_000;
    let interval = |[months, days, milliseconds]: [u32; 3]| {
        let (months, days) = (i32::try_from(months).ok()?, i32::try_from(days).ok()?);
        Some(IntervalMonthDayNano::new(months, days, nanoseconds(milliseconds)))
    };
    if intervals().flatten().all(|parts| interval(parts).is_some()) {
        return Arc::new(intervals().map(|parts| parts.and_then(interval)).collect::<IntervalMonthDayNanoArray>());
    }
    let text =
        |[months, days, milliseconds]: [u32; 3]| render_interval(months.into(), days.into(), nanoseconds(milliseconds));
    Arc::new(intervals().map(|parts| parts.map(text)).collect::<StringArray>())
}

//! 96-bit timestamps, as older writers store them: nanoseconds of a Julian day. No integer of 64 bits holds all of them, and
//! the decoder wraps or cuts what does not fit. So they are decoded twice, to seconds and to nanoseconds: the seconds
//! always fit, and the nanoseconds, right in their last 64 bits, tell the rest.

use std::sync::Arc;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use ::parquet::basic::Type as Physical;
use ::parquet::errors::ParquetError;
use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, StringArray, StructArray};
use arrow::array::{TimestampMicrosecondArray, types::TimestampNanosecondType, types::TimestampSecondType};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, TimeUnit};
use arrow::error::ArrowError;

use crate::convert::cell::Cell;

const BILLION: i128 = 1_000_000_000;

/// How the columns with 96-bit timestamps are decoded once more.
pub(super) struct Int96 {
    /// To nanoseconds.
    pub(super) metadata: ArrowReaderMetadata,
    /// These columns only.
    pub(super) mask: ProjectionMask,
    /// Where they stand among all.
    positions: Vec<usize>,
}

impl Int96 {
    /// How a file is decoded, the first time to seconds; `plain` is the decoder's own way. `None` where it has no such
    /// timestamps.
    pub(super) fn of(
        plain: &ArrowReaderMetadata,
        options: &ArrowReaderOptions,
    ) -> Result<Option<(ArrowReaderMetadata, Self)>, ParquetError> {
        let descriptor = plain.metadata().file_metadata().schema_descr();
        let is_old = |leaf: &usize| descriptor.column(*leaf).physical_type() == Physical::INT96;
        let old: Vec<usize> = (0..descriptor.num_columns()).filter(is_old).collect();
        if old.is_empty() {
            return Ok(None);
        }
        let mut positions: Vec<usize> = old.iter().map(|leaf| descriptor.get_column_root_idx(*leaf)).collect();
        positions.dedup();
        let decoded_to = |unit| {
            let mut leaves = (0..descriptor.num_columns()).map(|leaf| old.contains(&leaf));
            let fields = plain.schema().fields();
            let fields: Vec<Field> = fields.iter().map(|field| with_unit(field, unit, &mut leaves)).collect();
            let options = options.clone().with_schema(Arc::new(Schema::new(fields)));
            ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), options)
        };
        let mask = ProjectionMask::roots(descriptor, positions.iter().copied());
        let int96 = Self { metadata: decoded_to(TimeUnit::Nanosecond)?, mask, positions };
        Ok(Some((decoded_to(TimeUnit::Second)?, int96)))
    }

    /// Rows whose timestamps are seconds, with those that `nanoseconds` tell in full.
    pub(super) fn refine(&self, rows: &RecordBatch, nanoseconds: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let (mut columns, mut fields) = (rows.columns().to_vec(), rows.schema_ref().fields().to_vec());
        for (position, nanoseconds) in self.positions.iter().zip(nanoseconds.columns()) {
            columns[*position] = refine(&columns[*position], nanoseconds)?;
            fields[*position] = of_type(&fields[*position], &columns[*position]);
        }
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
    }
}

/// A field of which the next leaves tell whether they are 96-bit timestamps.
fn with_unit(field: &Field, unit: TimeUnit, leaves: &mut impl Iterator<Item = bool>) -> Field {
    let data_type = match field.data_type() {
        DataType::List(element) => DataType::List(Arc::new(with_unit(element, unit, leaves))),
        DataType::Map(entries, sorted) => DataType::Map(Arc::new(with_unit(entries, unit, leaves)), *sorted),
        DataType::Struct(fields) => {
            DataType::Struct(fields.iter().map(|field| with_unit(field, unit, leaves)).collect())
        }
        _ if leaves.next() == Some(true) => DataType::Timestamp(unit, None),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}

fn of_type(field: &FieldRef, array: &ArrayRef) -> FieldRef {
    Arc::new(field.as_ref().clone().with_data_type(array.data_type().clone()))
}

/// Two decodings of a column put together, whatever it is nested in.
fn refine(seconds: &ArrayRef, nanoseconds: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    Ok(match (seconds.data_type(), nanoseconds.data_type()) {
        (DataType::Timestamp(TimeUnit::Second, None), DataType::Timestamp(TimeUnit::Nanosecond, None)) => {
            refine_leaf(seconds, nanoseconds)
        }
        (DataType::List(element), _) => {
            let list = seconds.as_list::<i32>();
            let values = refine(list.values(), nanoseconds.as_list::<i32>().values())?;
            let (element, offsets) = (of_type(element, &values), list.offsets().clone());
            Arc::new(ListArray::try_new(element, offsets, values, list.nulls().cloned())?)
        }
        (DataType::Map(entries, sorted), _) => {
            let map = seconds.as_map();
            let refined = refine_struct(map.entries(), nanoseconds.as_map().entries())?;
            let entries = Arc::new(entries.as_ref().clone().with_data_type(refined.data_type().clone()));
            Arc::new(MapArray::try_new(entries, map.offsets().clone(), refined, map.nulls().cloned(), *sorted)?)
        }
        (DataType::Struct(_), _) => Arc::new(refine_struct(seconds.as_struct(), nanoseconds.as_struct())?),
        _ => Arc::clone(seconds),
    })
}

fn refine_struct(seconds: &StructArray, nanoseconds: &StructArray) -> Result<StructArray, ArrowError> {
    let columns = seconds.columns().iter().zip(nanoseconds.columns());
    let columns: Vec<ArrayRef> = columns.map(|(seconds, rest)| refine(seconds, rest)).collect::<Result<_, _>>()?;
    let fields = seconds.fields().iter().zip(&columns).map(|(field, column)| of_type(field, column)).collect();
    StructArray::try_new(fields, columns, seconds.nulls().cloned())
}

/// Microseconds where all can be told in them, else text, in which nothing is lost.
fn refine_leaf(seconds: &ArrayRef, nanoseconds: &ArrayRef) -> ArrayRef {
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

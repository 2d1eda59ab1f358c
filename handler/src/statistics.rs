//! Delta's per-file statistics from a Parquet footer: row count, NULL counts, smallest and largest values.
//!
//! Source: Delta's protocol, "Per-file Statistics". Bounds that a reader could not rely on are left out: those of floats
//! (Parquet leaves NaN out of them) and of decimals that a double does not hold.

use arrow::datatypes::{DataType, SchemaRef};
use chrono::{DateTime, Datelike, Utc};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use serde_json::{Map, Value, json};

const SECONDS_A_DAY: i64 = 86_400;

/// The statistics of a file, as JSON text.
pub fn of(metadata: &ParquetMetaData, schema: &SchemaRef, rows: u64) -> String {
    let (mut smallest, mut largest, mut nulls) = (Map::new(), Map::new(), Map::new());
    let columns = metadata.file_metadata().schema_descr();
    for (leaf, column) in columns.columns().iter().enumerate() {
        let path = column.path().parts();
        let ([name], Ok(field)) = (path, schema.field_with_name(&path[0])) else { continue };
        let mut bounds = Bounds::default();
        for group in metadata.row_groups() {
            bounds.add(group.column(leaf).statistics(), field.data_type(), group.num_rows());
        }
        if let Some(count) = bounds.nulls {
            nulls.insert(name.clone(), json!(count));
        }
        if let (Some(low), Some(high)) = (bounds.low.and_then(Bound::value), bounds.high.and_then(Bound::value)) {
            smallest.insert(name.clone(), low);
            largest.insert(name.clone(), high);
        }
    }
    json!({"numRecords": rows, "minValues": smallest, "maxValues": largest, "nullCount": nulls}).to_string()
}

struct Bounds {
    low: Option<Bound>,
    high: Option<Bound>,
    nulls: Option<u64>,
    complete: bool,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { low: None, high: None, nulls: Some(0), complete: true }
    }
}

/// A bound that can be compared, and knows how it is written.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum Bound {
    Integer(i64),
    Text(String),
    Date(i64),
    Decimal { unscaled: i64, scale: i8 },
    Timestamp { micros: i64, zoned: bool, up: bool },
}

impl Bounds {
    fn add(&mut self, statistics: Option<&Statistics>, data_type: &DataType, rows: i64) {
        let nulls = statistics.and_then(Statistics::null_count_opt);
        self.nulls = self.nulls.zip(nulls).map(|(sum, more)| sum + more);
        if nulls.is_some_and(|count| i64::try_from(count) == Ok(rows)) {
            return;
        }
        let group =
            statistics.and_then(|group| Some((bound(group, data_type, false)?, bound(group, data_type, true)?)));
        match group {
            Some((low, high)) if self.complete => {
                self.low = Some(self.low.take().filter(|former| *former <= low).unwrap_or(low));
                self.high = Some(self.high.take().filter(|former| *former >= high).unwrap_or(high));
            }
            _ => *self = Self { low: None, high: None, complete: false, nulls: self.nulls },
        }
    }
}

/// One end of a group's values; the trait that would make this a function is private to the parquet crate.
macro_rules! pick {
    ($values:expr, $up:expr) => {
        if $up { $values.max_opt() } else { $values.min_opt() }
    };
}

fn bound(statistics: &Statistics, data_type: &DataType, up: bool) -> Option<Bound> {
    match (statistics, data_type) {
        (Statistics::Int32(values), DataType::Date32) => Some(Bound::Date(i64::from(*pick!(values, up)?))),
        (Statistics::Int32(values), DataType::Int8 | DataType::Int16 | DataType::Int32) => {
            Some(Bound::Integer(i64::from(*pick!(values, up)?)))
        }
        (Statistics::Int64(values), DataType::Int64) => Some(Bound::Integer(*pick!(values, up)?)),
        (Statistics::Int32(values), DataType::Decimal128(_, scale)) => decimal(i64::from(*pick!(values, up)?), *scale),
        (Statistics::Int64(values), DataType::Decimal128(_, scale)) => decimal(*pick!(values, up)?, *scale),
        (Statistics::Int64(values), DataType::Timestamp(_, zone)) => {
            Some(Bound::Timestamp { micros: *pick!(values, up)?, zoned: zone.is_some(), up })
        }
        (Statistics::ByteArray(values), DataType::Utf8) => {
            std::str::from_utf8(pick!(values, up)?.data()).ok().map(|text| Bound::Text(text.to_owned()))
        }
        _ => None,
    }
}

/// Only decimals that a reader's double holds exactly.
fn decimal(unscaled: i64, scale: i8) -> Option<Bound> {
    (unscaled.abs() < 1_000_000_000_000_000).then_some(Bound::Decimal { unscaled, scale })
}

/// Years of four digits: readers know no others.
fn written(time: DateTime<Utc>) -> Option<DateTime<Utc>> {
    (0..=9999).contains(&time.year()).then_some(time)
}

impl Bound {
    fn value(self) -> Option<Value> {
        Some(match self {
            Self::Integer(value) => json!(value),
            Self::Text(text) => json!(text),
            Self::Date(days) => {
                json!(written(DateTime::from_timestamp(days * SECONDS_A_DAY, 0)?)?.format("%Y-%m-%d").to_string())
            }
            Self::Decimal { unscaled, scale } => {
                let digits = u32::try_from(scale).ok()?;
                #[expect(clippy::cast_precision_loss, reason = "below 10^15, which a double holds exactly")]
                let value = unscaled as f64 / 10_i64.checked_pow(digits)? as f64;
                json!(value)
            }
            // Milliseconds, rounded outwards.
            Self::Timestamp { micros, zoned, up } => {
                let millis = if up { micros.checked_add(999)?.div_euclid(1000) } else { micros.div_euclid(1000) };
                let format = if zoned { "%Y-%m-%dT%H:%M:%S%.3fZ" } else { "%Y-%m-%dT%H:%M:%S%.3f" };
                json!(written(DateTime::from_timestamp_millis(millis)?)?.format(format).to_string())
            }
        })
    }
}

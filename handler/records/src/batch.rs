//! A run of records on their way out: accepted rows as Arrow, rejects with their reasons.

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringBuilder};
use arrow::compute::filter_record_batch;

use crate::convert::ColumnBuilder;
use crate::error::Error;
use crate::plan::Plan;

/// Records in a batch.
pub(crate) const BATCH_RECORDS: usize = 8_192;

/// Record bytes in a batch: very wide records make it shorter.
const BATCH_BYTES: usize = 32 * 1024 * 1024;

/// Some consecutive records of the object: each one is either a row or a reject.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The accepted records, typed as the plan says.
    pub rows: RecordBatch,
    /// The number of each accepted record in the object, from 1.
    pub record_numbers: Vec<u64>,
    /// The records that do not conform.
    pub rejects: Vec<Reject>,
    /// The records counted: rows and rejects.
    pub records: u64,
}

/// A record that does not conform, with all that is needed to find and mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Its number in the object, from 1.
    pub record_number: u64,
    /// Its first line, from 1; `None` in Parquet.
    pub line: Option<u64>,
    /// Where it begins, in decompressed bytes; `None` in Parquet.
    pub byte_offset: Option<u64>,
    /// Its text; bytes that are not text are written `\xNN`. In Parquet the row as JSON.
    pub raw: String,
    /// Everything that is wrong with it.
    pub reasons: Vec<String>,
}

/// Where a record stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) line: Option<u64>,
    pub(crate) byte_offset: Option<u64>,
}

/// What came of a record's values.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Everything that is wrong with them.
    pub(crate) reasons: Vec<String>,
    /// The values that no plan column takes, as a JSON object.
    pub(crate) rescued: Option<String>,
}

/// A batch in the making. Every record gets a slot in each builder; the slots of rejects are filtered out at the end.
pub(crate) struct Assembly<'p> {
    plan: &'p Plan,
    pub(crate) builders: Vec<ColumnBuilder>,
    rescued: StringBuilder,
    kept: Vec<bool>,
    numbers: Vec<u64>,
    rejects: Vec<Reject>,
    records: u64,
    finished: u64,
    bytes: usize,
}

impl<'p> Assembly<'p> {
    /// An empty batch for the plan, before the first record.
    pub(crate) fn new(plan: &'p Plan) -> Result<Self, Error> {
        let builders =
            plan.columns.iter().map(ColumnBuilder::new).collect::<Result<_, _>>().map_err(Error::unreadable)?;
        let (kept, numbers, rejects) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self {
            plan,
            builders,
            rescued: StringBuilder::new(),
            kept,
            numbers,
            rejects,
            records: 0,
            finished: 0,
            bytes: 0,
        })
    }

    /// Whether the batch is large enough to go.
    pub(crate) fn is_full(&self) -> bool {
        self.records - self.finished >= BATCH_RECORDS as u64 || self.bytes >= BATCH_BYTES
    }

    /// Rejects a record whose values were not even looked at.
    pub(crate) fn reject(&mut self, place: Place, raw: String, mut reasons: Vec<String>) {
        self.records += 1;
        self.bytes += raw.len();
        self.judge(&mut reasons);
        self.refuse(place, raw, reasons);
    }

    /// Closes a record whose values all have their slots: a row when there is no reason against it.
    pub(crate) fn close(&mut self, place: Place, verdict: Verdict, raw: &str) {
        let Verdict { mut reasons, rescued } = verdict;
        self.records += 1;
        self.bytes += raw.len();
        if self.plan.rescue {
            self.rescued.append_option(rescued);
        }
        self.judge(&mut reasons);
        self.kept.push(reasons.is_empty());
        if reasons.is_empty() {
            self.numbers.push(self.records);
        } else {
            self.bytes += raw.len();
            self.refuse(place, raw.to_owned(), reasons);
        }
    }

    fn refuse(&mut self, place: Place, raw: String, reasons: Vec<String>) {
        let Place { line, byte_offset } = place;
        self.rejects.push(Reject { record_number: self.records, line, byte_offset, raw, reasons });
    }

    /// Adds what the plan says against the current record.
    fn judge(&self, reasons: &mut Vec<String>) {
        reasons.extend(self.plan.refuse.clone());
        if !self.plan.verdicts.is_empty() {
            reasons.extend(self.plan.verdicts.get(&self.records).into_iter().flatten().cloned());
        }
    }

    /// The batch, if it has any record; the assembly goes on with the next one.
    pub(crate) fn finish(&mut self) -> Result<Option<Batch>, Error> {
        let records = self.records - self.finished;
        if records == 0 {
            return Ok(None);
        }
        let mut arrays: Vec<ArrayRef> =
            self.builders.iter_mut().map(ColumnBuilder::finish).collect::<Result<_, _>>().map_err(internal)?;
        if self.plan.rescue {
            arrays.push(std::sync::Arc::new(self.rescued.finish()));
        }
        let kept = std::mem::take(&mut self.kept);
        let shape = arrow::array::RecordBatchOptions::new().with_row_count(Some(kept.len()));
        let mut rows = RecordBatch::try_new_with_options(self.plan.schema(), arrays, &shape).map_err(internal)?;
        if self.numbers.len() < kept.len() {
            rows = filter_record_batch(&rows, &BooleanArray::from(kept)).map_err(internal)?;
        }
        self.finished = self.records;
        self.bytes = 0;
        Ok(Some(Batch {
            rows,
            record_numbers: std::mem::take(&mut self.numbers),
            rejects: std::mem::take(&mut self.rejects),
            records,
        }))
    }
}

/// What Arrow refuses here is our failure, not the object's.
fn internal(error: arrow::error::ArrowError) -> Error {
    Error::Io(std::io::Error::other(error))
}

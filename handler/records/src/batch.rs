//! A run of records on their way out: accepted rows as Arrow, rejects with their reasons.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter_record_batch;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::Error;
use crate::passed::Passed;
use crate::plan::{Plan, Unforeseen};
use crate::text::escape_bytes;

/// The part of a reject's bytes that is kept.
pub(crate) const RAW_BYTES: usize = 64 * 1024;

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
    /// What was passed over so far.
    pub(crate) passed: Passed,
    /// Something that the plan does not foresee.
    pub(crate) unforeseen: Option<Unforeseen>,
}

/// A record that does not conform, with all that is needed to find and mend it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reject {
    /// Its number in the object, from 1.
    pub record_number: u64,
    /// Its first line, from 1; `None` in Parquet.
    pub line: Option<u64>,
    /// Where it begins, in decompressed bytes; `None` in Parquet.
    pub byte_offset: Option<u64>,
    /// Its text, the first 64 KiB of it; bytes that are not text are written `\xNN`. In Parquet the row as JSON.
    pub raw: String,
    /// The same bytes in base64, where some of them are not text.
    pub raw_base64: Option<String>,
    /// Everything that is wrong with it.
    pub reasons: Vec<String>,
}

impl Reject {
    /// A record as it stands in the object, before anything is said against it.
    pub(crate) fn of_bytes(bytes: &[u8], line: u64, byte_offset: u64) -> Self {
        let (raw, raw_base64) = match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => (text[..text.floor_char_boundary(RAW_BYTES)].to_owned(), None),
            _ => {
                let kept = &bytes[..bytes.len().min(RAW_BYTES)];
                (escape_bytes(kept), Some(STANDARD.encode(kept)))
            }
        };
        Self { line: Some(line), byte_offset: Some(byte_offset), raw, raw_base64, ..Self::default() }
    }

    /// A record that exists as a text only.
    pub(crate) fn of_text(mut raw: String) -> Self {
        raw.truncate(raw.floor_char_boundary(RAW_BYTES));
        Self { raw, ..Self::default() }
    }
}

/// What is wrong with the records of a batch, by their position in it.
pub(crate) type Reasons = BTreeMap<usize, Vec<String>>;

/// Parts the records of a batch into rows and rejects.
pub(crate) struct Sorting<'p> {
    pub(crate) plan: &'p Plan,
    /// The number of records before.
    pub(crate) before: u64,
    /// The number of records.
    pub(crate) count: usize,
    pub(crate) reasons: Reasons,
    pub(crate) passed: Passed,
}

impl Sorting<'_> {
    /// Adds what the plan says against the records.
    fn judge(&mut self) {
        if let Some(refusal) = &self.plan.refuse {
            (0..self.count).for_each(|record| self.reasons.entry(record).or_default().push(refusal.clone()));
        }
        let first = self.before + 1;
        for (number, verdicts) in self.plan.verdicts.range(first..first + self.count as u64) {
            if let Ok(record) = usize::try_from(number - first) {
                self.reasons.entry(record).or_default().extend(verdicts.iter().cloned());
            }
        }
    }

    /// The batch. `arrays` hold a row for each of the records at `slots`; `describe` gives the record at a position as a
    /// reject without number and reasons.
    pub(crate) fn settle(
        mut self,
        arrays: Vec<ArrayRef>,
        slots: &[usize],
        mut describe: impl FnMut(usize) -> Reject,
    ) -> Result<Batch, Error> {
        self.judge();
        let shape = RecordBatchOptions::new().with_row_count(Some(slots.len()));
        let mut rows = RecordBatch::try_new_with_options(self.plan.schema(), arrays, &shape).map_err(internal)?;
        let kept: Vec<bool> = slots.iter().map(|record| !self.reasons.contains_key(record)).collect();
        let first = self.before + 1;
        let accepted = slots.iter().zip(&kept).filter_map(|(record, kept)| kept.then_some(first + *record as u64));
        let record_numbers: Vec<u64> = accepted.collect();
        if record_numbers.len() < slots.len() {
            rows = filter_record_batch(&rows, &BooleanArray::from(kept)).map_err(internal)?;
        }
        let reject = |(record, reasons): (usize, Vec<String>)| Reject {
            record_number: first + record as u64,
            reasons,
            ..describe(record)
        };
        let rejects = self.reasons.into_iter().map(reject).collect();
        Ok(Batch { rows, record_numbers, rejects, records: self.count as u64, passed: self.passed, unforeseen: None })
    }
}

/// What Arrow refuses here is our failure, not the object's.
pub(crate) fn internal(error: arrow::error::ArrowError) -> Error {
    Error::Io(std::io::Error::other(error))
}

//! Parquet: typed already, and still converted value by value to what is declared. The Parquet schema counts, not the
//! Arrow schema that some writers hide in the footer.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use ::parquet::errors::ParquetError;
use arrow::array::{Array, ArrayRef, ArrowNumericType, AsArray, RecordBatch, StructArray, new_null_array};
use arrow::compute::{concat_batches, max, min};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Schema, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use arrow::error::ArrowError;

use crate::batch::{Batch, Reasons, Reject, Sorting, internal};
use crate::block::BLOCK_RECORDS;
use crate::convert::ColumnBuilder;
use crate::convert::cell::{Cell, render_object};
use crate::convert::temporal::{DAY, DAYS, MOMENTS};
use crate::error::Error;
use crate::input::Input;
use crate::passed::Passed;
use crate::plan::{Column, Plan, RESCUED};
use crate::survey::{Survey, SurveyedColumn};
use crate::types::Type;

mod chunk;
mod footer;
mod halves;
mod infer;
mod layout;
mod page;
mod thrift;
mod unpack;

use chunk::{Failure, RowGroup};
use footer::read_footer;
use halves::Halves;

/// Bytes of a batch to aim at.
const BATCH_BYTES: usize = 32 * 1024 * 1024;

/// Rows that are decoded at a time at most: how large they are is known only then, as the footer counts a text that stands in
/// many of them once.
const STEP: usize = if cfg!(fuzzing) { 8 } else { 512 };

/// What the decoder says of texts that are too long for one array.
const OVERFLOW: &str = "index overflow";

/// How many bytes there are at least, then.
const OVERFLOWING: usize = 1 << 31;

/// Looks at the footer.
pub(crate) fn survey(input: &dyn Input) -> Result<Survey, Error> {
    let (metadata, _) = read_footer(input)?;
    let columns = infer::infer_types(&metadata)
        .into_iter()
        .map(|(name, inferred)| SurveyedColumn { name, inferred, guess: None })
        .collect();
    let records = u64::try_from(count_rows(&metadata)).ok();
    Ok(Survey { columns, records, positional: false })
}

fn count_rows(metadata: &ArrowReaderMetadata) -> i64 {
    metadata.metadata().file_metadata().num_rows()
}

/// Runs the decoder, or what looks at its values: where it gives up in a panic, the bytes are to blame.
fn guard<T>(decode: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(decode))
        .map_err(|_| Error::unreadable("the Parquet data is damaged: its decoder gave up"))
}

/// The rows of a Parquet object, typed.
pub(crate) struct ParquetReader<'a> {
    input: &'a dyn Input,
    metadata: ArrowReaderMetadata,
    halves: Option<Halves>,
    failure: Failure,
    next_group: usize,
    group: Option<Group>,
    conform: Conform<'a>,
}

impl<'a> ParquetReader<'a> {
    pub(crate) fn new(input: &'a dyn Input, plan: &'a Plan) -> Result<Self, Error> {
        let (metadata, halves) = read_footer(input)?;
        let conform = Conform::new(plan, metadata.schema())?;
        Ok(Self { input, metadata, halves, failure: Failure::default(), next_group: 0, group: None, conform })
    }

    fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        loop {
            if self.group.is_none() && !self.open_group()? {
                return self.check_count();
            }
            match self.decode()? {
                Some(rows) if rows.num_rows() > 0 => return guard(|| self.conform.take(&rows))?.map(Some),
                Some(_) => {}
                None => self.group = None,
            }
        }
    }

    /// Opens the next row group, if there is one.
    fn open_group(&mut self) -> Result<bool, Error> {
        let groups = self.metadata.metadata().row_groups();
        let Some(group) = groups.get(self.next_group) else { return Ok(false) };
        let average = usize::try_from(group.total_byte_size() / group.num_rows().max(1)).unwrap_or(0);
        self.group = Some(self.open(self.next_group, 0, BATCH_BYTES / average.max(1))?);
        self.next_group += 1;
        Ok(true)
    }

    /// Opens a row group behind so many of its rows, to be decoded so many at a time.
    fn open(&self, index: usize, done: usize, step: usize) -> Result<Group, Error> {
        let step = step.clamp(1, STEP);
        let open = |metadata: &ArrowReaderMetadata, mask: ProjectionMask| {
            let group = metadata.metadata().row_group(index);
            let chunks = guard(|| RowGroup::open(self.input, (group, &mask), self.failure.clone()))??;
            let opened = guard(|| {
                let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(chunks, metadata.clone())
                    .with_row_groups(vec![index])
                    .with_projection(mask)
                    .with_batch_size(step);
                // With an offset no more rows are decoded than the footer states, and there may be more.
                if done > 0 { builder.with_offset(done).build() } else { builder.build() }
            })?;
            self.failure.sort(opened)
        };
        let rows = open(&self.metadata, ProjectionMask::all())?;
        let rest = self.halves.as_ref().map(|halves| open(&halves.metadata, halves.mask.clone())).transpose()?;
        Ok(Group { index, done, step, rows, rest })
    }

    /// The next rows of the row group that is open, as many as a batch takes.
    fn decode(&mut self) -> Result<Option<RecordBatch>, Error> {
        let (mut rows, mut rests, mut count, mut bytes) = (Vec::new(), Vec::new(), 0, 0);
        while count < BLOCK_RECORDS && bytes < BATCH_BYTES {
            let Some((decoded, rest)) = self.decode_step()? else { break };
            count += decoded.num_rows();
            bytes += decoded.get_array_memory_size();
            rows.push(decoded);
            rests.extend(rest);
        }
        let failure = &self.failure;
        match (failure.sort(concat(&rows))?, failure.sort(concat(&rests))?, &self.halves) {
            (Some(rows), Some(rest), Some(halves)) => failure.sort(halves.join(&rows, &rest)).map(Some),
            (rows, _, _) => Ok(rows),
        }
    }

    /// The rows of one step. Where they are too large, or too large even to be decoded, the next steps are shorter.
    fn decode_step(&mut self) -> Result<Option<Step>, Error> {
        loop {
            let Some(group) = &mut self.group else { return Ok(None) };
            let result = group.next(&self.failure);
            let bytes = match &result {
                Ok(Some((rows, _))) => rows.get_array_memory_size(),
                Err(Error::Unreadable { reason }) if reason.contains(OVERFLOW) => OVERFLOWING,
                _ => 0,
            };
            let (index, done, step) = (group.index, group.done, group.step);
            if bytes <= BATCH_BYTES || step == 1 {
                return result;
            }
            let shorter = (step / 2).min(step.saturating_mul(BATCH_BYTES) / bytes);
            self.group = Some(self.open(index, done, shorter)?);
            if result.is_ok() {
                return result;
            }
        }
    }

    /// The footer counts rows too; if it counted others, something is missing.
    fn check_count(&self) -> Result<Option<Batch>, Error> {
        let (stated, found) = (count_rows(&self.metadata), self.conform.records);
        if u64::try_from(stated) == Ok(found) {
            return Ok(None);
        }
        Err(Error::unreadable(format!("the Parquet footer states {stated} rows, and there are {found}")))
    }
}

/// Rows, and the second halves of their values where they come in halves.
type Step = (RecordBatch, Option<RecordBatch>);

/// A row group that is open.
struct Group {
    /// Its position among all.
    index: usize,
    /// How many of its rows are decoded.
    done: usize,
    /// How many are decoded at a time.
    step: usize,
    rows: ParquetRecordBatchReader,
    /// The second halves of its values, where they come in halves.
    rest: Option<ParquetRecordBatchReader>,
}

impl Group {
    fn next(&mut self, failure: &Failure) -> Result<Option<Step>, Error> {
        let next = |reader: &mut ParquetRecordBatchReader| {
            guard(|| reader.next())?.map(|result| failure.sort(result)).transpose()
        };
        let Some(rows) = next(&mut self.rows)? else { return Ok(None) };
        let rest = self.rest.as_mut().map_or(Ok(None), next)?;
        self.done += rows.num_rows();
        Ok(Some((rows, rest)))
    }
}

/// Rows in one piece, if there are any.
fn concat(parts: &[RecordBatch]) -> Result<Option<RecordBatch>, ArrowError> {
    match parts {
        [] => Ok(None),
        [rows] => Ok(Some(rows.clone())),
        [first, ..] => concat_batches(first.schema_ref(), parts).map(Some),
    }
}

impl Iterator for ParquetReader<'_> {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_batch().transpose()
    }
}

impl Failure {
    /// An error is the input's if the input failed, else the data's.
    fn sort<T, E: std::fmt::Display>(&self, result: Result<T, E>) -> Result<T, Error> {
        result.map_err(|error| match self.take() {
            Some(cause) => Error::Io(cause),
            None => Error::unreadable(format!("the Parquet data is damaged: {error}")),
        })
    }
}

/// From rows as Parquet has them to rows as the plan has them.
struct Conform<'a> {
    plan: &'a Plan,
    builders: Vec<ColumnBuilder>,
    /// For each plan column its position in the file.
    positions: Vec<Option<usize>>,
    /// Columns that no plan column takes.
    others: Vec<usize>,
    /// What becomes of them, where they are kept.
    rescued: Option<ColumnBuilder>,
    records: u64,
}

impl<'a> Conform<'a> {
    fn new(plan: &'a Plan, schema: &Schema) -> Result<Self, Error> {
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let positions = plan.locate(&names)?;
        let others = (0..schema.fields().len()).filter(|position| !positions.contains(&Some(*position))).collect();
        let builder = |column: &Column| ColumnBuilder::new(column, None).map_err(Error::unreadable);
        let builders = plan.columns.iter().map(builder).collect::<Result<_, _>>()?;
        let (name, data_type) = (RESCUED.to_owned(), Type::Json);
        let rescued = Column { source: None, name, data_type, format: None, not_null: false };
        let rescued = plan.rescue.then(|| builder(&rescued)).transpose()?;
        Ok(Self { plan, builders, positions, others, rescued, records: 0 })
    }

    fn take(&mut self, rows: &RecordBatch) -> Result<Batch, Error> {
        let mut reasons = Reasons::new();
        let mut arrays = Vec::with_capacity(self.builders.len() + 1);
        for (builder, position) in self.builders.iter_mut().zip(&self.positions) {
            let array = position.map_or_else(
                || new_null_array(&DataType::Null, rows.num_rows()),
                |position| Arc::clone(rows.column(position)),
            );
            arrays.push(convert(builder, &array, &mut reasons).map_err(internal)?);
        }
        if let Some(builder) = &mut self.rescued {
            let others = rescue(rows, &self.others).map_err(internal)?;
            arrays.push(convert(builder, &others, &mut reasons).map_err(internal)?);
        }
        let (before, count) = (self.records, rows.num_rows());
        self.records += count as u64;
        let slots: Vec<usize> = (0..count).collect();
        Sorting { plan: self.plan, before, count, reasons, passed: Passed::default() }
            .settle(arrays, &slots, |row| Reject::of_text(show_row(rows, row)))
    }
}

/// The columns that no plan column takes, as one.
fn rescue(rows: &RecordBatch, others: &[usize]) -> Result<ArrayRef, ArrowError> {
    if others.is_empty() {
        return Ok(new_null_array(&DataType::Null, rows.num_rows()));
    }
    Ok(Arc::new(StructArray::from(rows.project(others)?)))
}

/// Converts a column; what is of the type already goes through as it is.
fn convert(builder: &mut ColumnBuilder, array: &ArrayRef, reasons: &mut Reasons) -> Result<ArrayRef, ArrowError> {
    if builder.is_native(array.data_type()) && keeps_bounds(array) {
        for row in (0..array.len()).filter(|row| builder.is_required() && array.is_null(*row)) {
            reasons.entry(row).or_default().push(builder.refuse_null());
        }
        return Ok(Arc::clone(array));
    }
    let absent = *array.data_type() == DataType::Null;
    for row in 0..array.len() {
        let result = if absent { builder.append_null() } else { builder.append_cell(&Cell::new(array.as_ref(), row)) };
        if let Err(reason) = result {
            reasons.entry(row).or_default().push(reason);
        }
    }
    builder.finish()
}

/// Whether the values keep what their type says; some writers do not look.
fn keeps_bounds(array: &ArrayRef) -> bool {
    match array.data_type() {
        DataType::Decimal128(precision, _) => {
            array.as_primitive::<Decimal128Type>().validate_decimal_precision(*precision).is_ok()
        }
        DataType::Date32 => lies_in::<Date32Type>(array, &DAYS),
        DataType::Time64(TimeUnit::Microsecond) => lies_in::<Time64MicrosecondType>(array, &(0..DAY)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => lies_in::<TimestampMicrosecondType>(array, &MOMENTS),
        _ => true,
    }
}

/// Whether the least and the greatest value lie there, and so do all.
fn lies_in<T: ArrowNumericType>(array: &ArrayRef, bounds: &Range<T::Native>) -> bool {
    let values = array.as_primitive::<T>();
    [min(values), max(values)].iter().flatten().all(|value| bounds.contains(value))
}

/// A row as JSON, for whoever looks at a reject.
fn show_row(rows: &RecordBatch, row: usize) -> String {
    let columns = rows.schema_ref().fields().iter().zip(rows.columns());
    render_object(columns.map(|(field, column)| (field.name(), Cell::new(column, row).show())))
}

/// What the input could not give, in the decoder's words.
fn external(error: std::io::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;

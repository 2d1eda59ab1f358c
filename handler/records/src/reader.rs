//! The walk over an object's records: one pass, batch by batch.

use std::fmt;
use std::sync::Arc;
use std::thread::available_parallelism;

use arrow::datatypes::SchemaRef;

use crate::batch::Batch;
use crate::crew::{Made, run};
use crate::error::Error;
use crate::input::Input;
use crate::options::{Format, Options};
use crate::parquet::ParquetReader;
use crate::passed::Passed;
use crate::plan::{Plan, Unforeseen};
use crate::{csv, json};

/// Inputs from this length on are read on several threads.
const LARGE: u64 = 4 * 1024 * 1024;

/// Opens an object to read its records as the plan says, on as many threads as there are cores where it is large.
///
/// # Errors
/// [`Error::Unreadable`] when the object as a whole is bad, or lacks a column that the plan takes from it (JSON lacks
/// none: a missing key is NULL); [`Error::Io`] when it could not be fetched.
pub fn read<'a>(input: &'a dyn Input, options: &Options, plan: &'a Plan) -> Result<Reader<'a>, Error> {
    read_on(input, options, plan, threads_for(input))
}

/// As many threads as there are cores where the input is large.
pub(crate) fn threads_for(input: &dyn Input) -> usize {
    if input.length() >= LARGE { available_parallelism().map_or(1, usize::from) } else { 1 }
}

/// Opens an object to convert its records on so many threads, with one more that splits it where there are several. The
/// batches are the same whatever the number.
///
/// # Errors
/// As for [`read`].
pub fn read_on<'a>(
    input: &'a dyn Input,
    options: &Options,
    plan: &'a Plan,
    threads: usize,
) -> Result<Reader<'a>, Error> {
    let schema = plan.schema();
    let batches: Made<'a, Batch> = match options.format {
        Format::Parquet => Box::new(ParquetReader::new(input, plan)?),
        Format::Csv => {
            let options = csv::settle(input, options)?;
            let plan = Arc::new(plan.clone());
            let (split, head) = csv::open(input, &options)?;
            let converters = (0..threads.max(1)).map(|_| csv::Converter::new(&head, &plan, &options));
            run(split, converters.collect::<Result<_, _>>()?)?
        }
        Format::Json => {
            let plan = Arc::new(plan.clone());
            let converters = (0..threads.max(1)).map(|_| json::Converter::new(&plan));
            run(json::Splitter::open(input, options, plan.columns.len())?, converters.collect::<Result<_, _>>()?)?
        }
    };
    Ok(Reader { batches, schema, passed: Passed::default(), unforeseen: None, over: false })
}

/// The options with the delimiter and the quote that a CSV object has, where they do not say it; others are as they were.
/// Reading with the result is the same as reading with the options, and shows what was found.
///
/// # Errors
/// As for [`read`].
pub fn settle(input: &dyn Input, options: &Options) -> Result<Options, Error> {
    csv::settle(input, options)
}

/// The records of an object in batches, in order. An error ends it, and nothing of what came before may be kept.
pub struct Reader<'a> {
    batches: Made<'a, Batch>,
    schema: SchemaRef,
    passed: Passed,
    unforeseen: Option<Unforeseen>,
    over: bool,
}

impl Reader<'_> {
    /// The schema of [`Batch::rows`]; it stands even when there is no batch.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// What was passed over up to the last batch; all of it at the end.
    #[must_use]
    pub fn passed(&self) -> Passed {
        self.passed
    }

    /// What some record up to the last batch has that the plan does not foresee: the rows are not to be trusted then.
    #[must_use]
    pub fn unforeseen(&self) -> Option<&Unforeseen> {
        self.unforeseen.as_ref()
    }
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Reader").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.over {
            let next = self.batches.next();
            self.over = !matches!(next, Some(Ok(_)));
            if let Some(Ok(batch)) = &next {
                self.passed = batch.passed;
                if self.unforeseen.is_none() {
                    self.unforeseen.clone_from(&batch.unforeseen);
                }
            }
            // Where only lines that are no records were left there is nothing to hand on.
            if !matches!(&next, Some(Ok(batch)) if batch.records == 0) {
                return next;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::trial::Trial;
    use crate::{Compression, MemoryInput};

    #[test]
    fn a_reader_may_go_to_another_thread() {
        fn send<T: Send>(_: T) {}
        let trial = Trial::new(b"a\n1\n", Options::default()).plan(&[("a", "BIGINT")]);
        send(read(&trial.input, &trial.options, &trial.plan).unwrap());
    }

    #[test]
    fn a_truncated_object_ends_with_an_error() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(b"a\n").unwrap();
        for number in 0_u32..100_000 {
            writeln!(encoder, "{}", number.wrapping_mul(2_654_435_761)).unwrap();
        }
        let whole = encoder.finish().unwrap();
        let options = Options { compression: Compression::Gzip, ..Options::default() };
        let trial = Trial::new(&whole, options).plan(&[("a", "BIGINT")]);
        assert_eq!(trial.read().records, 100_000);
        let short = MemoryInput(whole[..whole.len() - 3].to_vec());
        let mut reader = read(&short, &trial.options, &trial.plan).unwrap();
        let errors: Vec<Error> = reader.by_ref().filter_map(Result::err).collect();
        assert_eq!(
            errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["unreadable: the gzip data ends too early"]
        );
        assert!(reader.next().is_none(), "nothing follows the error");
    }
}

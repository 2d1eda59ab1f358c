//! The walk over an object's records: one pass, batch by batch.

use std::fmt;

use arrow::datatypes::SchemaRef;

use crate::batch::Batch;
use crate::csv::CsvReader;
use crate::error::Error;
use crate::input::Input;
use crate::json::JsonReader;
use crate::options::{Format, Options};
use crate::parquet::ParquetReader;
use crate::plan::Plan;

/// Opens an object to read its records as the plan says.
///
/// # Errors
/// [`Error::Unreadable`] when the object as a whole is bad, or lacks a column that the plan takes from it (JSON lacks
/// none: a missing key is NULL); [`Error::Io`] when it could not be fetched.
pub fn read<'a>(input: &'a dyn Input, options: &Options, plan: &'a Plan) -> Result<Reader<'a>, Error> {
    let records = match options.format {
        Format::Csv => Records::Csv(Box::new(CsvReader::new(input, options, plan)?)),
        Format::Json => Records::Json(Box::new(JsonReader::new(input, options, plan)?)),
        Format::Parquet => Records::Parquet(Box::new(ParquetReader::new(input, plan)?)),
    };
    Ok(Reader { records, schema: plan.schema(), over: false })
}

/// The records of an object in batches, in order. An error ends it, and nothing of what came before may be kept.
pub struct Reader<'a> {
    records: Records<'a>,
    schema: SchemaRef,
    over: bool,
}

enum Records<'a> {
    Csv(Box<CsvReader<'a>>),
    Json(Box<JsonReader<'a>>),
    Parquet(Box<ParquetReader<'a>>),
}

impl Reader<'_> {
    /// The schema of [`Batch::rows`]; it stands even when there is no batch.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
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
        if self.over {
            return None;
        }
        let next = match &mut self.records {
            Records::Csv(reader) => reader.next_batch(),
            Records::Json(reader) => reader.next_batch(),
            Records::Parquet(reader) => reader.next_batch(),
        };
        self.over = !matches!(next, Ok(Some(_)));
        next.transpose()
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

//! The walk over an object's records: one pass, batch by batch.

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

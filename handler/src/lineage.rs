//! Lineage: the columns that say where a row of silver came from.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use chrono::{DateTime, Utc};

use crate::contract::{RESCUED, is_added, lineage_fields};
use crate::lake::RawObject;
use crate::stored::stored_batch;

/// Where the rows of one object come from.
#[derive(Debug, Clone, Copy)]
pub struct Lineage<'a> {
    /// The object.
    pub object: &'a RawObject,
    /// When it is ingested.
    pub ingested_at: DateTime<Utc>,
}

impl Lineage<'_> {
    /// Typed records as rows of the plain table, whose stored schema is `schema`.
    ///
    /// # Errors
    /// [`ArrowError`] when a value cannot be stored exactly.
    pub fn plain_rows(&self, batch: &records::Batch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        let count = batch.record_numbers.len();
        let mut columns: Vec<ArrayRef> = batch.rows.columns().to_vec();
        let mut fields: Vec<_> = batch.rows.schema().fields().iter().cloned().collect();
        if schema.field_with_name(RESCUED).is_ok() && batch.rows.column_by_name(RESCUED).is_none() {
            columns.push(arrow::array::new_null_array(&DataType::Utf8, count));
            fields.push(Arc::new(Field::new(RESCUED, DataType::Utf8, true)));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let rows = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?;
        let own: SchemaRef = Arc::new(Schema::new(schema.fields()[..rows.num_columns()].to_vec()));
        let rows = stored_batch(&rows, &own)?;
        let numbers: Int64Array = batch.record_numbers.iter().map(|number| i64::try_from(*number).ok()).collect();
        self.append(&rows, schema, Some(Arc::new(numbers)))
    }

    /// Rows of a silver model, whose own columns are stored as `own` says.
    ///
    /// # Errors
    /// [`ArrowError`] when a value cannot be stored exactly.
    pub fn model_rows(&self, batch: &RecordBatch, own: &SchemaRef) -> Result<RecordBatch, ArrowError> {
        let columns = (0..batch.num_columns()).filter(|index| !is_added(batch.schema().field(*index).name()));
        let rows = stored_batch(&batch.project(&columns.collect::<Vec<_>>())?, own)?;
        self.append(&rows, &with_lineage(own), None)
    }

    fn append(
        &self,
        rows: &RecordBatch,
        schema: &SchemaRef,
        numbers: Option<ArrayRef>,
    ) -> Result<RecordBatch, ArrowError> {
        let count = rows.num_rows();
        let text = |text: &str| Arc::new(StringArray::from(vec![text; count])) as ArrayRef;
        let time = |time: DateTime<Utc>| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from(vec![time.timestamp_micros(); count]))
        };
        let mut columns = rows.columns().to_vec();
        columns.extend([text(&self.object.key), text(&self.object.version)]);
        columns.extend([time(self.object.modified), time(self.ingested_at)]);
        columns.extend(numbers);
        RecordBatch::try_new(Arc::clone(schema), columns)
    }
}

/// A silver model's own columns with the lineage columns that its table has.
pub fn with_lineage(own: &SchemaRef) -> SchemaRef {
    let lineage = lineage_fields(false).into_iter().map(Arc::new);
    Arc::new(Schema::new(own.fields().iter().cloned().chain(lineage).collect::<Vec<_>>()))
}

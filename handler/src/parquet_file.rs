//! One Parquet file on its way to the disk. Rows wait until there are enough of them for their columns to be encoded and
//! packed at once, on all cores; what comes out does not depend on how many there are.

use std::fs::File;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowLeafColumn, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::errors::Result;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use rayon::prelude::*;

/// A row group ends when it has so many rows.
const ROWS: usize = 1 << 20;

/// A file that is being written.
pub struct ParquetFile {
    writer: SerializedFileWriter<File>,
    groups: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    waiting: Vec<RecordBatch>,
    /// The columns of the row group that is open; none when none is.
    columns: Vec<ArrowColumnWriter>,
    /// The rows encoded in them.
    rows: usize,
}

impl ParquetFile {
    /// Begins a file.
    ///
    /// # Errors
    /// What cannot be written to the file.
    pub fn begin(file: File, schema: &SchemaRef, properties: WriterProperties) -> Result<Self> {
        let writer = ArrowWriter::try_new(file, Arc::clone(schema), Some(properties))?;
        let (writer, groups) = writer.into_serialized_writer()?;
        Ok(Self { writer, groups, schema: Arc::clone(schema), waiting: Vec::new(), columns: Vec::new(), rows: 0 })
    }

    /// Takes rows of the file's schema.
    pub fn push(&mut self, batch: RecordBatch) {
        self.waiting.push(batch);
    }

    /// Encodes the rows that wait.
    ///
    /// # Errors
    /// What cannot be written to the file.
    pub fn encode(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        if self.columns.is_empty() {
            self.columns = self.groups.create_column_writers(self.writer.flushed_row_groups().len())?;
        }
        let mut leaves: Vec<Vec<ArrowLeafColumn>> = self.columns.iter().map(|_| Vec::new()).collect();
        for batch in std::mem::take(&mut self.waiting) {
            self.rows += batch.num_rows();
            let columns = self.schema.fields().iter().zip(batch.columns());
            let parts = columns.map(|(field, values)| compute_leaves(field, values)).collect::<Result<Vec<_>>>()?;
            leaves.iter_mut().zip(parts.into_iter().flatten()).for_each(|(leaves, part)| leaves.push(part));
        }
        let write =
            |column: &mut ArrowColumnWriter, leaves: Vec<_>| leaves.iter().try_for_each(|leaf| column.write(leaf));
        self.columns.par_iter_mut().zip(leaves).try_for_each(|(column, leaves)| write(column, leaves))?;
        if self.rows < ROWS { Ok(()) } else { self.end_group() }
    }

    /// The encoded bytes of the row group that is open, about.
    pub fn held(&self) -> usize {
        self.columns.iter().map(ArrowColumnWriter::get_estimated_total_bytes).sum()
    }

    /// Ends the row group that is open.
    ///
    /// # Errors
    /// What cannot be written to the file.
    pub fn end_group(&mut self) -> Result<()> {
        let columns = std::mem::take(&mut self.columns);
        if columns.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for chunk in columns.into_par_iter().map(ArrowColumnWriter::close).collect::<Result<Vec<_>>>()? {
            chunk.append_to_row_group(&mut group)?;
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// What cannot be written to the file.
    pub fn finish(mut self) -> Result<ParquetMetaData> {
        self.encode()?;
        self.end_group()?;
        self.writer.close()
    }
}

//! Output: rows for people and for programs.

use std::io::Write;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::writer::{JsonArray, WriterBuilder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use clap::ValueEnum;

use crate::error::{Error, Result};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For reading on a terminal.
    Table,
    /// RFC 4180, nested values as JSON.
    Csv,
    /// One array of objects.
    Json,
}

/// Writes rows.
///
/// # Errors
/// [`Error::Columns`] for what cannot be written.
pub fn write(out: &mut dyn Write, format: Format, (schema, batches): (&SchemaRef, &[RecordBatch])) -> Result<()> {
    match format {
        Format::Table => write_table(out, schema, batches),
        Format::Csv => write_csv(out, schema, batches),
        Format::Json => write_json(out, batches),
    }
    .map_err(Error::columns("write the rows"))
}

fn write_table(out: &mut dyn Write, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<(), ArrowError> {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header(schema.fields().iter().map(|field| field.name().clone()));
    for batch in batches {
        for row in texts(batch, "NULL")? {
            table.add_row(row);
        }
    }
    for (index, field) in schema.fields().iter().enumerate() {
        if let Some(column) = table.column_mut(index).filter(|_| field.data_type().is_numeric()) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
    }
    writeln!(out, "{table}")?;
    Ok(())
}

fn write_csv(out: &mut dyn Write, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<(), ArrowError> {
    let names: Vec<String> = schema.fields().iter().map(|field| csv_field(field.name())).collect();
    writeln!(out, "{}", names.join(","))?;
    for batch in batches {
        for row in texts(batch, "")? {
            let fields: Vec<String> = row.iter().map(|field| csv_field(field)).collect();
            writeln!(out, "{}", fields.join(","))?;
        }
    }
    Ok(())
}

fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// Rows as texts; nested values as JSON.
fn texts(batch: &RecordBatch, null: &str) -> Result<Vec<Vec<String>>, ArrowError> {
    let mut rows = vec![Vec::with_capacity(batch.num_columns()); batch.num_rows()];
    let options = FormatOptions::new().with_null(null);
    for column in batch.columns() {
        if matches!(column.data_type(), DataType::List(_) | DataType::Struct(_) | DataType::Map(_, _)) {
            for (row, text) in json_values(column)?.into_iter().enumerate() {
                rows[row].push(text.unwrap_or_else(|| null.to_owned()));
            }
            continue;
        }
        let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
        for (index, row) in rows.iter_mut().enumerate() {
            row.push(formatter.value(index).try_to_string()?);
        }
    }
    Ok(rows)
}

fn json_values(column: &arrow::array::ArrayRef) -> Result<Vec<Option<String>>, ArrowError> {
    let batch = RecordBatch::try_from_iter([("v", std::sync::Arc::clone(column))])?;
    let mut bytes = Vec::new();
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, arrow::json::writer::LineDelimited>(&mut bytes);
    writer.write(&batch)?;
    writer.finish()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let strip = |line: &str| line.strip_prefix("{\"v\":").and_then(|rest| rest.strip_suffix('}')).map(str::to_owned);
    Ok(text.lines().enumerate().map(|(row, line)| strip(line).filter(|_| column.is_valid(row))).collect())
}

fn write_json(out: &mut dyn Write, batches: &[RecordBatch]) -> Result<(), ArrowError> {
    if batches.iter().all(|batch| batch.num_rows() == 0) {
        writeln!(out, "[]")?;
        return Ok(());
    }
    let mut bytes = Vec::new();
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(&mut bytes);
    writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
    writer.finish()?;
    out.write_all(&bytes)?;
    writeln!(out)?;
    Ok(())
}

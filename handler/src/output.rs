//! Output: rows for people and for programs.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, AsArray, PrimitiveArray, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, FieldRef, Float32Type, Float64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::writer::{Encoder, EncoderFactory, EncoderOptions, JsonArray, NullableEncoder, WriterBuilder};
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
    let written =
        batches.iter().map(as_written).collect::<Result<Vec<_>, ArrowError>>().and_then(|batches| match format {
            Format::Table => write_table(out, schema, &batches),
            Format::Csv => write_csv(out, schema, &batches),
            Format::Json => write_json(out, &batches),
        });
    written.map_err(Error::columns("write the rows"))
}

/// Columns as Arrow can write them: of time zones it knows offsets, and of names not even `UTC`; the keys of maps are texts.
fn as_written(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let fields: Vec<FieldRef> = batch.schema().fields().iter().map(written_field).collect();
    let columns = batch.columns().iter().zip(&fields);
    let columns =
        columns.map(|(column, field)| cast(column, field.data_type())).collect::<Result<Vec<_>, ArrowError>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

fn written_field(field: &FieldRef) -> FieldRef {
    Arc::new(Field::new(field.name(), written_type(field.data_type()), true))
}

fn written_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("+00:00".into())),
        DataType::List(item) => DataType::List(written_field(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(written_field).collect()),
        DataType::Map(entries, sorted) => {
            let DataType::Struct(parts) = entries.data_type() else { return data_type.clone() };
            let parts = parts.iter().enumerate().map(|(index, part)| match index {
                0 => Arc::new(part.as_ref().clone().with_data_type(DataType::Utf8)),
                _ => written_field(part),
            });
            let entries = entries.as_ref().clone().with_data_type(DataType::Struct(parts.collect()));
            DataType::Map(Arc::new(entries), *sorted)
        }
        other => other.clone(),
    }
}

fn write_table(out: &mut dyn Write, schema: &SchemaRef, batches: &[RecordBatch]) -> Result<(), ArrowError> {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header(schema.fields().iter().map(|field| field.name().clone()));
    for batch in batches {
        for row in texts(batch)? {
            table.add_row(row.into_iter().map(|text| text.unwrap_or_else(|| "NULL".to_owned())));
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
        for row in texts(batch)? {
            let fields: Vec<String> =
                row.iter().map(|field| field.as_deref().map(csv_field).unwrap_or_default()).collect();
            writeln!(out, "{}", fields.join(","))?;
        }
    }
    Ok(())
}

/// An empty text is quoted, a NULL is not.
fn csv_field(text: &str) -> String {
    if text.is_empty() || text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// Rows as texts, NULL as none; nested values as JSON.
fn texts(batch: &RecordBatch) -> Result<Vec<Vec<Option<String>>>, ArrowError> {
    let mut rows = vec![Vec::with_capacity(batch.num_columns()); batch.num_rows()];
    let options = FormatOptions::new();
    for column in batch.columns() {
        if matches!(column.data_type(), DataType::List(_) | DataType::Struct(_) | DataType::Map(_, _)) {
            for (row, text) in json_values(column)?.into_iter().enumerate() {
                rows[row].push(text);
            }
            continue;
        }
        let formatter = ArrayFormatter::try_new(column.as_ref(), &options)?;
        for (index, row) in rows.iter_mut().enumerate() {
            let text = || formatter.value(index).try_to_string();
            row.push(column.is_valid(index).then(text).transpose()?);
        }
    }
    Ok(rows)
}

fn json_values(column: &arrow::array::ArrayRef) -> Result<Vec<Option<String>>, ArrowError> {
    let batch = RecordBatch::try_from_iter([("v", Arc::clone(column))])?;
    let mut bytes = Vec::new();
    let mut writer = json_writer().build::<_, arrow::json::writer::LineDelimited>(&mut bytes);
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
    let mut writer = json_writer().build::<_, JsonArray>(&mut bytes);
    writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
    writer.finish()?;
    out.write_all(&bytes)?;
    writeln!(out)?;
    Ok(())
}

fn json_writer() -> WriterBuilder {
    WriterBuilder::new().with_explicit_nulls(true).with_encoder_factory(Arc::new(EveryFloat))
}

/// JSON has no number for NaN and the infinities; as texts they stay what they are, where Arrow would write null.
#[derive(Debug)]
struct EveryFloat;

impl EncoderFactory for EveryFloat {
    fn make_default_encoder<'a>(
        &self,
        _: &'a FieldRef,
        array: &'a dyn Array,
        _: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let encoder: Box<dyn Encoder + 'a> = match array.data_type() {
            DataType::Float32 => Box::new(Floats(array.as_primitive::<Float32Type>())),
            DataType::Float64 => Box::new(Floats(array.as_primitive::<Float64Type>())),
            _ => return Ok(None),
        };
        Ok(Some(NullableEncoder::new(encoder, array.nulls().cloned())))
    }
}

struct Floats<'a, T: ArrowPrimitiveType>(&'a PrimitiveArray<T>);

impl<T: ArrowPrimitiveType> Encoder for Floats<'_, T>
where
    T::Native: Into<f64> + serde::Serialize,
{
    fn encode(&mut self, index: usize, out: &mut Vec<u8>) {
        let value = self.0.value(index);
        let text = match value.into() {
            number if number.is_nan() => "\"NaN\"".to_owned(),
            number if number == f64::INFINITY => "\"Infinity\"".to_owned(),
            number if number == f64::NEG_INFINITY => "\"-Infinity\"".to_owned(),
            _ => serde_json::to_string(&value).unwrap_or_default(),
        };
        out.extend_from_slice(text.as_bytes());
    }
}

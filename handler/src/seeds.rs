//! Seeds: small CSV files of the project, read once by the strict reader and kept in the lake as Parquet, so that later
//! runs and `query` need not read them again.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use records::{Column, Depth, FileInput, Options, Plan};

use crate::contract::stored_name;
use crate::data_file::{DataFile, DataFileWriter, Target};
use crate::engine::{Engine, Relation, text_literal};
use crate::error::{Error, Result};
use crate::fault;
use crate::fingerprint::fingerprint;
use crate::lake::{Lake, Local, SYSTEM_FOLDER};
use crate::project::Seed;
use crate::stored::{stored_batch, stored_schema};

/// The file of a seed's rows: the name holds everything that they follow from.
pub fn file_name(seed: &Seed) -> String {
    format!("{}-{}.parquet", seed.name, fingerprint([seed.identity().as_str()]))
}

/// The folder of all seeds, where one is, below the lake.
pub fn folder() -> String {
    format!("silver/{SYSTEM_FOLDER}/seeds")
}

/// Puts a seed behind `"seeds"."name"`, reading it where the lake has not got it yet.
///
/// # Errors
/// [`Error::Refused`] names the record and the rule it breaks; [`Error::Io`], [`Error::Sql`].
pub fn define(engine: &Engine, lake: &Lake, seed: &Seed) -> Result<()> {
    let file = file_name(seed);
    let name = format!("{}/{file}", folder());
    let mut rows = lake.find(&name)?;
    if rows.is_none() {
        keep(lake, seed, &file)?;
        rows = lake.find(&name)?;
    }
    define_file(engine, &seed.name, rows.ok_or(Error::Internal("a seed is not where it was put"))?)
}

/// Puts rows that the lake has behind `"seeds"."name"`.
///
/// # Errors
/// [`Error::Sql`].
pub fn define_file(engine: &Engine, name: &str, rows: Local) -> Result<()> {
    let file = text_literal(&engine.keep(rows).to_string_lossy());
    engine.define(
        "seeds",
        name,
        &Relation::Sql(format!("SELECT * FROM read_parquet({file}, hive_partitioning = false)")),
    )
}

/// Reads a seed strictly: it is part of the project, so nothing of it may be left out.
///
/// # Errors
/// [`Error::Refused`] names the record and the rule it breaks; [`Error::Io`].
fn keep(lake: &Lake, seed: &Seed, file_name: &str) -> Result<()> {
    let local = lake.local(&folder());
    let what = format!("seed {}", seed.path.display());
    let refuse = |reason: String| Error::Refused { what: what.clone(), reason };
    let file = std::fs::File::open(&seed.path).map_err(Error::io("open", &seed.path))?;
    let input = FileInput::new(file).map_err(Error::io("open", &seed.path))?;
    let options = Options { delimiter: seed.delimiter, ..Options::default() };
    let survey = records::survey(&input, &options, Depth::Values).map_err(|error| refuse(error.to_string()))?;
    let columns: Vec<Column> = survey
        .columns
        .into_iter()
        .map(|column| {
            let declared = seed.column_types.iter().find(|(name, _)| name.eq_ignore_ascii_case(&column.name));
            Column {
                name: stored_name(&column.name),
                data_type: declared.map_or(column.inferred, |(_, data_type)| data_type.clone()),
                source: Some(column.name),
                format: None,
                not_null: false,
            }
        })
        .collect();
    let schema = Schema::new(
        columns.iter().map(|column| Field::new(&column.name, column.data_type.arrow(), true)).collect::<Vec<_>>(),
    );
    let schema = stored_schema(&schema)?;
    let plan = Plan { columns, ..Plan::default() };
    let name = uuid::Uuid::new_v4().simple().to_string();
    let target = Target { folder: local.clone(), name, schema: Arc::clone(&schema), partition_by: Vec::new() };
    let mut writer = DataFileWriter::new(target);
    for batch in records::read(&input, &options, &plan).map_err(|error| refuse(error.to_string()))? {
        let batch = batch.map_err(|error| refuse(error.to_string()))?;
        if let Some(reject) = batch.rejects.first() {
            return Err(refuse(format!("record {}: {}", reject.record_number, reject.reasons.join("; "))));
        }
        writer.write(&stored_batch(&batch.rows, &schema).map_err(Error::columns(what.clone()))?)?;
    }
    if schema.fields().is_empty() {
        return Err(refuse("it has no columns".to_owned()));
    }
    // A seed without rows has a file, too.
    writer.begin_empty()?;
    for file in writer.finish()? {
        fault::before_write();
        let path = local.join(file_name);
        std::fs::rename(local.join(&file.path), &path).map_err(Error::io("rename", &path))?;
        lake.publish(&folder(), &[DataFile { path: file_name.to_owned(), ..file }])?;
    }
    Ok(())
}

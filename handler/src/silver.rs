//! Silver: the records of one object become rows of its tables. A function of the object's bytes, the contract and
//! the silver models; of nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{Schema, SchemaRef};
use chrono::{DateTime, Utc};
use records::{Depth, FileInput, Plan, Survey};

use crate::contract::{Contract, Mapping, RESCUED, is_added, lineage_fields, visible};
use crate::data_file::{DataFile, DataFileWriter, Target, discard};
use crate::engine::{Engine, Relation};
use crate::error::{Error, Result};
use crate::lake::{Lake, RawObject};
use crate::project::{Model, Severity};
use crate::source::Source;
use crate::stored::{conform_batch, stored_batch, stored_schema};
use crate::table::{Definition, widened};
use crate::{quality, quarantine, receipt};

/// Rows for one table.
#[derive(Debug, Clone)]
pub struct TableRows {
    /// `silver/name`.
    pub table: String,
    /// The table's stored schema as these rows have it.
    pub schema: SchemaRef,
    /// Delta partition columns.
    pub partition_by: Vec<String>,
    /// The files; nothing points at them yet.
    pub files: Vec<DataFile>,
}

/// One object, ready to be published.
#[derive(Debug, Clone)]
pub struct SilverRows {
    /// Records that the reader counted.
    pub records: u64,
    /// Records that are rows.
    pub accepted: u64,
    /// Failing records per test that only warns.
    pub warnings: BTreeMap<String, u64>,
    /// Rows for the plain table and for each silver model.
    pub tables: Vec<TableRows>,
    /// Rows for the quarantine.
    pub quarantine: Vec<DataFile>,
    /// Why the object was quarantined as a whole.
    pub refused: Option<String>,
    /// How its bytes were read; `None` where nothing says how.
    pub options: Option<records::Options>,
}

/// What the silver tables need to know of an object, found before its contract is settled.
pub struct Surveyed {
    /// The object.
    pub object: RawObject,
    /// How it maps to the contract; the error says why it cannot be read as a whole.
    pub mapping: std::result::Result<Mapping, String>,
}

/// The work on the objects of one source.
pub struct Work<'a> {
    /// The lake.
    pub lake: &'a Lake,
    /// The source.
    pub source: &'a Source<'a>,
    /// Part of the names of the files that it writes.
    pub attempt: &'a str,
    /// The lineage column `_ingested_at`.
    pub ingested_at: DateTime<Utc>,
    /// The tables as they are stored already, by `silver/name`.
    pub stored: &'a BTreeMap<String, Definition>,
    /// Whether the project's contract and models win over what is stored.
    pub again: bool,
}

impl Work<'_> {
    /// Looks at an object's columns and settles how they map to the contract, which may grow.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Reader`]: failures of ours.
    pub fn survey(&self, object: RawObject, contract: &mut Contract) -> Result<Surveyed> {
        let options = match self.source.options(&object.key) {
            Ok(options) => options,
            Err(reason) => return Ok(Surveyed { object, mapping: Err(reason) }),
        };
        let input = self.open(&object)?;
        let look = |depth| -> Result<std::result::Result<Survey, String>> {
            match records::survey(&input, &options, depth) {
                Ok(survey) => Ok(Ok(survey)),
                Err(error) => unreadable(&object.key, error).map(Err),
            }
        };
        let survey = match look(Depth::Names)? {
            Ok(names) if contract.depth(&names, self.source.declared) == Depth::Values => look(Depth::Values)?,
            other => other,
        };
        let mapping = survey.map(|survey| {
            if survey.records == Some(0) && survey.columns.is_empty() {
                return Mapping::default();
            }
            let mut grown = contract.clone();
            let mapping = grown.map(&survey, self.source.declared, options.format);
            if mapping.refused.is_none() && survey.records != Some(0) {
                *contract = grown;
            }
            mapping
        });
        Ok(Surveyed { object, mapping })
    }

    fn open(&self, object: &RawObject) -> Result<FileInput> {
        let path = self.lake.raw_path(&object.key)?;
        let file = std::fs::File::open(&path).map_err(Error::io("open", &path))?;
        FileInput::new(file).map_err(Error::io("open", &path))
    }

    /// Reads the object and writes its rows and rejects to data files.
    ///
    /// # Errors
    /// Failures of ours; bad data ends in the quarantine rows.
    pub fn stage(&self, engine: Lazy<'_>, surveyed: &Surveyed, contract: &Contract) -> Result<SilverRows> {
        let options = self.source.options(&surveyed.object.key).ok();
        let rows = match (&options, &surveyed.mapping) {
            (Some(options), Ok(mapping)) => self.read(engine, &surveyed.object, options, (mapping, contract)),
            (_, Err(reason)) => self.unreadable(engine, &surveyed.object, (reason, contract)),
            (None, Ok(_)) => self.unreadable(engine, &surveyed.object, ("nothing says how it is to be read", contract)),
        }?;
        Ok(SilverRows { options, ..rows })
    }

    fn read(
        &self,
        engine: Lazy<'_>,
        object: &RawObject,
        options: &records::Options,
        (mapping, contract): (&Mapping, &Contract),
    ) -> Result<SilverRows> {
        let mut plan = contract.plan(mapping, self.source.declared);
        loop {
            let pass = match self.pass(object, options, &plan, contract)? {
                Ok(pass) => pass,
                Err(reason) => return self.unreadable(engine, object, (&reason, contract)),
            };
            match self.judge(engine, object, &pass, (&mut plan, contract))? {
                Some(rows) => return Ok(rows),
                None => self.discard(&pass)?,
            }
        }
    }

    /// One pass over the bytes; the inner error says why the object cannot be read as a whole.
    fn pass(
        &self,
        object: &RawObject,
        options: &records::Options,
        plan: &Plan,
        contract: &Contract,
    ) -> Result<std::result::Result<Pass, String>> {
        let input = self.open(object)?;
        let schema = contract.schema()?;
        let mut pass = Writers {
            rows: DataFileWriter::new(self.target(
                &self.source.table,
                object,
                &schema,
                self.partition_by(&self.source.table, self.source_partitions()),
            )),
            rejects: DataFileWriter::new(self.target(quarantine::TABLE, object, &quarantine::SCHEMA, Vec::new())),
        };
        let (mut records, mut rejected) = (0, 0);
        let mut failure = None;
        match records::read(&input, options, plan) {
            Err(error) => failure = Some(unreadable(&object.key, error)?),
            Ok(reader) => {
                for batch in reader {
                    let batch = match batch {
                        Ok(batch) => batch,
                        Err(error) => {
                            failure = Some(unreadable(&object.key, error)?);
                            break;
                        }
                    };
                    records += batch.records;
                    rejected += batch.rejects.len() as u64;
                    match self.with_lineage(object, &batch, &schema) {
                        Ok(rows) => pass.rows.write(&rows)?,
                        Err(error) => {
                            failure = Some(error.to_string());
                            break;
                        }
                    }
                    pass.rejects.write(&quarantine::rows(&self.source.name(), object, &batch.rejects)?)?;
                }
            }
        }
        let finished = pass.finish(records, rejected)?;
        if let Some(reason) = failure {
            self.discard(&finished)?;
            return Ok(Err(reason));
        }
        Ok(Ok(finished))
    }

    /// What the tests, the limit of rejects and the silver models say of a pass: the rows to publish, or `None` after
    /// adding to the plan what the next pass has to reject.
    fn judge(
        &self,
        engine: Lazy<'_>,
        object: &RawObject,
        pass: &Pass,
        (plan, contract): (&mut Plan, &Contract),
    ) -> Result<Option<SilverRows>> {
        let rows = |tables, warnings, refused| SilverRows {
            records: pass.records,
            accepted: pass.records - pass.rejected,
            warnings,
            tables,
            quarantine: pass.rejects.clone(),
            refused,
            options: None,
        };
        if plan.refuse.is_some() {
            return Ok(Some(rows(self.no_rows(engine, contract)?, BTreeMap::new(), plan.refuse.clone())));
        }
        let tests = self.source.declared.map_or(&[][..], |source| &source.tests);
        let mut warnings = BTreeMap::new();
        if !tests.is_empty() {
            self.define(engine, &self.source.table, &pass.rows, &contract.schema()?)?;
            let findings = quality::test_records(engine()?, &self.source.table, tests, contract)?;
            // The second pass leaves out what the first one found, and so finds nothing.
            if plan.verdicts.is_empty() && !findings.verdicts.is_empty() {
                plan.verdicts = findings.verdicts;
                return Ok(None);
            }
            warnings = findings.warnings;
        }
        plan.refuse = self.too_many_rejects(pass);
        if plan.refuse.is_some() {
            return Ok(None);
        }
        match self.models(engine, object, pass, contract)? {
            Ok(tables) => Ok(Some(rows(tables, warnings, None))),
            Err(reason) => {
                plan.refuse = Some(reason);
                Ok(None)
            }
        }
    }

    fn too_many_rejects(&self, pass: &Pass) -> Option<String> {
        let limit = self.source.declared?.max_rejects?;
        #[expect(clippy::cast_precision_loss, reason = "a share of records")]
        let share = pass.rejected as f64 / pass.records.max(1) as f64;
        let (rejected, records) = (pass.rejected, pass.records);
        (share > limit).then(|| {
            format!("the file has {rejected} rejects in {records} records, more than max_rejects {limit} allows")
        })
    }

    /// The rows of the plain table and of every silver model; the inner error says why the object is refused.
    fn models(
        &self,
        engine: Lazy<'_>,
        object: &RawObject,
        pass: &Pass,
        contract: &Contract,
    ) -> Result<std::result::Result<Vec<TableRows>, String>> {
        let schema = contract.schema()?;
        let mut tables = vec![self.rows(
            &self.source.table,
            &schema,
            (self.partition_by(&self.source.table, self.source_partitions()), pass.rows.clone()),
        )];
        for model in &self.source.models {
            self.define(engine, &self.source.table, &pass.rows, &visible(&schema, &model.sql))?;
            match self.model(engine, object, model)? {
                Ok(rows) => tables.push(rows),
                Err(reason) => {
                    tables[1..].iter().try_for_each(|rows| discard(&self.lake.table(&rows.table), &rows.files))?;
                    return Ok(Err(reason));
                }
            }
        }
        Ok(Ok(tables))
    }

    /// The rows of a silver model; the inner error says why the object is refused.
    fn model(
        &self,
        engine: Lazy<'_>,
        object: &RawObject,
        model: &Model,
    ) -> Result<std::result::Result<TableRows, String>> {
        let (own, schema) = match self.model_schema(engine, model) {
            Ok(schemas) => schemas,
            Err(error) if error.is_verdict() => return Ok(Err(error.chain())),
            Err(error) => return Err(error),
        };
        let what = format!("model {}", model.name);
        let fresh = with_lineage_of(&own);
        let mut writer = DataFileWriter::new(self.target(
            &model.name,
            object,
            &schema,
            self.partition_by(&model.name, &model.partition_by),
        ));
        let written = engine()?.select(&what, &model.sql, |batch| {
            let rows = without_lineage_columns(&batch)
                .and_then(|rows| stored_batch(&rows, &own))
                .and_then(|rows| self.lineage(object, &rows, &fresh, None))
                .and_then(|rows| conform_batch(&rows, &schema));
            writer.write(&rows.map_err(Error::columns(what.clone()))?)
        });
        let rows =
            self.rows(&model.name, &schema, (self.partition_by(&model.name, &model.partition_by), writer.finish()?));
        let tested = written.and_then(|_| {
            self.define(engine, &model.name, &rows.files, &rows.schema)?;
            quality::test_model(engine()?, &model.tests)
        });
        let reason = match tested {
            Ok(failures) => match failures.iter().find(|failure| failure.severity == Severity::Error) {
                None => return Ok(Ok(rows)),
                Some(failure) => format!("model {}: {}", model.name, failure.text()),
            },
            Err(error @ (Error::Columns { .. } | Error::Sql { verdict: true, .. })) => error.chain(),
            Err(error) => return Err(error),
        };
        discard(&self.lake.table(&rows.table), &rows.files)?;
        Ok(Err(reason))
    }

    /// The columns that a model gives as they are stored, and the schema of its table: what is stored keeps its types,
    /// columns that are new come at the end.
    fn model_schema(&self, engine: Lazy<'_>, model: &Model) -> Result<(SchemaRef, SchemaRef)> {
        let columns = engine()?.columns(&format!("model {}", model.name), &model.sql)?;
        let own: Vec<_> = columns.fields().iter().filter(|field| !is_added(field.name())).cloned().collect();
        let own = stored_schema(&Schema::new(own))?;
        let fresh = with_lineage_of(&own);
        let stored = self.stored.get(&format!("silver/{}", model.name)).filter(|_| !self.again);
        let schema = stored.map_or_else(|| Arc::clone(&fresh), |stored| widened(&stored.schema, &fresh));
        Ok((own, schema))
    }

    /// The tables of an object of which nothing is accepted.
    fn no_rows(&self, engine: Lazy<'_>, contract: &Contract) -> Result<Vec<TableRows>> {
        let schema = contract.schema()?;
        let mut tables = vec![self.rows(
            &self.source.table,
            &schema,
            (self.partition_by(&self.source.table, self.source_partitions()), Vec::new()),
        )];
        for model in &self.source.models {
            self.define(engine, &self.source.table, &[], &visible(&schema, &model.sql))?;
            match self.model_schema(engine, model) {
                Ok((_, schema)) => tables.push(self.rows(
                    &model.name,
                    &schema,
                    (self.partition_by(&model.name, &model.partition_by), Vec::new()),
                )),
                Err(error) if error.is_verdict() => {
                    tracing::debug!(model = model.name, error = error.chain(), "no table to empty");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(tables)
    }

    fn rows(&self, table: &str, schema: &SchemaRef, (partition_by, files): (Vec<String>, Vec<DataFile>)) -> TableRows {
        TableRows { table: format!("silver/{table}"), schema: Arc::clone(schema), partition_by, files }
    }

    fn discard(&self, pass: &Pass) -> Result<()> {
        discard(&self.lake.table(&format!("silver/{}", self.source.table)), &pass.rows)?;
        discard(&self.lake.table(&format!("silver/{}", quarantine::TABLE)), &pass.rejects)
    }

    fn define(&self, engine: Lazy<'_>, name: &str, files: &[DataFile], schema: &SchemaRef) -> Result<()> {
        let folder = self.lake.table(&format!("silver/{name}"));
        let paths: Vec<PathBuf> = files.iter().map(|file| folder.join(&file.path)).collect();
        engine()?.define("silver", name, &Relation::Files { paths, schema: Arc::clone(schema) })
    }

    fn unreadable(
        &self,
        engine: Lazy<'_>,
        object: &RawObject,
        (reason, contract): (&str, &Contract),
    ) -> Result<SilverRows> {
        let mut writer = DataFileWriter::new(self.target(quarantine::TABLE, object, &quarantine::SCHEMA, Vec::new()));
        writer.write(&quarantine::rows(&self.source.name(), object, &[quarantine::whole(reason)])?)?;
        Ok(SilverRows {
            records: 1,
            accepted: 0,
            warnings: BTreeMap::new(),
            tables: self.no_rows(engine, contract)?,
            quarantine: writer.finish()?,
            refused: Some(reason.to_owned()),
            options: None,
        })
    }

    fn source_partitions(&self) -> &[String] {
        self.source.declared.map_or(&[], |source| &source.partition_by)
    }

    /// A table that exists keeps its partitions until it is made again.
    fn partition_by(&self, table: &str, declared: &[String]) -> Vec<String> {
        let stored = self.stored.get(&format!("silver/{table}")).filter(|_| !self.again);
        stored.map_or_else(|| declared.to_vec(), |stored| stored.partition_by.clone())
    }

    fn target(&self, table: &str, object: &RawObject, schema: &SchemaRef, partition_by: Vec<String>) -> Target {
        let unique = uuid::Uuid::new_v4().simple().to_string();
        Target {
            folder: self.lake.table(&format!("silver/{table}")),
            name: format!("{}-{}-{}", receipt::object_name(&object.key), &self.attempt[..8], &unique[..8]),
            schema: Arc::clone(schema),
            partition_by,
        }
    }

    /// Typed records as rows of the plain table.
    fn with_lineage(
        &self,
        object: &RawObject,
        batch: &records::Batch,
        schema: &SchemaRef,
    ) -> std::result::Result<RecordBatch, arrow::error::ArrowError> {
        let mut columns: Vec<ArrayRef> = batch.rows.columns().to_vec();
        let mut fields: Vec<_> = batch.rows.schema().fields().iter().cloned().collect();
        let rescued = schema.field_with_name(RESCUED).is_ok();
        if rescued && batch.rows.column_by_name(RESCUED).is_none() {
            columns.push(arrow::array::new_null_array(&arrow::datatypes::DataType::Utf8, batch.record_numbers.len()));
            fields.push(Arc::new(arrow::datatypes::Field::new(RESCUED, arrow::datatypes::DataType::Utf8, true)));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.record_numbers.len()));
        let rows = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?;
        let own: SchemaRef = Arc::new(Schema::new(schema.fields()[..rows.num_columns()].to_vec()));
        let rows = stored_batch(&rows, &own)?;
        self.lineage(object, &rows, schema, Some(&batch.record_numbers))
    }

    fn lineage(
        &self,
        object: &RawObject,
        rows: &RecordBatch,
        schema: &SchemaRef,
        numbers: Option<&[u64]>,
    ) -> std::result::Result<RecordBatch, arrow::error::ArrowError> {
        let count = rows.num_rows();
        let time = |time: DateTime<Utc>| {
            Arc::new(TimestampMicrosecondArray::from(vec![time.timestamp_micros(); count])) as ArrayRef
        };
        let mut columns = rows.columns().to_vec();
        columns.push(Arc::new(StringArray::from(vec![object.key.as_str(); count])));
        columns.push(Arc::new(StringArray::from(vec![object.version.as_str(); count])));
        columns.push(time(object.modified));
        columns.push(time(self.ingested_at));
        if let Some(numbers) = numbers {
            columns.push(Arc::new(numbers.iter().map(|number| i64::try_from(*number).ok()).collect::<Int64Array>()));
        }
        RecordBatch::try_new(Arc::clone(schema), columns)
    }
}

/// `DuckDB`, started when it is first needed: an object without tests and models does without.
pub type Lazy<'a> = &'a dyn Fn() -> Result<&'a Engine>;

struct Writers {
    rows: DataFileWriter,
    rejects: DataFileWriter,
}

impl Writers {
    fn finish(self, records: u64, rejected: u64) -> Result<Pass> {
        Ok(Pass { rows: self.rows.finish()?, rejects: self.rejects.finish()?, records, rejected })
    }
}

/// What one pass over the bytes wrote.
struct Pass {
    rows: Vec<DataFile>,
    rejects: Vec<DataFile>,
    records: u64,
    rejected: u64,
}

fn with_lineage_of(own: &SchemaRef) -> SchemaRef {
    let lineage = lineage_fields(false).into_iter().map(Arc::new);
    Arc::new(Schema::new(own.fields().iter().cloned().chain(lineage).collect::<Vec<_>>()))
}

fn without_lineage_columns(batch: &RecordBatch) -> std::result::Result<RecordBatch, arrow::error::ArrowError> {
    let kept: Vec<usize> =
        (0..batch.num_columns()).filter(|index| !is_added(batch.schema().field(*index).name())).collect();
    batch.project(&kept)
}

/// The reason why an object cannot be read as a whole; failures of ours stay errors.
fn unreadable(key: &str, error: records::Error) -> Result<String> {
    match error {
        records::Error::Unreadable { .. } => Ok(error.to_string()),
        source @ records::Error::Io(_) => Err(Error::Reader { key: key.to_owned(), source }),
    }
}

//! Staging: one object's rows and rejects are written to data files that nothing points at yet.
//!
//! A pass over the bytes types the records. What the tests, the limit of rejects and the silver models then refuse is
//! added to the plan, and the next pass rejects it: so every reject has its text, and the bytes are
//! read at most thrice. Where something was only assumed of the object, and is found wrong in the first pass, all of it is
//! looked at, and it is read from the beginning.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use records::{Passed, Plan};

use crate::attempt::mark;
use crate::check;
use crate::contract::{Contract, Mapping, is_added, visible};
use crate::data_file::{DataFile, DataFileWriter, Target};
use crate::engine::Relation;
use crate::error::{Error, Result};
use crate::lake::RawObject;
use crate::lineage::{Lineage, with_lineage};
use crate::project::{Model, RecordTest, Severity};
use crate::silver::{Lazy, SilverRows, TableRows, Verdict, Work, judged};
use crate::snapshot::widened;
use crate::stored::{conform_batch, stored_schema};
use crate::{quality, quarantine, receipt};

/// The work on one object.
pub struct Staging<'a, 'e> {
    work: &'a Work<'a>,
    engine: Lazy<'e>,
    object: &'a RawObject,
    contract: &'a Contract,
    /// The stored schema of the plain table.
    schema: SchemaRef,
}

/// What one pass over the bytes wrote.
struct Pass {
    rows: Vec<DataFile>,
    rejects: Vec<DataFile>,
    counts: Counts,
}

/// What the reader counted.
#[derive(Default)]
struct Counts {
    records: u64,
    rejected: u64,
    passed: Passed,
}

impl<'a, 'e> Staging<'a, 'e> {
    /// Prepares to stage an object under a contract.
    ///
    /// # Errors
    /// When a column's type has no place in Delta.
    pub fn new(work: &'a Work<'a>, engine: Lazy<'e>, object: &'a RawObject, contract: &'a Contract) -> Result<Self> {
        Ok(Self { work, engine, object, contract, schema: contract.schema()? })
    }

    /// Reads the object, as often as it takes.
    ///
    /// # Errors
    /// Failures of ours; bad data ends in the quarantine rows.
    pub fn read(&self, options: &records::Options, mapping: &Mapping) -> Result<SilverRows> {
        let mut plan = self.contract.plan(mapping, self.work.source.declared);
        loop {
            let pass = match self.pass(options, &plan)? {
                Ok(pass) => pass,
                Err(reason) => return self.unreadable(&reason),
            };
            match self.judge(&pass, &mut plan)? {
                Some(rows) => return Ok(rows),
                None => self.discard(&pass)?,
            }
        }
    }

    /// An object that cannot be read as a whole: one record, quarantined.
    ///
    /// # Errors
    /// Failures of ours.
    pub fn unreadable(&self, reason: &str) -> Result<SilverRows> {
        let mut writer = DataFileWriter::new(self.quarantine());
        let rejects = [quarantine::whole(reason)];
        writer.write(&quarantine::rows(&self.work.source.name(), self.object, &rejects)?)?;
        let counts = Counts { records: 1, rejected: 1, passed: Passed::default() };
        let pass = Pass { rows: Vec::new(), rejects: writer.finish()?, counts };
        Ok(SilverRows { refused: Some(reason.to_owned()), ..pass.with(self.no_rows()?) })
    }

    /// One pass over the bytes.
    fn pass(&self, options: &records::Options, plan: &Plan) -> Verdict<Pass> {
        let table = &self.work.source.table;
        let mut rows = DataFileWriter::new(self.target(table, &self.schema, self.plain_partitions()));
        let mut rejects = DataFileWriter::new(self.quarantine());
        let counts = match self.write((options, plan), (&mut rows, &mut rejects))? {
            Ok(counts) => counts,
            Err(reason) => return Ok(Err(reason)),
        };
        Ok(Ok(Pass { rows: rows.finish()?, rejects: rejects.finish()?, counts }))
    }

    /// Writes rows and rejects.
    fn write(
        &self,
        (options, plan): (&records::Options, &Plan),
        (rows, rejects): (&mut DataFileWriter, &mut DataFileWriter),
    ) -> Verdict<Counts> {
        let input = self.work.opened.open(self.object)?;
        let lineage = self.lineage();
        let mut reader = match judged(&self.object.key, records::read(&*input, options, plan))? {
            Ok(reader) => reader,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut counts = Counts::default();
        while let Some(batch) = reader.next() {
            let batch = match judged(&self.object.key, batch)? {
                Ok(batch) => batch,
                Err(reason) => return Ok(Err(reason)),
            };
            self.work.budget.check(&self.object.key)?;
            if let Some(what) = reader.unforeseen() {
                return Err(Error::Unforeseen { key: self.object.key.clone(), what: format!("{what:?}") });
            }
            counts.records += batch.records;
            counts.rejected += batch.rejects.len() as u64;
            match lineage.plain_rows(&batch, &self.schema) {
                Ok(accepted) => rows.write(&accepted)?,
                Err(error) => return Ok(Err(error.to_string())),
            }
            rejects.write(&quarantine::rows(&self.work.source.name(), self.object, &batch.rejects)?)?;
        }
        counts.passed = reader.passed();
        Ok(Ok(counts))
    }

    /// What the tests, the limit of rejects and the silver models say of a pass: the rows to publish, or `None` after
    /// adding to the plan what the next pass has to reject.
    fn judge(&self, pass: &Pass, plan: &mut Plan) -> Result<Option<SilverRows>> {
        if plan.refuse.is_some() {
            return Ok(Some(SilverRows { refused: plan.refuse.clone(), ..pass.with(self.no_rows()?) }));
        }
        let findings = match self.test_records(pass) {
            Err(error) if error.is_of_data() => {
                plan.refuse = Some(error.chain());
                return Ok(None);
            }
            findings => findings?,
        };
        // The second pass leaves out what the first one found, and so finds nothing.
        if plan.verdicts.is_empty() && !findings.verdicts.is_empty() {
            plan.verdicts = findings.verdicts;
            return Ok(None);
        }
        plan.refuse = self.too_many_rejects(pass);
        if plan.refuse.is_some() {
            return Ok(None);
        }
        match self.models(pass)? {
            Ok(tables) => Ok(Some(SilverRows { warnings: findings.warnings, ..pass.with(tables) })),
            Err(reason) => {
                plan.refuse = Some(reason);
                Ok(None)
            }
        }
    }

    fn test_records(&self, pass: &Pass) -> Result<quality::Findings> {
        let tests: &[RecordTest] = self.work.source.declared.map_or(&[], |source| &source.tests);
        if tests.is_empty() {
            return Ok(quality::Findings::default());
        }
        self.define(&self.work.source.table, &pass.rows, &self.schema)?;
        quality::test_records((self.engine)()?, &self.work.source.table, tests, self.contract)
    }

    fn too_many_rejects(&self, pass: &Pass) -> Option<String> {
        let limit = self.work.source.declared?.max_rejects?;
        #[expect(clippy::cast_precision_loss, reason = "a share of records")]
        let share = pass.counts.rejected as f64 / pass.counts.records.max(1) as f64;
        let Counts { rejected, records, .. } = pass.counts;
        (share > limit).then(|| {
            format!("the file has {rejected} rejects in {records} records, more than max_rejects {limit} allows")
        })
    }

    /// The rows of the plain table and of every silver model.
    fn models(&self, pass: &Pass) -> Verdict<Vec<TableRows>> {
        let mut tables = vec![self.plain_table(pass.rows.clone())];
        for model in &self.work.source.models {
            self.define(&self.work.source.table, &pass.rows, &visible(&self.schema, &model.sql))?;
            match self.model(model)? {
                Ok(rows) => tables.push(rows),
                Err(reason) => {
                    let mut written = tables.iter().skip(1);
                    written.try_for_each(|rows| self.work.lake.discard(&rows.table, &rows.files))?;
                    return Ok(Err(reason));
                }
            }
        }
        Ok(Ok(tables))
    }

    /// The rows of a silver model.
    fn model(&self, model: &Model) -> Verdict<TableRows> {
        let (own, schema) = match self.model_schema(model) {
            Ok(schemas) => schemas,
            Err(error) if error.is_of_data() => return Ok(Err(error.chain())),
            Err(error) => return Err(error),
        };
        let mut rows = self.model_table(model, schema);
        let what = format!("model {}", model.name);
        let target = self.target(&model.name, &rows.schema, rows.partition_by.clone());
        let mut writer = DataFileWriter::new(target);
        let written = (self.engine)()?.select(&what, &model.sql, |batch| {
            let stored = self.lineage().model_rows(&batch, &own).and_then(|batch| conform_batch(&batch, &rows.schema));
            writer.write(&stored.map_err(Error::columns(&what))?)
        });
        let tested = written.and_then(|_| {
            rows.files = writer.finish()?;
            self.failing_test(model, &rows)
        });
        let reason = match tested {
            Ok(None) => return Ok(Ok(rows)),
            Ok(Some(reason)) => reason,
            Err(error) if error.is_of_data() => error.chain(),
            Err(error) => return Err(error),
        };
        self.work.lake.discard(&rows.table, &rows.files)?;
        Ok(Err(reason))
    }

    fn failing_test(&self, model: &Model, rows: &TableRows) -> Result<Option<String>> {
        self.define(&model.name, &rows.files, &rows.schema)?;
        let failures = quality::test_model((self.engine)()?, &model.tests)?;
        let failure = failures.iter().find(|failure| failure.severity == Severity::Error);
        Ok(failure.map(|failure| format!("model {}: {}", model.name, failure.text())))
    }

    /// The columns that a model gives as they are stored, and the schema of its table: what is stored keeps its types,
    /// columns that are new come at the end.
    fn model_schema(&self, model: &Model) -> Result<(SchemaRef, SchemaRef)> {
        let engine = (self.engine)()?;
        check::admit(engine, model)?;
        let columns = engine.columns(&format!("model {}", model.name), &model.sql)?;
        let own: Vec<_> = columns.fields().iter().filter(|field| !is_added(field.name())).cloned().collect();
        let own = stored_schema(&Schema::new(own))?;
        let fresh = with_lineage(&own);
        let stored = self.work.stored(&model.name);
        let schema = stored.map_or_else(|| Arc::clone(&fresh), |stored| widened(&stored.schema, &fresh));
        Ok((own, schema))
    }

    /// The tables of an object of which nothing is accepted.
    fn no_rows(&self) -> Result<Vec<TableRows>> {
        let mut tables = vec![self.plain_table(Vec::new())];
        for model in &self.work.source.models {
            self.define(&self.work.source.table, &[], &visible(&self.schema, &model.sql))?;
            match self.model_schema(model) {
                Ok((_, schema)) => tables.push(self.model_table(model, schema)),
                Err(error) if error.is_verdict() => {
                    tracing::debug!(model = model.name, error = error.chain(), "no table to empty");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(tables)
    }

    fn plain_table(&self, files: Vec<DataFile>) -> TableRows {
        let table = format!("silver/{}", self.work.source.table);
        TableRows { table, schema: Arc::clone(&self.schema), partition_by: self.plain_partitions(), files }
    }

    fn model_table(&self, model: &Model, schema: SchemaRef) -> TableRows {
        let partition_by = self.partitions(&model.name, &model.partition_by);
        TableRows { table: format!("silver/{}", model.name), schema, partition_by, files: Vec::new() }
    }

    fn plain_partitions(&self) -> Vec<String> {
        let declared = self.work.source.declared.map_or(&[][..], |source| &source.partition_by);
        self.partitions(&self.work.source.table, declared)
    }

    /// A table that exists keeps its partitions until it is made again.
    fn partitions(&self, table: &str, declared: &[String]) -> Vec<String> {
        self.work.stored(table).map_or_else(|| declared.to_vec(), |stored| stored.partition_by.clone())
    }

    fn lineage(&self) -> Lineage<'_> {
        Lineage { object: self.object, ingested_at: self.work.ingested_at }
    }

    fn discard(&self, pass: &Pass) -> Result<()> {
        self.work.lake.discard(&format!("silver/{}", self.work.source.table), &pass.rows)?;
        self.work.lake.discard(quarantine::PATH, &pass.rejects)
    }

    fn define(&self, name: &str, files: &[DataFile], schema: &SchemaRef) -> Result<()> {
        let folder = self.work.lake.local(&format!("silver/{name}"));
        let paths: Vec<PathBuf> = files.iter().map(|file| folder.join(&file.path)).collect();
        (self.engine)()?.define("silver", name, &Relation::Files { paths, schema: Arc::clone(schema) })
    }

    fn quarantine(&self) -> Target {
        self.target(quarantine::TABLE, &quarantine::SCHEMA, Vec::new())
    }

    fn target(&self, table: &str, schema: &SchemaRef, partition_by: Vec<String>) -> Target {
        let unique = uuid::Uuid::new_v4().simple().to_string();
        Target {
            folder: self.work.lake.local(&format!("silver/{table}")),
            name: format!("{}-{}-{}", receipt::object_name(&self.object.key), mark(self.work.attempt), &unique[..8]),
            schema: Arc::clone(schema),
            partition_by,
        }
    }
}

impl Pass {
    /// What is published of the pass, with the rows of all tables.
    fn with(&self, tables: Vec<TableRows>) -> SilverRows {
        SilverRows {
            records: self.counts.records,
            accepted: self.counts.records - self.counts.rejected,
            passed: self.counts.passed,
            warnings: BTreeMap::new(),
            tables,
            quarantine: self.rejects.clone(),
            refused: None,
            options: None,
        }
    }
}

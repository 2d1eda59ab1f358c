//! Commit: one fenced commit of a group's rows to one table.
//!
//! Load the table, see that the claims are still ours ([`Fence`]), commit to exactly the next version. What the table
//! holds of the objects leaves it, their new rows enter it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::Schema;

use crate::attempt::mark;
use crate::contract::lineage_fields;
use crate::data_file::{DataFile, DataFileWriter, Target};
use crate::engine::Relation;
use crate::error::{Error, Result};
use crate::lake::{both, parallel};
use crate::publish::{CONTRACT, Claimed, Outcome, Staged};
use crate::quarantine;
use crate::receipt::{Stored, object_name};
use crate::run::Run;
use crate::silver::TableRows;
use crate::snapshot::{Change, Definition, File, Needs, Snapshot, widened};
use crate::stored::conform_batch;
use crate::table::{Decision, FRESH};

/// What a commit found when it was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// The table holds the group's rows.
    Done,
    /// The stored contract is another one than the rows were converted under.
    ContractMoved,
}

/// Fencing: the claims were ours and the project in force, as of a time. A commit holds if that was seen after the version
/// that it follows: whoever takes an object over commits to every table, and then this version is no longer the newest.
pub struct Fence {
    seen: Instant,
}

impl Fence {
    /// The claims as they were made, where that was a moment ago and all tables were known by then; else as [`Fence::see`].
    ///
    /// # Errors
    /// As [`Fence::see`].
    pub fn after(known: Option<Instant>, run: &Run, group: &mut Vec<Claimed>, outcome: &mut Outcome) -> Result<Self> {
        let made = group.iter().map(|claimed| claimed.since).min();
        match made.zip(known).filter(|(made, known)| made > known && made.elapsed() < FRESH) {
            Some((seen, known)) => run.check_in_force(known).map(|()| Self { seen }),
            None => Self::see(run, group, outcome),
        }
    }

    /// Looks; objects that are no longer ours move from the group to the outcome.
    ///
    /// # Errors
    /// [`Error::Superseded`], [`Error::Io`], [`Error::Document`].
    pub fn see(run: &Run, group: &mut Vec<Claimed>, outcome: &mut Outcome) -> Result<Self> {
        let seen = Instant::now();
        let (lake, width) = (&*run.lake, run.lake.width());
        let (documents, in_force) =
            both(|| parallel(width, group, |claimed| Stored::read(lake, &claimed.key)), || run.check_in_force(seen));
        in_force?;
        for (claimed, now) in std::mem::take(group).into_iter().zip(documents) {
            if now?.claim().is_some_and(|claim| claim.attempt == run.attempt.id) {
                group.push(claimed);
            } else {
                outcome.moved.push(claimed);
            }
        }
        Ok(Self { seen })
    }
}

/// One fenced commit.
pub struct Commit<'a> {
    /// The run.
    pub run: &'a Run,
    /// The group's rows.
    pub staged: &'a Staged,
    /// The table, as `silver/name`.
    pub table: &'a str,
    /// Whether it is the source's plain table, which keeps the contract.
    pub plain: bool,
    /// Whether the project declares the source.
    pub declared: bool,
    /// Whether the project's contract and models win over what is stored.
    pub again: bool,
}

impl Commit<'_> {
    /// Commits for the objects that are still ours; the others move from the group to the outcome.
    ///
    /// # Errors
    /// As [`crate::table::Table::commit`]; [`Error::Superseded`].
    pub async fn run(
        &self,
        fence: &mut Fence,
        (group, outcome): (&mut Vec<Claimed>, &mut Outcome),
    ) -> Result<(Note, Option<Arc<Snapshot>>)> {
        let table = self.run.tables.table(self.table);
        let needs = if self.again || self.may_hold(group)? { Needs::Files } else { Needs::Glance };
        let commit = table.commit((self.run.patience(), needs), |snapshot, known_since| {
            let contract = snapshot.and_then(|snapshot| snapshot.properties.get(CONTRACT));
            if self.plain && contract != self.staged.before.as_ref() && !self.staged.rows.is_empty() {
                return Ok(Decision::Leave(Note::ContractMoved));
            }
            if fence.seen <= known_since {
                *fence = Fence::see(self.run, group, outcome)?;
            }
            self.decide(snapshot, group)
        });
        commit.await.map(|(snapshot, note)| (note, snapshot))
    }

    /// Whether the table may hold rows of the group: by the receipts, and by the names of the files that are there, for
    /// receipts can be lost.
    fn may_hold(&self, group: &[Claimed]) -> Result<bool> {
        // Listing a bucket's table costs more than reading its log.
        let known = |claimed: &Claimed| claimed.taken_over || claimed.stored.done().is_some();
        if !self.run.lake.is_local() || group.iter().any(known) {
            return Ok(true);
        }
        let names: BTreeSet<String> = group.iter().map(|claimed| object_name(&claimed.key)).collect();
        let ours = format!("-{}-", mark(&self.run.attempt.id));
        let files = self.run.lake.data_files(self.table)?;
        Ok(files.iter().any(|file| names.contains(object_of(&file.name)) && !file.name.contains(&ours)))
    }

    fn decide(&self, snapshot: Option<&Snapshot>, group: &[Claimed]) -> Result<Decision<Note>> {
        let replaced = group.iter().filter(|claimed| !claimed.stays);
        let names: BTreeSet<String> = replaced.map(|claimed| object_name(&claimed.key)).collect();
        let files = snapshot.map_or(&[][..], |snapshot| &snapshot.files);
        let (mut remove, others): (Vec<File>, Vec<File>) =
            files.iter().cloned().partition(|file| names.contains(object_of(&file.path)));
        if let Some(file) = others.iter().find(|file| object_of(&file.path).len() != OBJECT_NAME) {
            let reason =
                format!("another engine wrote {}: whose rows it holds cannot be told from its name", file.path);
            return Err(Error::Table { table: self.table.to_owned(), reason });
        }
        let mut add = self.staged.files(self.table, group);
        let taken_over = group.iter().any(|claimed| claimed.taken_over);
        let wanted = self.definition(group, !add.is_empty() || taken_over);
        let mut definition = None;
        if let Some(wanted) = wanted {
            let former = snapshot.map(Snapshot::definition);
            let settled = self.settle(former.as_ref(), wanted, &others);
            if let Some(former) =
                former.as_ref().filter(|former| is_other_layout(former, &settled) && !others.is_empty())
            {
                add.extend(self.rewrite(&others, former, &settled)?);
                remove.extend(others);
            }
            definition = Some(settled).filter(|settled| former.as_ref() != Some(settled));
        } else if snapshot.is_none() {
            if !taken_over {
                return Ok(Decision::Leave(Note::Done));
            }
            // The former owner's first commit must find one here.
            definition = Some(Definition {
                schema: Arc::new(Schema::new(lineage_fields(self.plain))),
                partition_by: Vec::new(),
                properties: BTreeMap::new(),
            });
        }
        if remove.is_empty() && add.is_empty() && definition.is_none() && !taken_over {
            return Ok(Decision::Leave(Note::Done));
        }
        Ok(Decision::Commit(Change { remove, add, definition }, Note::Done))
    }

    /// What the table is to be like, as far as this group says.
    fn definition(&self, group: &[Claimed], needed: bool) -> Option<Definition> {
        if self.table == quarantine::PATH {
            let schema = Arc::clone(&quarantine::SCHEMA);
            return needed.then(|| Definition { schema, partition_by: Vec::new(), properties: BTreeMap::new() });
        }
        let rows_of =
            |claimed: &Claimed| self.staged.rows.get(&claimed.key)?.tables.iter().find(|rows| rows.table == self.table);
        let mut all = group.iter().filter_map(rows_of);
        let first: &TableRows = all.next()?;
        let schema = all.fold(Arc::clone(&first.schema), |schema, rows| widened(&schema, &rows.schema));
        let mut properties = BTreeMap::new();
        if self.plain {
            if !needed && !self.declared && self.staged.before.is_none() {
                return None;
            }
            properties.insert(CONTRACT.to_owned(), serde_json::to_string(&self.staged.contract).unwrap_or_default());
        }
        Some(Definition { schema, partition_by: first.partition_by.clone(), properties })
    }

    /// What the table becomes: it keeps columns that others' rows have, and properties that are not ours.
    fn settle(&self, former: Option<&Definition>, wanted: Definition, others: &[File]) -> Definition {
        let Some(former) = former else { return wanted };
        let mut properties = former.properties.clone();
        properties.extend(wanted.properties);
        let schema = match (self.again, others.is_empty()) {
            (true, true) => wanted.schema,
            (true, false) => widened(&wanted.schema, &former.schema),
            (false, _) => widened(&former.schema, &wanted.schema),
        };
        let partition_by = if self.again { wanted.partition_by } else { former.partition_by.clone() };
        Definition { schema, partition_by, properties }
    }

    /// Casts the rows of other objects exactly to a new layout, file by file.
    fn rewrite(&self, others: &[File], former: &Definition, settled: &Definition) -> Result<Vec<DataFile>> {
        let engine = self.run.engine()?;
        let folder = self.run.lake.local(self.table);
        let mut written = Vec::new();
        for file in others {
            let unique = uuid::Uuid::new_v4().simple().to_string();
            let mut writer = DataFileWriter::new(Target {
                folder: folder.clone(),
                name: format!("{}-{}-{}", object_of(&file.path), mark(&self.run.attempt.id), &unique[..8]),
                schema: Arc::clone(&settled.schema),
                partition_by: settled.partition_by.clone(),
            });
            let rows = self.run.lake.fetch(self.table, [(file.path.as_str(), file.size)].into_iter(), None)?;
            let paths = rows.iter().map(|file| file.path.clone()).collect();
            let relation = Relation::Files { paths, schema: Arc::clone(&former.schema) };
            engine.define("silver", "rewritten", &relation)?;
            engine.select(&format!("rewrite {}", self.table), "SELECT * FROM silver.rewritten", |batch| {
                let refused = |error: arrow::error::ArrowError| Error::Contract {
                    table: self.table.to_owned(),
                    reason: format!("rows of an object that is gone do not fit the new types: {error}"),
                };
                writer.write(&conform_batch(&batch, &settled.schema).map_err(refused)?)
            })?;
            let files = writer.finish()?;
            self.run.lake.publish(self.table, &files)?;
            written.extend(files);
        }
        Ok(written)
    }
}

/// How long that part is: 128 bits as hex.
const OBJECT_NAME: usize = 32;

/// The part of a data file's name that says whose rows it holds.
fn object_of(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split('-').next().unwrap_or(name)
}

/// Whether files of the former layout cannot stay as they are.
fn is_other_layout(former: &Definition, settled: &Definition) -> bool {
    let retyped = |field: &Arc<arrow::datatypes::Field>| {
        settled.schema.field_with_name(field.name()).is_ok_and(|now| now.data_type() != field.data_type())
    };
    former.partition_by != settled.partition_by || former.schema.fields().iter().any(retyped)
}

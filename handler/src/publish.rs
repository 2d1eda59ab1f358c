//! Publishing: the rows of a group of objects replace what the tables hold of them, one fenced commit a table.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::contract::Contract;
use crate::data_file::{DataFile, DataFileWriter, Target, discard};
use crate::engine::Relation;
use crate::error::{Error, Result};
use crate::lake::{Lake, RawObject};
use crate::quarantine;
use crate::receipt::{SilverEntry, Stored, object_name};
use crate::run::{Run, new_engine};
use crate::silver::{SilverRows, Surveyed, TableRows, Work};
use crate::source::Source;
use crate::stored::conform_batch;
use crate::table::{Change, Decision, Definition, File, Snapshot, widened};

/// The table property that keeps a source's contract.
pub const CONTRACT: &str = "pintail.contract";

/// An object that this run has claimed.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The object as it was when it was looked at; `None` when it is gone.
    pub object: Option<RawObject>,
    /// Its key.
    pub key: String,
    /// Its document, with our claim.
    pub stored: Stored,
    /// Whether the claim was taken over from another attempt: then every table gets a commit, so that a commit of the
    /// former owner that is still under way must fail.
    pub taken_over: bool,
    /// When its processing began.
    pub started_at: chrono::DateTime<chrono::Utc>,
}

/// An object whose rows are in the tables.
pub struct Published {
    /// The object.
    pub claimed: Claimed,
    /// What was published; `None` for a removed object.
    pub rows: Option<SilverRows>,
    /// The tables that hold it.
    pub silver: Vec<SilverEntry>,
}

/// What became of a group.
#[derive(Default)]
pub struct Outcome {
    /// Objects whose rows are in the tables.
    pub published: Vec<Published>,
    /// Objects with a failure of ours.
    pub failed: Vec<(Claimed, Error)>,
    /// Objects to look at again: they changed while they were read, or another worker took them over.
    pub moved: Vec<Claimed>,
    /// Declared columns whose stored type is another one.
    pub differences: Vec<String>,
}

/// What a commit found when it was decided.
enum Note {
    Done,
    ContractMoved,
}

/// Publishes a group of objects of one source. `again`: the declared contract wins over the stored one.
///
/// # Errors
/// Failures that concern the whole group, [`Error::Superseded`] first of all.
pub async fn publish(run: &Run, source: &Source<'_>, group: Vec<Claimed>, again: bool) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut group = group;
    loop {
        let Some(staged) = stage(run, source, &mut group, (again, &mut outcome)).await? else { return Ok(outcome) };
        match commit_all(run, source, &staged, &mut group, (again, &mut outcome)).await? {
            Note::Done => return Ok(outcome),
            Note::ContractMoved => discard_all(run, &staged)?,
        }
    }
}

/// The group converted under one contract.
struct Staged {
    /// The contract that was stored when the conversion began.
    before: Option<String>,
    contract: Contract,
    rows: BTreeMap<String, SilverRows>,
}

async fn stage(
    run: &Run,
    source: &Source<'_>,
    group: &mut Vec<Claimed>,
    (again, outcome): (bool, &mut Outcome),
) -> Result<Option<Staged>> {
    let mut stored = BTreeMap::new();
    for table in source.tables() {
        if let Some(snapshot) = run.tables.load(&table).await? {
            stored.insert(table, snapshot.definition());
        }
    }
    let before = stored
        .get(&format!("silver/{}", source.table))
        .and_then(|table: &Definition| table.properties.get(CONTRACT))
        .cloned();
    let former = parse(&source.table, before.as_deref())?;
    outcome.differences = if again {
        Vec::new()
    } else {
        former.as_ref().map(|former| former.differences(source.declared)).unwrap_or_default()
    };
    let mut contract = Contract::in_force(former.as_ref(), source.declared, again);
    let work =
        Work { lake: &run.lake, source, attempt: &run.attempt.id, ingested_at: run.started_at, stored: &stored, again };
    let surveyed = survey(&work, group, (&mut contract, outcome));
    let staged = convert(run, &work, &surveyed, &contract)?;
    let mut rows = BTreeMap::new();
    for (surveyed, result) in surveyed.iter().zip(staged) {
        let key = &surveyed.object.key;
        match result.and_then(|rows| Ok((rows, is_still(&run.lake, &surveyed.object)?))) {
            Ok((staged, true)) => {
                rows.insert(key.clone(), staged);
            }
            Ok((_, false)) => outcome.moved.extend(take(group, key)),
            Err(error) => {
                if let Some(claimed) = take(group, key) {
                    unread(&run.lake, (claimed, error), outcome);
                }
            }
        }
    }
    if rows.values().all(|rows| rows.accepted == 0) && former.is_none() && source.declared.is_none() {
        // The contract of an undeclared source comes with its first accepted rows.
        contract = Contract::default();
    }
    Ok((!group.is_empty()).then_some(Staged { before, contract, rows }))
}

fn parse(table: &str, text: Option<&str>) -> Result<Option<Contract>> {
    let Some(text) = text else { return Ok(None) };
    serde_json::from_str(text).map(Some).map_err(|source| Error::Document {
        path: table.into(),
        kind: "contract",
        source,
    })
}

fn survey(
    work: &Work<'_>,
    group: &mut Vec<Claimed>,
    (contract, outcome): (&mut Contract, &mut Outcome),
) -> Vec<Surveyed> {
    let mut surveyed = Vec::new();
    for claimed in std::mem::take(group) {
        let Some(object) = claimed.object.clone() else {
            group.push(claimed);
            continue;
        };
        match work.survey(object, contract) {
            Ok(mapping) => {
                surveyed.push(mapping);
                group.push(claimed);
            }
            Err(error) => unread(work.lake, (claimed, error), outcome),
        }
    }
    surveyed
}

/// Converts the objects on all cores; a single one in this thread.
fn convert(run: &Run, work: &Work<'_>, surveyed: &[Surveyed], contract: &Contract) -> Result<Vec<Result<SilverRows>>> {
    let workers = run.settings.threads.min(surveyed.len());
    if workers <= 1 {
        return surveyed.iter().map(|surveyed| Ok(work.stage(&|| run.engine(), surveyed, contract))).collect();
    }
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<Result<SilverRows>>>> = surveyed.iter().map(|_| Mutex::new(None)).collect();
    let (lake, project, settings) = (&*run.lake, &run.project, &run.settings);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let own = OnceCell::new();
                let engine = || match own.get() {
                    Some(engine) => Ok(engine),
                    None => new_engine(lake, project, settings, 1).map(|engine| own.get_or_init(|| engine)),
                };
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(object) = surveyed.get(index) else { return };
                    let result = work.stage(&engine, object, contract);
                    if let Ok(mut slot) = results[index].lock() {
                        *slot = Some(result);
                    }
                }
            });
        }
    });
    let lost = |surveyed: &Surveyed| Error::Unstable { key: surveyed.object.key.clone() };
    Ok(results
        .into_iter()
        .zip(surveyed)
        .map(|(slot, surveyed)| slot.into_inner().ok().flatten().unwrap_or_else(|| Err(lost(surveyed))))
        .collect())
}

/// The stored contract moved, and so nothing of this conversion was committed: it is done again from the bytes.
fn discard_all(run: &Run, staged: &Staged) -> Result<()> {
    for rows in staged.rows.values() {
        rows.tables.iter().try_for_each(|rows| discard(&run.lake.table(&rows.table), &rows.files))?;
        discard(&run.lake.table(&format!("silver/{}", quarantine::TABLE)), &rows.quarantine)?;
    }
    Ok(())
}

/// Whether the object is still what was read. Its time counts, too: the content may have been another one meanwhile.
fn is_still(lake: &Lake, object: &RawObject) -> Result<bool> {
    let now = lake.look(&object.key, Some((&object.stamp, &object.version)))?;
    Ok(now.is_some_and(|now| now.version == object.version && now.stamp.same_file(&object.stamp)))
}

/// A failure to read an object that changed or went away meanwhile is none: it is looked at again.
fn unread(lake: &Lake, (claimed, error): (Claimed, Error), outcome: &mut Outcome) {
    if claimed.object.as_ref().is_none_or(|object| is_still(lake, object).unwrap_or(true)) {
        outcome.failed.push((claimed, error));
    } else {
        outcome.moved.push(claimed);
    }
}

fn take(group: &mut Vec<Claimed>, key: &str) -> Option<Claimed> {
    let place = group.iter().position(|claimed| claimed.key == key)?;
    Some(group.remove(place))
}

async fn commit_all(
    run: &Run,
    source: &Source<'_>,
    staged: &Staged,
    group: &mut Vec<Claimed>,
    (again, outcome): (bool, &mut Outcome),
) -> Result<Note> {
    let mut entries: BTreeMap<String, Vec<SilverEntry>> = BTreeMap::new();
    let plain = format!("silver/{}", source.table);
    for table in tables_of(source, staged, group) {
        let commit =
            Commit { run, staged, table: &table, plain: table == plain, declared: source.declared.is_some(), again };
        match commit.run(group, outcome).await? {
            (Note::ContractMoved, _) => return Ok(Note::ContractMoved),
            (Note::Done, Some(snapshot)) => note_rows(&table, &snapshot, (group, staged), &mut entries),
            (Note::Done, None) => {}
        }
    }
    for claimed in group.drain(..) {
        let silver = entries.remove(&claimed.key).unwrap_or_default();
        let rows = staged.rows.get(&claimed.key).cloned();
        outcome.published.push(Published { claimed, rows, silver });
    }
    Ok(Note::Done)
}

/// The tables that the group concerns: the source's own, those that held an object before, and the quarantine last.
fn tables_of(source: &Source<'_>, staged: &Staged, group: &[Claimed]) -> Vec<String> {
    let mut tables = source.tables();
    let mut former = BTreeSet::new();
    for claimed in group {
        former.extend(
            claimed
                .stored
                .done()
                .into_iter()
                .flat_map(|done| done.silver.iter().map(|entry| format!("silver/{}", entry.table))),
        );
        former.extend(claimed.stored.claim().into_iter().flat_map(|claim| claim.tables.iter().cloned()));
    }
    if staged.rows.is_empty() {
        tables.clear();
    }
    let former: Vec<String> = former.into_iter().filter(|table| !tables.contains(table)).collect();
    tables.extend(former);
    tables.push(format!("silver/{}", quarantine::TABLE));
    tables
}

fn note_rows(
    table: &str,
    at: &Committed,
    (group, staged): (&[Claimed], &Staged),
    entries: &mut BTreeMap<String, Vec<SilverEntry>>,
) {
    let name = table.trim_start_matches("silver/");
    if name == quarantine::TABLE {
        return;
    }
    for claimed in group {
        let rows = staged.rows.get(&claimed.key).and_then(|rows| rows.tables.iter().find(|rows| rows.table == *table));
        let Some(rows) = rows else { continue };
        let rows = rows.files.iter().map(|file| file.rows).sum();
        let entry = SilverEntry { table: name.to_owned(), id: at.id.clone(), version: at.version, rows };
        entries.entry(claimed.key.clone()).or_default().push(entry);
    }
}

/// Where a table stands after its commit.
struct Committed {
    id: String,
    version: u64,
}

/// One fenced commit.
struct Commit<'a> {
    run: &'a Run,
    staged: &'a Staged,
    table: &'a str,
    plain: bool,
    declared: bool,
    again: bool,
}

impl Commit<'_> {
    async fn run(&self, group: &mut Vec<Claimed>, outcome: &mut Outcome) -> Result<(Note, Option<Committed>)> {
        let table = self.run.tables.table(self.table)?;
        let (snapshot, note) = table
            .commit(&self.run.lake, self.run.patience(), |snapshot| {
                self.run.check_in_force()?;
                let contract = snapshot.and_then(|snapshot| snapshot.properties.get(CONTRACT));
                if self.plain && contract != self.staged.before.as_ref() && !self.staged.rows.is_empty() {
                    return Ok(Decision::Leave(Note::ContractMoved));
                }
                drop_lost(self.run, group, outcome)?;
                self.decide(snapshot, group)
            })
            .await?;
        let committed = snapshot.map(|snapshot| Committed { id: snapshot.id.clone(), version: snapshot.version });
        Ok((note, committed))
    }

    fn decide(&self, snapshot: Option<&Snapshot>, group: &[Claimed]) -> Result<Decision<Note>> {
        let names: BTreeSet<String> = group.iter().map(|claimed| object_name(&claimed.key)).collect();
        let files = snapshot.map_or(&[][..], |snapshot| &snapshot.files);
        let (mut remove, others): (Vec<File>, Vec<File>) =
            files.iter().cloned().partition(|file| names.contains(object_of(&file.path)));
        let mut add: Vec<DataFile> = group.iter().flat_map(|claimed| self.files_of(&claimed.key)).cloned().collect();
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
            return Ok(Decision::Leave(Note::Done));
        }
        if remove.is_empty() && add.is_empty() && definition.is_none() && !taken_over {
            return Ok(Decision::Leave(Note::Done));
        }
        Ok(Decision::Commit(Change { remove, add, definition }, Note::Done))
    }

    fn files_of(&self, key: &str) -> &[DataFile] {
        let Some(rows) = self.staged.rows.get(key) else { return &[] };
        if self.table.ends_with(&format!("/{}", quarantine::TABLE)) {
            return &rows.quarantine;
        }
        rows.tables.iter().find(|rows| rows.table == self.table).map_or(&[], |rows| &rows.files)
    }

    /// What the table is to be like, as far as this group says.
    fn definition(&self, group: &[Claimed], needed: bool) -> Option<Definition> {
        if self.table.ends_with(&format!("/{}", quarantine::TABLE)) {
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
        let folder = self.run.lake.table(self.table);
        let mut written = Vec::new();
        for file in others {
            let unique = uuid::Uuid::new_v4().simple().to_string();
            let mut writer = DataFileWriter::new(Target {
                folder: folder.clone(),
                name: format!("{}-{}-{}", object_of(&file.path), &self.run.attempt.id[..8], &unique[..8]),
                schema: Arc::clone(&settled.schema),
                partition_by: settled.partition_by.clone(),
            });
            let relation = Relation::Files { paths: vec![folder.join(&file.path)], schema: Arc::clone(&former.schema) };
            engine.define("silver", "rewritten", &relation)?;
            engine.select(&format!("rewrite {}", self.table), "SELECT * FROM silver.rewritten", |batch| {
                let refused = |error: arrow::error::ArrowError| Error::Contract {
                    table: self.table.to_owned(),
                    reason: format!("rows of an object that is gone do not fit the new types: {error}"),
                };
                writer.write(&conform_batch(&batch, &settled.schema).map_err(refused)?)
            })?;
            written.extend(writer.finish()?);
        }
        Ok(written)
    }
}

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

/// Takes out of the group what is no longer ours.
fn drop_lost(run: &Run, group: &mut Vec<Claimed>, outcome: &mut Outcome) -> Result<()> {
    for claimed in std::mem::take(group) {
        let now = Stored::read(&run.lake, &claimed.key)?;
        if now.claim().is_some_and(|claim| claim.attempt == run.attempt.id) {
            group.push(claimed);
        } else {
            outcome.moved.push(claimed);
        }
    }
    Ok(())
}

//! Publishing: the rows of a group of objects replace what the tables hold of them, one fenced commit a table.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::commit::{Commit, Fence, Note};
use crate::contract::Contract;
use crate::data_file::DataFile;
use crate::error::{Error, Result};
use crate::lake::{Lake, RawObject, both, parallel};
use crate::quarantine;
use crate::receipt::{Receipt, SilverEntry, Stored};
use crate::run::{Run, new_engine};
use crate::silver::{Lazy, Looked, Opened, SilverRows, Surveyed, Work};
use crate::snapshot::{Definition, Needs, Snapshot};
use crate::source::Source;
use crate::table::FRESH;

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
    /// Whether the object is gone and its rows stay: then the commits only fence the former owner off.
    pub stays: bool,
    /// When its processing began.
    pub started_at: chrono::DateTime<chrono::Utc>,
    /// Before the claim was written.
    pub since: Instant,
}

impl Claimed {
    /// Whether nobody had the object before: no table holds anything of it.
    fn is_first(&self) -> bool {
        !self.taken_over && self.stored.done().is_none()
    }
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

impl Published {
    /// The silver tables whose rows may be others now: those that hold it, and those that it left.
    pub fn tables(&self) -> Vec<String> {
        let (stored, taken_over) = (&self.claimed.stored, self.claimed.taken_over);
        let former = stored.done().into_iter().flat_map(Receipt::tables);
        // The former owner may have published before it was gone; a claim names tables as they stand in the lake.
        let begun = stored.claim().filter(|_| taken_over).into_iter().flat_map(|claim| &claim.tables);
        let begun = begun.map(|table| table.trim_start_matches("silver/").to_owned());
        self.silver.iter().map(|entry| entry.table.clone()).chain(former).chain(begun).collect()
    }
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

/// The group converted under one contract.
pub struct Staged {
    /// The contract that was stored when the conversion began.
    pub before: Option<String>,
    /// The contract that the rows follow.
    pub contract: Contract,
    /// The rows of each object, by key.
    pub rows: BTreeMap<String, SilverRows>,
}

impl Staged {
    /// The files that a table gets of some objects.
    pub fn files(&self, table: &str, group: &[Claimed]) -> Vec<DataFile> {
        group.iter().flat_map(|claimed| self.files_of(table, &claimed.key)).cloned().collect()
    }

    fn files_of(&self, table: &str, key: &str) -> &[DataFile] {
        let Some(rows) = self.rows.get(key) else { return &[] };
        if table == quarantine::PATH {
            return &rows.quarantine;
        }
        rows.tables.iter().find(|rows| rows.table == table).map_or(&[], |rows| &rows.files)
    }
}

/// Publishes a group of objects of one source. `again`: the declared contract wins over the stored one.
///
/// # Errors
/// Failures that concern the whole group, [`Error::Superseded`] first of all.
pub async fn publish(run: &Run, source: &Source<'_>, group: Vec<Claimed>, again: bool) -> Result<Outcome> {
    // With nobody beside it and a whole run before it: what fails then for want of room or time always will.
    let at_its_best = group.len() == 1 && run.lanes == 1 && run.budget.is_at_its_best();
    let mut publishing = Publishing { run, source, again, group, at_its_best, outcome: Outcome::default() };
    loop {
        let mut staged = publishing.stage()?;
        if publishing.group.is_empty() || publishing.commit(&mut staged).await? == Note::Done {
            return Ok(publishing.outcome);
        }
        // The stored contract moved, and so nothing was committed: it is done again from the bytes.
        staged.rows.values().try_for_each(|rows| discard_rows(&run.lake, rows))?;
    }
}

/// The objects of a group on their way into the tables; those that cannot go on leave it for the outcome.
struct Publishing<'a> {
    run: &'a Run,
    source: &'a Source<'a>,
    again: bool,
    group: Vec<Claimed>,
    at_its_best: bool,
    outcome: Outcome,
}

impl Publishing<'_> {
    fn stage(&mut self) -> Result<Staged> {
        let objects: Vec<RawObject> = self.group.iter().filter_map(|claimed| claimed.object.clone()).collect();
        let opened = Opened::ahead(&self.run.lake, self.run.open(), &objects);
        let mut stored = BTreeMap::new();
        let tables = self.source.tables();
        let all: Vec<String> = tables.iter().cloned().chain([quarantine::PATH.to_owned()]).collect();
        // The commit will ask which files a bucket's table has, a folder's only where it holds some of the group.
        let needs = if self.run.lake.is_local() { Needs::Glance } else { Needs::Files };
        if self.group.iter().all(Claimed::is_first) {
            self.run.tables.look_lately(all, needs)?;
        } else {
            self.run.tables.look(&all, needs)?;
        }
        for table in tables {
            if let Some(snapshot) = self.run.tables.table(&table).seen() {
                stored.insert(table, snapshot.definition());
            }
        }
        let plain: Option<&Definition> = stored.get(&format!("silver/{}", self.source.table));
        let before = plain.and_then(|table| table.properties.get(CONTRACT)).cloned();
        let former = parse(&self.source.table, before.as_deref())?;
        let differences =
            former.as_ref().filter(|_| !self.again).map(|former| former.differences(self.source.declared));
        self.outcome.differences = differences.unwrap_or_default();
        let in_force = Contract::in_force(former.as_ref(), self.source.declared, self.again);
        let work = Work {
            lake: &self.run.lake,
            source: self.source,
            attempt: &self.run.attempt.id,
            ingested_at: self.run.started_at,
            stored: &stored,
            again: self.again,
            budget: self.run.budget,
            opened: &opened,
        };
        let (mut contract, rows) = self.read(&work, &in_force)?;
        let nothing = rows.values().all(|rows| rows.accepted == 0);
        if nothing && former.is_none() && self.source.declared.is_none() {
            // The contract of an undeclared source comes with its first accepted rows.
            contract = Contract::default();
        }
        Ok(Staged { before, contract, rows })
    }

    /// The rows of all objects, and the contract that has grown by them. What was only guessed of an object counts when it
    /// was read to its end and nothing else was found in it. Otherwise all of it is looked at, and the others are read
    /// again, too, if that makes the contract another one.
    fn read(&mut self, work: &Work<'_>, in_force: &Contract) -> Result<(Contract, BTreeMap<String, SilverRows>)> {
        let (mut whole, mut looks, mut grown) = (BTreeSet::new(), BTreeMap::new(), None);
        let mut rows: BTreeMap<String, SilverRows> = BTreeMap::new();
        loop {
            let mut contract = in_force.clone();
            let mut surveyed = self.survey(work, &mut contract, (&whole, &mut looks));
            let same = grown.replace(contract.clone()).is_none_or(|former| former == contract);
            let (kept, gone): (BTreeMap<_, _>, BTreeMap<_, _>) =
                std::mem::take(&mut rows).into_iter().partition(|(key, _)| same && self.place(key).is_some());
            gone.values().try_for_each(|rows| discard_rows(work.lake, rows))?;
            rows = kept;
            surveyed.retain(|surveyed| !rows.contains_key(&surveyed.object.key));
            let mut settled = true;
            for (surveyed, result) in surveyed.iter().zip(convert_all(self.run, work, &surveyed, &contract)) {
                let key = &surveyed.object.key;
                match result {
                    Err(Error::Unforeseen { .. }) if whole.insert(key.clone()) => settled = false,
                    Err(error) => {
                        settled &= !surveyed.is_guessed();
                        self.drop_unread(key, error);
                    }
                    Ok(staged) => drop(rows.insert(key.clone(), staged)),
                }
            }
            if settled {
                return Ok((contract, rows));
            }
        }
    }

    fn survey(
        &mut self,
        work: &Work<'_>,
        contract: &mut Contract,
        (whole, looks): (&BTreeSet<String>, &mut BTreeMap<String, Looked>),
    ) -> Vec<Surveyed> {
        let mut surveyed = Vec::new();
        for object in self.group.iter().filter_map(|claimed| claimed.object.clone()).collect::<Vec<_>>() {
            let key = object.key.clone();
            let looked = looks.entry(key.clone()).or_default();
            match work.survey(object, contract, (!whole.contains(&key), looked)) {
                Ok(found) => surveyed.push(found),
                Err(error) => self.drop_unread(&key, error),
            }
        }
        surveyed
    }

    fn drop_unread(&mut self, key: &str, error: Error) {
        if let Some(place) = self.place(key) {
            let claimed = self.group.remove(place);
            self.unread(claimed, error);
        }
    }

    fn place(&self, key: &str) -> Option<usize> {
        self.group.iter().position(|claimed| claimed.key == key)
    }

    /// A failure to read an object that changed or went away meanwhile is none: it is looked at again.
    fn unread(&mut self, claimed: Claimed, error: Error) {
        if claimed.object.as_ref().is_none_or(|object| is_still(&self.run.lake, object).unwrap_or(true)) {
            let bytes = claimed.object.as_ref().map_or(0, |object| object.stamp.size);
            let error = if self.at_its_best { error.at_its_best((&claimed.key, bytes)) } else { error };
            self.outcome.failed.push((claimed, error));
        } else {
            self.outcome.moved.push(claimed);
        }
    }

    /// Sends the data files, and meanwhile sees that the objects are what was read and that they are still ours.
    fn send(&mut self, tables: &[String], staged: &mut Staged) -> Result<Fence> {
        let lake = &*self.run.lake;
        let files: Vec<_> = tables.iter().map(|table| (table, staged.files(table, &self.group))).collect();
        let objects: Vec<RawObject> = self.group.iter().filter_map(|claimed| claimed.object.clone()).collect();
        let upload = || parallel(lake.width(), &files, |(table, files)| lake.publish(table, files));
        let look = || parallel(lake.width(), &objects, |object| is_still(lake, object));
        let seen = tables.iter().map(|table| self.run.tables.table(table).seen_at());
        let known = seen.collect::<Option<BTreeSet<_>>>().and_then(|mut seen| seen.pop_last());
        let began = Instant::now();
        let (sent, (still, fence)) =
            both(upload, || both(look, || Fence::after(known, self.run, &mut self.group, &mut self.outcome)));
        sent.into_iter().collect::<Result<()>>()?;
        let mut fence = fence?;
        if began.elapsed() > FRESH {
            fence = Fence::see(self.run, &mut self.group, &mut self.outcome)?;
        }
        for (object, still) in objects.iter().zip(still) {
            let Some(place) = self.place(&object.key) else { continue };
            match still {
                Ok(true) => continue,
                Ok(false) => self.outcome.moved.push(self.group.remove(place)),
                Err(error) => self.drop_unread(&object.key, error),
            }
            if let Some(rows) = staged.rows.remove(&object.key) {
                discard_rows(lake, &rows)?;
            }
        }
        Ok(fence)
    }

    async fn commit(&mut self, staged: &mut Staged) -> Result<Note> {
        let mut entries: BTreeMap<String, Vec<SilverEntry>> = BTreeMap::new();
        let plain = format!("silver/{}", self.source.table);
        let tables = tables_of(self.source, staged, &self.group);
        let mut fence = self.send(&tables, staged)?;
        if self.group.is_empty() {
            return Ok(Note::Done);
        }
        for table in tables {
            let commit = Commit {
                run: self.run,
                staged,
                table: &table,
                plain: table == plain,
                declared: self.source.declared.is_some(),
                again: self.again,
            };
            match commit.run(&mut fence, (&mut self.group, &mut self.outcome)).await? {
                (Note::ContractMoved, _) => return Ok(Note::ContractMoved),
                (Note::Done, snapshot) => {
                    for claimed in &self.group {
                        let rows = staged.rows.get(&claimed.key);
                        let entry = snapshot.as_ref().and_then(|at| entry(&table, at, rows));
                        entries.entry(claimed.key.clone()).or_default().extend(entry);
                    }
                }
            }
        }
        for claimed in self.group.drain(..) {
            let silver = entries.remove(&claimed.key).unwrap_or_default();
            let rows = staged.rows.get(&claimed.key).cloned();
            self.outcome.published.push(Published { claimed, rows, silver });
        }
        Ok(Note::Done)
    }
}

/// What a receipt says of an object's rows in a table; the quarantine has a count of its own.
fn entry(table: &str, at: &Snapshot, rows: Option<&SilverRows>) -> Option<SilverEntry> {
    let files = match rows {
        Some(rows) => rows.tables.iter().find(|rows| rows.table == table)?.files.as_slice(),
        None if table == quarantine::PATH => return None,
        None => &[],
    };
    Some(SilverEntry {
        table: table.trim_start_matches("silver/").to_owned(),
        id: at.id.clone(),
        version: at.version,
        rows: files.iter().map(|file| file.rows).sum(),
    })
}

fn parse(table: &str, text: Option<&str>) -> Result<Option<Contract>> {
    let Some(text) = text else { return Ok(None) };
    serde_json::from_str(text).map(Some).map_err(|source| Error::Document {
        path: table.into(),
        kind: "contract",
        source,
    })
}

/// Converts the objects on all cores; a single one in this thread.
fn convert_all(run: &Run, work: &Work<'_>, surveyed: &[Surveyed], contract: &Contract) -> Vec<Result<SilverRows>> {
    let workers = run.settings.threads.min(surveyed.len());
    if workers <= 1 {
        return surveyed.iter().map(|surveyed| stage(work, &|| run.engine(), surveyed, contract)).collect();
    }
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<Result<SilverRows>>>> = surveyed.iter().map(|_| Mutex::new(None)).collect();
    let (lake, project, settings, budget) = (&*run.lake, &run.project, &run.settings.shared_by(workers), run.budget);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let own = OnceCell::new();
                let engine = || {
                    if let Some(engine) = own.get() {
                        return Ok(engine);
                    }
                    let engine = new_engine(lake, project, settings, 1)?;
                    engine.stop_at(budget.end());
                    Ok(own.get_or_init(|| engine))
                };
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(object) = surveyed.get(index) else { return };
                    let result = stage(work, &engine, object, contract);
                    if let Ok(mut slot) = results[index].lock() {
                        *slot = Some(result);
                    }
                }
            });
        }
    });
    let lost = |surveyed: &Surveyed| Error::Unstable { key: surveyed.object.key.clone() };
    results
        .into_iter()
        .zip(surveyed)
        .map(|(slot, surveyed)| slot.into_inner().ok().flatten().unwrap_or_else(|| Err(lost(surveyed))))
        .collect()
}

fn stage(work: &Work<'_>, engine: Lazy<'_>, surveyed: &Surveyed, contract: &Contract) -> Result<SilverRows> {
    let rows = work.stage(engine, surveyed, contract).and_then(|rows| match &rows.refused {
        // What was guessed of it was not seen to its end.
        Some(reason) if surveyed.is_guessed() => {
            discard_rows(work.lake, &rows)?;
            Err(Error::Unforeseen { key: surveyed.object.key.clone(), what: reason.clone() })
        }
        _ => Ok(rows),
    });
    // What is unforeseen is read again.
    if !matches!(rows, Err(Error::Unforeseen { .. })) {
        work.opened.close(&surveyed.object);
    }
    rows
}

fn discard_rows(lake: &Lake, rows: &SilverRows) -> Result<()> {
    rows.tables.iter().try_for_each(|rows| lake.discard(&rows.table, &rows.files))?;
    lake.discard(quarantine::PATH, &rows.quarantine)
}

/// Whether the object is still what was read. Its time counts, too: the content may have been another one meanwhile.
fn is_still(lake: &Lake, object: &RawObject) -> Result<bool> {
    let now = lake.look(&object.key, Some((&object.stamp, &object.version)))?;
    Ok(now.is_some_and(|now| now.version == object.version && now.stamp.same_file(&object.stamp)))
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
    tables.push(quarantine::PATH.to_owned());
    tables
}

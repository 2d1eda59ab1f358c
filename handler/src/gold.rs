//! Gold: each stored model is one Delta table, always equal to its SQL over the current inputs.
//!
//! Level-triggered: a gold commit records which version of each input it was computed from. A table is stale when an
//! input is newer or another one, whoever noticed. Load the gold table first, then pin the inputs: so it never moves
//! back to an older state of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::attempt::mark;
use crate::check;
use crate::data_file::{DataFile, DataFileWriter, Target};
use crate::engine::{Engine, Relation as Stands};
use crate::error::{Error, Result};
use crate::inputs::{Inputs, Needed, Pinned, Upstream};
use crate::lake::{Lake, SYSTEM_FOLDER, both};
use crate::partitions::{self, Scope};
use crate::project::{Model, Project, Severity, Zone};
use crate::quality::{self, Failure};
use crate::receipt::{GoldEntry, GoldStatus};
use crate::run::{Part, Run};
use crate::snapshot::{Change, Definition, File, Needs, Snapshot};
use crate::stored::{stored_batch, stored_schema};
use crate::table::{Decision, FRESH, Table, backoff};

/// The table property that records what a gold table was computed from.
pub const INPUTS: &str = "pintail.inputs";

/// The table property that records the time of the refresh, which models see as `run_started_at`.
const STARTED_AT: &str = "pintail.run_started_at";

/// A verdict of the data: with these inputs the table cannot be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Verdict {
    inputs: Inputs,
    reason: String,
}

/// The stored gold models below some silver tables.
pub fn downstream(project: &Project, silver: &[String]) -> BTreeSet<String> {
    let mut touched: BTreeSet<(&str, String)> = silver.iter().map(|name| ("silver", name.clone())).collect();
    for model in stored_models(project) {
        if Upstream::of(project, model).tables.iter().any(|table| touched.contains(table)) {
            touched.insert(("gold", model.name.clone()));
        }
    }
    touched.into_iter().filter(|(zone, _)| *zone == "gold").map(|(_, name)| name).collect()
}

/// The stored gold models below some silver tables, and those that they read.
fn lineage(project: &Project, silver: &[String]) -> BTreeSet<String> {
    let mut wanted = downstream(project, silver);
    for model in stored_models(project).collect::<Vec<_>>().into_iter().rev() {
        if wanted.contains(&model.name) {
            let read = Upstream::of(project, model).tables.into_iter().filter(|(zone, _)| *zone == "gold");
            wanted.extend(read.map(|(_, name)| name));
        }
    }
    wanted
}

/// The stored gold models, each after those it reads.
pub fn stored_models(project: &Project) -> impl Iterator<Item = &Model> {
    project.models.iter().filter(|model| model.zone == Zone::Gold && model.stored)
}

/// Refreshes whatever gold is stale: first what stands below these silver tables, whose events wait for it, and what that
/// reads; then, unless other work waits, the others while there is time, so that one that has no end takes it from nobody.
/// `looked`: how gold stood a moment before.
///
/// # Errors
/// [`Error::Superseded`]; a failure at one table is an entry with status `failed`, what the data refuses one with
/// status `withheld`.
pub async fn refresh(
    run: &Run,
    looked: Option<Looked>,
    (silver, work_waits): (&[String], bool),
) -> Result<Vec<GoldEntry>> {
    let mut entries: Vec<GoldEntry> = Vec::new();
    let mut standing = stand(run, looked).unwrap_or_else(|error| {
        tracing::debug!(error = error.chain(), "each table is looked at by itself");
        HashMap::new()
    });
    let awaited = lineage(&run.project, silver);
    let (first, others): (Vec<_>, Vec<_>) =
        stored_models(&run.project).partition(|model| awaited.contains(&model.name));
    for model in first.into_iter().chain(others.into_iter().filter(|_| !work_waits)) {
        let upstream = Upstream::of(&run.project, model);
        let broken = entries.iter().find(|entry| {
            entry.status == GoldStatus::Failed && upstream.tables.contains(&("gold", entry.table.clone()))
        });
        let at_its_best = run.budget.is_at_its_best();
        let refreshed = match broken {
            Some(GoldEntry { table, is_too_large, .. }) => {
                Ok(GoldEntry { is_too_large: *is_too_large, ..failed(model, format!("gold.{table} failed")) })
            }
            None if run.budget.is_over() && !awaited.contains(&model.name) => {
                Ok(failed(model, "there was no time left for it".to_owned()))
            }
            None => refresh_model(run, &upstream, standing.remove(&model.name)).await,
        };
        entries.push(match refreshed {
            Err(error @ Error::Superseded { .. }) => return Err(error),
            // One table's failure is not its neighbours'.
            Err(error) => {
                let is_too_large = at_its_best && error.is_of_limits();
                GoldEntry { is_too_large, ..failed(model, error.chain()) }
            }
            Ok(entry) => entry,
        });
    }
    Ok(entries)
}

/// A gold table as it stood before its inputs were looked at.
struct Standing {
    snapshot: Option<Arc<Snapshot>>,
    at: Instant,
}

/// How the gold tables stand, by name.
pub struct Looked {
    tables: HashMap<String, Option<Arc<Snapshot>>>,
    /// When that was known. What is asked of their inputs later is at least as new as what they were computed from; what
    /// was asked earlier, and perhaps answered later, may be older.
    at: Instant,
}

impl Looked {
    /// The same for who looked at something else meanwhile: that was not asked after it.
    #[must_use]
    pub fn as_of_now(self) -> Self {
        Self { at: Instant::now(), ..self }
    }
}

/// Looks at all gold tables side by side.
///
/// # Errors
/// As [`Table::glance`].
pub fn look(run: &Part) -> Result<Looked> {
    let models = || stored_models(&run.project).map(|model| (model.name.clone(), format!("gold/{}", model.name)));
    run.tables.look_lately(models().map(|(_, table)| table), Needs::Glance)?;
    let tables = models().map(|(name, table)| (name, run.tables.table(&table).seen())).collect();
    Ok(Looked { tables, at: Instant::now() })
}

/// How the gold tables stand, once what they are computed from is seen as well.
fn stand(run: &Run, looked: Option<Looked>) -> Result<HashMap<String, Standing>> {
    let fresh = looked.filter(|looked| looked.at.elapsed() < FRESH);
    let Looked { tables, at } = fresh.map_or_else(|| look(run), Ok)?;
    let inputs = stored_models(&run.project).flat_map(|model| Upstream::of(&run.project, model).tables);
    let inputs: BTreeSet<String> = inputs.map(|(zone, name)| format!("{zone}/{name}")).collect();
    let unseen = inputs.into_iter().filter(|name| run.tables.table(name).seen_at().is_none_or(|seen| seen < at));
    run.tables.look(&unseen.collect::<Vec<_>>(), Needs::Glance)?;
    Ok(tables.into_iter().map(|(name, snapshot)| (name, Standing { snapshot, at })).collect())
}

fn failed(model: &Model, reason: String) -> GoldEntry {
    GoldEntry { reason: Some(reason), ..GoldEntry::new(&model.name, None, GoldStatus::Failed) }
}

/// Refreshes one table. `looked`: how it stood, where it and then its inputs were looked at already.
async fn refresh_model(run: &Run, upstream: &Upstream<'_>, mut looked: Option<Standing>) -> Result<GoldEntry> {
    let table = run.tables.table(&format!("gold/{}", upstream.model.name));
    let started = Instant::now();
    let mut round = 0;
    loop {
        // The gold table first, then its inputs.
        let (standing, inputs) = if let Some(standing) = looked.take() {
            (standing, upstream.seen(&run.tables, &run.project))
        } else {
            let standing = Standing { snapshot: table.glance().await?, at: Instant::now() };
            (standing, upstream.glance(&run.tables, &run.project).await?)
        };
        if let Some(entry) = settle(run, upstream, (&table, &standing, &inputs)).await? {
            return Ok(entry);
        }
        if started.elapsed() > run.patience() {
            return Err(Error::Contended { table: table.name.clone(), seconds: run.settings.patience_seconds });
        }
        backoff(round).await;
        round += 1;
    }
}

/// One round of a refresh: how the table stands then, or `None` when another worker's commit came between.
async fn settle(
    run: &Run,
    upstream: &Upstream<'_>,
    (table, standing, inputs): (&Table, &Standing, &Inputs),
) -> Result<Option<GoldEntry>> {
    let version = standing.snapshot.as_ref().map(|standing| standing.version);
    let name = &upstream.model.name;
    let entry = |version, status, reason| Ok(Some(GoldEntry { reason, ..GoldEntry::new(name, version, status) }));
    if standing.snapshot.as_deref().and_then(|standing| recorded(&standing.properties)).as_ref() == Some(inputs) {
        return entry(version, GoldStatus::Fresh, None);
    }
    // Of a version that this run made since nobody has had the time to say anything; if somebody did, it is said again.
    let is_own =
        |(zone, name): &(&str, String)| run.tables.table(&format!("{zone}/{name}")).is_committed_since(standing.at);
    if !upstream.tables.iter().any(is_own)
        && let Some(reason) = withheld(&run.lake, name, inputs)?
    {
        return entry(version, GoldStatus::Withheld, Some(reason));
    }
    let former = table.load_seen().await?;
    let identity = |at: Option<&Arc<Snapshot>>| at.map(|at| (at.id.clone(), at.version));
    if identity(former.as_ref()) != identity(standing.snapshot.as_ref()) {
        // It moved on after the look, and what it was computed from may be newer than what was seen.
        return Ok(None);
    }
    let pinned = upstream.pin(&run.tables, &run.project).await?;
    let (former, looked_at) = (former.as_deref(), standing.at);
    let refresh = Refresh { run, upstream, table, former, looked_at, pinned: &pinned };
    let refreshed = refresh.run().await;
    run.release()?;
    match refreshed {
        Ok(Some((version, warnings))) => {
            Ok(Some(GoldEntry { warnings, ..GoldEntry::new(name, Some(version), GoldStatus::Refreshed) }))
        }
        Ok(None) => Ok(None),
        Err(error) if withholds(&error) => {
            let reason = error.chain();
            write_verdict(&run.lake, name, &Verdict { inputs: pinned.inputs, reason: reason.clone() })?;
            entry(version, GoldStatus::Withheld, Some(reason))
        }
        Err(error) => Err(error),
    }
}

/// Whether the data or the project's SQL is to blame, and not this machine.
fn withholds(error: &Error) -> bool {
    error.is_verdict() || matches!(error, Error::Columns { .. })
}

/// What the newest commit of a gold table was computed from.
pub fn recorded(properties: &BTreeMap<String, String>) -> Option<Inputs> {
    serde_json::from_str(properties.get(INPUTS)?).ok()
}

/// The time of the refresh that a gold table's newest commit records.
pub fn started_at(snapshot: &Snapshot) -> Option<DateTime<Utc>> {
    Some(DateTime::parse_from_rfc3339(snapshot.properties.get(STARTED_AT)?).ok()?.to_utc())
}

/// Why a table is withheld with these inputs, if it is.
///
/// # Errors
/// [`Error::Io`], [`Error::Document`].
pub fn withheld(lake: &Lake, name: &str, inputs: &Inputs) -> Result<Option<String>> {
    Ok(read_verdict(lake, name)?.filter(|verdict| verdict.inputs == *inputs).map(|verdict| verdict.reason))
}

/// One refresh of one table against one set of inputs.
struct Refresh<'a> {
    run: &'a Run,
    upstream: &'a Upstream<'a>,
    table: &'a Table,
    former: Option<&'a Snapshot>,
    looked_at: Instant,
    pinned: &'a Pinned,
}

/// A computed result, not yet in the table.
struct Computed {
    add: Vec<DataFile>,
    remove: Vec<File>,
    schema: SchemaRef,
}

impl Refresh<'_> {
    /// Computes, tests and commits: the version and what tests warn of; `None` when another worker's commit came between.
    async fn run(&self) -> Result<Option<(u64, Vec<String>)>> {
        let engine = self.run.engine()?;
        let tree = check::admit(engine, self.upstream.model)?;
        let scope = match self.former {
            Some(former) => {
                partitions::scope(self.upstream, &tree, (former, recorded(&former.properties), self.pinned)).await?
            }
            None => None,
        };
        let scope = scope.filter(|scope| !scope.partitions.is_empty());
        let computed = self.compute(engine, (&tree, scope.as_ref()))?;
        let tested = self.test(engine, &computed);
        let committed = match tested {
            Ok(warnings) => self.commit(&computed).await.map(|version| Some((version?, warnings))),
            Err(error) => Err(error),
        };
        if !matches!(committed, Ok(Some(_))) && !matches!(committed, Err(Error::Delta { .. })) {
            // Nobody can have seen these files: the commit was not tried, or lost.
            self.run.lake.discard(&self.table.name, &computed.add)?;
        }
        committed
    }

    fn compute(&self, engine: &Engine, (tree, scope): (&Value, Option<&Scope>)) -> Result<Computed> {
        let model = self.upstream.model;
        let what = format!("model {}", model.name);
        let needed = Needed::Seen(tree, scope);
        Upstream::of_sql(&self.run.project, model).define(engine, &self.run.project, (self.pinned, needed))?;
        let mut rows = engine.exact_rows(&what, &model.sql)?;
        let schema = stored_schema(&rows.schema())?;
        // Another layout cannot be mixed with what stands.
        let same =
            self.former.is_some_and(|former| former.schema == schema && former.partition_by == model.partition_by);
        if scope.is_some() && !same {
            drop(rows);
            return self.compute(engine, (tree, None));
        }
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let target = Target {
            folder: self.table.folder.clone(),
            name: format!("{}-{}", mark(&self.run.attempt.id), &unique[..8]),
            schema: Arc::clone(&schema),
            partition_by: model.partition_by.clone(),
        };
        let mut writer = DataFileWriter::new(target);
        let store = |batch: &RecordBatch| stored_batch(batch, &schema).map_err(Error::columns(&what));
        rows.take(|batch| writer.write(&store(&batch)?))?;
        let add = writer.finish()?;
        let former = self.former.map_or(&[][..], |former| &former.files);
        let remove =
            former.iter().filter(|file| scope.is_none_or(|scope| scope.covers(&file.partition))).cloned().collect();
        Ok(Computed { add, remove, schema })
    }

    /// The tests see the whole table as it would be, and whole what else they read. Returns what those that only warn found.
    fn test(&self, engine: &Engine, computed: &Computed) -> Result<Vec<String>> {
        let model = self.upstream.model;
        if model.tests.is_empty() {
            return Ok(Vec::new());
        }
        let removed: BTreeSet<&str> = computed.remove.iter().map(|file| file.path.as_str()).collect();
        let standing = self.former.map_or(&[][..], |former| &former.files).iter();
        let standing = standing.filter(|file| !removed.contains(file.path.as_str()));
        let mut paths = engine.hold(self.table.fetch(standing)?);
        paths.extend(computed.add.iter().map(|file| self.table.folder.join(&file.path)));
        Upstream::of_tests(&self.run.project, model).define(engine, &self.run.project, (self.pinned, Needed::Whole))?;
        engine.define("gold", &model.name, &Stands::Files { paths, schema: Arc::clone(&computed.schema) })?;
        let failures = quality::test_model(engine, &model.tests)?;
        if let Some(failure) = failures.iter().find(|failure| failure.severity == Severity::Error) {
            return Err(Error::Refused { what: format!("model {}", model.name), reason: failure.text() });
        }
        Ok(failures.iter().map(Failure::text).collect())
    }

    /// Commits to exactly the version after the one that was loaded before the inputs were pinned. The project was in force
    /// after that: a newer one's first commit follows it, or makes this one fail.
    async fn commit(&self, computed: &Computed) -> Result<Option<u64>> {
        let (lake, add) = (&*self.run.lake, &computed.add);
        let (sent, in_force) = both(|| lake.publish(&self.table.name, add), || self.run.check_in_force(self.looked_at));
        sent?;
        in_force?;
        let inputs = serde_json::to_string(&self.pinned.inputs).unwrap_or_default();
        let base = self.former.map(|former| (former.id.clone(), former.version));
        let (snapshot, committed) = self
            .table
            .commit((self.run.patience(), Needs::Files), |snapshot, _| {
                if snapshot.map(|snapshot| (snapshot.id.clone(), snapshot.version)) != base {
                    return Ok(Decision::Leave(false));
                }
                let mut properties = self.former.map(|former| former.properties.clone()).unwrap_or_default();
                properties.insert(INPUTS.to_owned(), inputs.clone());
                properties.insert(STARTED_AT.to_owned(), self.run.started_at.to_rfc3339());
                let definition = Definition {
                    schema: Arc::clone(&computed.schema),
                    partition_by: self.upstream.model.partition_by.clone(),
                    properties,
                };
                let change =
                    Change { remove: computed.remove.clone(), add: computed.add.clone(), definition: Some(definition) };
                Ok(Decision::Commit(change, true))
            })
            .await?;
        Ok(snapshot.filter(|_| committed).map(|snapshot| snapshot.version))
    }
}

fn verdict_path(name: &str) -> String {
    format!("gold/{SYSTEM_FOLDER}/verdicts/{name}.json")
}

fn read_verdict(lake: &Lake, name: &str) -> Result<Option<Verdict>> {
    let path = verdict_path(name);
    let Some(document) = lake.read(&path)? else { return Ok(None) };
    let wrong = |source| Error::Document { path: path.into(), kind: "verdict", source };
    serde_json::from_slice(&document.bytes).map(Some).map_err(wrong)
}

/// A verdict holds for its inputs only, so that whose is written last does no harm.
fn write_verdict(lake: &Lake, name: &str, verdict: &Verdict) -> Result<()> {
    let path = verdict_path(name);
    let bytes = serde_json::to_vec(verdict).map_err(|source| Error::Document {
        path: path.clone().into(),
        kind: "verdict",
        source,
    })?;
    let former = lake.read(&path)?;
    lake.swap(&path, former.as_ref(), &bytes).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use crate::lake::{Address, Scratch};
    use crate::run::Warm;
    use crate::settings::Settings;

    const FILES: [(&str, &str); 5] = [
        ("dbt_project.yml", "name: shop\n"),
        ("models/sources.yml", "sources:\n  - {name: web, tables: [{name: visits}, {name: people}]}\n"),
        ("models/gold/alone.sql", "select count(*) as n from {{ source('web', 'people') }}"),
        (
            "models/gold/ancestor.sql",
            "{{ config(materialized='table') }} select count(*) as n from {{ source('web', 'people') }}",
        ),
        (
            "models/gold/below.sql",
            "select count(*) + any_value(n) as n from {{ ref('ancestor') }}, {{ source('web', 'visits') }}",
        ),
    ];

    #[tokio::test(flavor = "multi_thread")]
    async fn what_no_event_waits_for_comes_last_and_only_while_there_is_time() {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in FILES {
            let path = folder.path().join("project").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let project = Project::load(&folder.path().join("project"), &|_| None, Utc::now()).unwrap();
        let address = Address::folder(&folder.path().join("lake"));
        let lake = Arc::new(Lake::open(&address, &Scratch::default(), None).unwrap());
        let run = Warm::new(lake, project, Settings::default()).begin(Utc::now(), Budget::until(Instant::now()));
        let (run, silver) = (run.unwrap(), ["visits".to_owned()]);
        let no_time = |entry: &GoldEntry| entry.reason.as_deref() == Some("there was no time left for it");
        let told = |entries: &[GoldEntry]| -> Vec<(String, bool)> {
            entries.iter().map(|entry| (entry.table.clone(), no_time(entry))).collect()
        };
        let expected = [("ancestor", false), ("below", false), ("alone", true)].map(|(name, no)| (name.to_owned(), no));
        assert_eq!(told(&refresh(&run, None, (&silver, false)).await.unwrap()), expected);
        assert_eq!(told(&refresh(&run, None, (&silver, true)).await.unwrap()), expected[..2]);
    }
}

//! Gold: each stored model is one Delta table, always equal to its SQL over the current inputs.
//!
//! Level-triggered: a gold commit records which version of each input it was computed from. A table is stale when an
//! input is newer or another one, whoever noticed. Load the gold table first, then pin the inputs: so it never moves
//! back to an older state of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::check;
use crate::contract::visible;
use crate::data_file::{DataFile, DataFileWriter, Target, discard};
use crate::engine::{Engine, Relation as Stands};
use crate::error::{Error, Result};
use crate::fingerprint::fingerprint;
use crate::lake::{Lake, SYSTEM_FOLDER};
use crate::partitions::{self, Scope};
use crate::project::{Model, ModelTest, Project, Relation, Severity, Zone};
use crate::quality::{self, Failure};
use crate::receipt::{GoldEntry, GoldStatus};
use crate::run::Run;
use crate::snapshot::{Change, Definition, File, Needs, Snapshot};
use crate::stored::{stored_batch, stored_schema};
use crate::table::{Decision, Table, Tables, backoff};

/// The table property that records what a gold table was computed from.
pub const INPUTS: &str = "pintail.inputs";

/// The table property that records the time of the refresh, which models see as `run_started_at`.
const STARTED_AT: &str = "pintail.run_started_at";

/// What a gold table was, or would be, computed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// Fingerprint of the rendered SQL: the model's, of the views it reads, of its tests.
    pub sql: String,
    /// Id and version of each table, by `zone.name`; none for one that does not exist yet.
    pub tables: BTreeMap<String, Option<(String, u64)>>,
    /// Content of each seed.
    pub seeds: BTreeMap<String, String>,
}

/// A verdict of the data: with these inputs the table cannot be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Verdict {
    inputs: Inputs,
    reason: String,
}

/// A stored gold model with everything that its SQL reaches.
pub struct Plan<'a> {
    /// The model.
    pub model: &'a Model,
    /// The views that it reads, each after those it reads itself.
    pub views: Vec<&'a Model>,
    /// Silver tables and stored gold models, as `(zone, name)`.
    pub tables: BTreeSet<(&'static str, String)>,
    /// Seeds.
    pub seeds: BTreeSet<String>,
}

/// The inputs of a model as they are now.
pub struct Pinned {
    /// What the commit records.
    pub inputs: Inputs,
    /// The tables, by `zone.name`.
    pub tables: HashMap<String, (Table, Option<Arc<Snapshot>>)>,
}

impl<'a> Plan<'a> {
    /// Follows a stored model's SQL and tests through the views to tables and seeds.
    pub fn of(project: &'a Project, model: &'a Model) -> Self {
        let mut plan = Self { model, views: Vec::new(), tables: BTreeSet::new(), seeds: BTreeSet::new() };
        let tests = model.tests.iter().flat_map(|test| &test.relations);
        for relation in model.relations.iter().chain(tests) {
            plan.reach(project, relation);
        }
        plan
    }

    fn reach(&mut self, project: &'a Project, relation: &Relation) {
        match relation {
            Relation::Seed { name } => {
                self.seeds.insert(name.clone());
            }
            Relation::Model { zone: Zone::Gold, name } => {
                match project.models.iter().find(|model| model.zone == Zone::Gold && model.name == *name) {
                    Some(view) if !view.stored => {
                        if self.views.iter().any(|known| known.name == view.name) {
                            return;
                        }
                        view.relations.iter().for_each(|relation| self.reach(project, relation));
                        self.views.push(view);
                    }
                    _ if *name == self.model.name => {}
                    _ => {
                        self.tables.insert(("gold", name.clone()));
                    }
                }
            }
            Relation::Source { .. } | Relation::Model { .. } => {
                self.tables.insert((relation.schema(), relation.name().to_owned()));
            }
        }
    }

    fn sql_fingerprint(&self) -> String {
        let views = self.views.iter().flat_map(|view| [view.name.as_str(), view.stable_sql.as_str()]);
        let tests = self.model.tests.iter().flat_map(|test| [severity(test), test.stable_sql.as_str()]);
        let own =
            [self.model.stable_sql.as_str()].into_iter().chain(self.model.partition_by.iter().map(String::as_str));
        fingerprint(own.chain(views).chain(tests))
    }

    /// All SQL that may name lineage columns.
    fn texts(&self) -> String {
        let views = self.views.iter().map(|view| view.sql.as_str());
        let tests = self.model.tests.iter().map(|test| test.sql.as_str());
        std::iter::once(self.model.sql.as_str()).chain(views).chain(tests).collect::<Vec<_>>().join("\n")
    }

    /// The inputs as they are now.
    ///
    /// # Errors
    /// As [`Table::load`].
    pub async fn pin(&self, tables: &Tables, project: &Project) -> Result<Pinned> {
        let mut pinned = HashMap::new();
        let mut versions = BTreeMap::new();
        for (zone, name) in &self.tables {
            let table = tables.table(&format!("{zone}/{name}"))?;
            let snapshot = table.load().await?;
            versions.insert(
                format!("{zone}.{name}"),
                snapshot.as_ref().map(|snapshot| (snapshot.id.clone(), snapshot.version)),
            );
            pinned.insert(format!("{zone}.{name}"), (table, snapshot));
        }
        Ok(Pinned { inputs: self.inputs(versions, project), tables: pinned })
    }

    /// What the inputs are now, without loading them: enough to see whether the table is stale.
    async fn glance(&self, tables: &Tables, project: &Project) -> Result<Inputs> {
        let mut versions = BTreeMap::new();
        for (zone, name) in &self.tables {
            let identity = tables.table(&format!("{zone}/{name}"))?.identity().await?;
            versions.insert(format!("{zone}.{name}"), identity);
        }
        Ok(self.inputs(versions, project))
    }

    fn inputs(&self, tables: BTreeMap<String, Option<(String, u64)>>, project: &Project) -> Inputs {
        let seeds = project.seeds.iter().filter(|seed| self.seeds.contains(&seed.name));
        let seeds = seeds.map(|seed| (seed.name.clone(), seed.content_hash.clone())).collect();
        Inputs { sql: self.sql_fingerprint(), tables, seeds }
    }

    /// Puts the inputs behind their names; `scope` narrows one table to some of its partitions.
    ///
    /// # Errors
    /// [`Error::Sql`] when a view does not bind.
    pub fn define(&self, engine: &Engine, project: &Project, (pinned, scope): (&Pinned, Option<&Scope>)) -> Result<()> {
        let texts = self.texts();
        // Schemas first: finding one of a missing table puts empty relations behind names.
        let mut relations = Vec::new();
        for (zone, name) in &self.tables {
            let full = format!("{zone}.{name}");
            let Some((table, snapshot)) = pinned.tables.get(&full) else { continue };
            let schema = match snapshot {
                Some(snapshot) => Arc::clone(&snapshot.schema),
                None => check::schema_of(engine, project, (zone, name))?,
            };
            let files = snapshot.as_ref().map_or(&[][..], |snapshot| &snapshot.files);
            let within = |file: &&File| scope.is_none_or(|scope| scope.table != full || scope.holds(&file.partition));
            let paths = files.iter().filter(within).map(|file| table.folder.join(&file.path)).collect();
            relations.push((zone, name, Stands::Files { paths, schema: visible(&schema, &texts) }));
        }
        for (zone, name, relation) in relations {
            engine.define(zone, name, &relation)?;
        }
        for view in &self.views {
            check::admit(engine, view)?;
            engine.define("gold", &view.name, &Stands::Sql(view.sql.clone()))?;
        }
        Ok(())
    }
}

fn severity(test: &ModelTest) -> &'static str {
    match test.severity {
        Severity::Error => "error",
        Severity::Warn => "warn",
    }
}

/// The stored gold models below some silver tables.
pub fn downstream(project: &Project, silver: &[String]) -> BTreeSet<String> {
    let mut touched: BTreeSet<(&str, String)> = silver.iter().map(|name| ("silver", name.clone())).collect();
    for model in stored_models(project) {
        if Plan::of(project, model).tables.iter().any(|table| touched.contains(table)) {
            touched.insert(("gold", model.name.clone()));
        }
    }
    touched.into_iter().filter(|(zone, _)| *zone == "gold").map(|(_, name)| name).collect()
}

/// The stored gold models, each after those it reads.
pub fn stored_models(project: &Project) -> impl Iterator<Item = &Model> {
    project.models.iter().filter(|model| model.zone == Zone::Gold && model.stored)
}

/// Refreshes whatever gold is stale, in the order of the graph.
///
/// # Errors
/// Failures of ours; what the data refuses is an entry with status `withheld`.
pub async fn refresh(run: &Run) -> Result<Vec<GoldEntry>> {
    let mut entries = Vec::new();
    for model in stored_models(&run.project) {
        entries.push(refresh_model(run, &Plan::of(&run.project, model)).await?);
    }
    Ok(entries)
}

async fn refresh_model(run: &Run, plan: &Plan<'_>) -> Result<GoldEntry> {
    let table = run.tables.table(&format!("gold/{}", plan.model.name))?;
    let entry = |version, status, reason| GoldEntry {
        table: plan.model.name.clone(),
        version,
        status,
        reason,
        warnings: Vec::new(),
    };
    let started = Instant::now();
    let mut round = 0;
    loop {
        let standing = table.glance().await?;
        let version = standing.as_ref().map(|standing| standing.version);
        let inputs = plan.glance(&run.tables, &run.project).await?;
        if standing.as_deref().and_then(|standing| recorded(&standing.properties)).as_ref() == Some(&inputs) {
            return Ok(entry(version, GoldStatus::Fresh, None));
        }
        if let Some(reason) = withheld(&run.lake, &plan.model.name, &inputs)? {
            return Ok(entry(version, GoldStatus::Withheld, Some(reason)));
        }
        // The gold table first, then its inputs.
        let former = table.load().await?;
        let pinned = plan.pin(&run.tables, &run.project).await?;
        let refresh = Refresh { run, plan, table: &table, former: former.as_deref(), pinned: &pinned };
        match refresh.run().await {
            Ok(Some((version, warnings))) => {
                return Ok(GoldEntry { warnings, ..entry(Some(version), GoldStatus::Refreshed, None) });
            }
            Ok(None) if started.elapsed() > run.patience() => {
                return Err(Error::Contended { table: table.name.clone(), seconds: run.settings.patience_seconds });
            }
            Ok(None) => backoff(round).await,
            Err(error) if withholds(&error) => {
                write_verdict(&run.lake, &plan.model.name, &Verdict { inputs: pinned.inputs, reason: error.chain() })?;
                return Ok(entry(version, GoldStatus::Withheld, Some(error.chain())));
            }
            Err(error) => return Err(error),
        }
        round += 1;
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
    plan: &'a Plan<'a>,
    table: &'a Table,
    former: Option<&'a Snapshot>,
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
        let tree = check::admit(engine, self.plan.model)?;
        let scope = match self.former {
            Some(former) => {
                partitions::scope(self.plan, &tree, (former, recorded(&former.properties), self.pinned)).await?
            }
            None => None,
        };
        let scope = scope.filter(|scope| !scope.partitions.is_empty());
        let computed = self.compute(engine, scope.as_ref())?;
        let tested = self.test(engine, &computed);
        let committed = match tested {
            Ok(warnings) => self.commit(&computed).await.map(|version| Some((version?, warnings))),
            Err(error) => Err(error),
        };
        if !matches!(committed, Ok(Some(_))) && !matches!(committed, Err(Error::Delta { .. })) {
            // Nobody can have seen these files: the commit was not tried, or lost.
            discard(&self.table.folder, &computed.add)?;
        }
        committed
    }

    fn compute(&self, engine: &Engine, scope: Option<&Scope>) -> Result<Computed> {
        let model = self.plan.model;
        let what = format!("model {}", model.name);
        self.plan.define(engine, &self.run.project, (self.pinned, scope))?;
        let schema = stored_schema(&engine.columns(&what, &model.sql)?.as_ref().clone())?;
        // Another layout cannot be mixed with what stands.
        let same =
            self.former.is_some_and(|former| former.schema == schema && former.partition_by == model.partition_by);
        if scope.is_some() && !same {
            return self.compute(engine, None);
        }
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let target = Target {
            folder: self.table.folder.clone(),
            name: format!("{}-{}", &self.run.attempt.id[..8], &unique[..8]),
            schema: Arc::clone(&schema),
            partition_by: model.partition_by.clone(),
        };
        let mut writer = DataFileWriter::new(target);
        let written = write_all(engine, (&what, &model.sql), &schema, &mut writer);
        let add = writer.finish()?;
        if let Err(error) = written {
            discard(&self.table.folder, &add)?;
            return Err(error);
        }
        let former = self.former.map_or(&[][..], |former| &former.files);
        let remove =
            former.iter().filter(|file| scope.is_none_or(|scope| scope.covers(&file.partition))).cloned().collect();
        Ok(Computed { add, remove, schema })
    }

    /// The tests see the whole table as it would be, and the inputs whole. Returns what those that only warn found.
    fn test(&self, engine: &Engine, computed: &Computed) -> Result<Vec<String>> {
        let model = self.plan.model;
        if model.tests.is_empty() {
            return Ok(Vec::new());
        }
        let removed: BTreeSet<&str> = computed.remove.iter().map(|file| file.path.as_str()).collect();
        let standing = self.former.map_or(&[][..], |former| &former.files).iter().map(|file| file.path.as_str());
        let paths: Vec<PathBuf> = standing
            .filter(|path| !removed.contains(path))
            .chain(computed.add.iter().map(|file| file.path.as_str()))
            .map(|path| self.table.folder.join(path))
            .collect();
        self.plan.define(engine, &self.run.project, (self.pinned, None))?;
        engine.define("gold", &model.name, &Stands::Files { paths, schema: Arc::clone(&computed.schema) })?;
        let failures = quality::test_model(engine, &model.tests)?;
        if let Some(failure) = failures.iter().find(|failure| failure.severity == Severity::Error) {
            return Err(Error::Refused { what: format!("model {}", model.name), reason: failure.text() });
        }
        Ok(failures.iter().map(Failure::text).collect())
    }

    /// Commits to exactly the version after the one that was loaded before the inputs were pinned.
    async fn commit(&self, computed: &Computed) -> Result<Option<u64>> {
        let inputs = serde_json::to_string(&self.pinned.inputs).unwrap_or_default();
        let base = self.former.map(|former| (former.id.clone(), former.version));
        let (snapshot, committed) = self
            .table
            .commit((&self.run.lake, self.run.patience(), Needs::Files), |snapshot| {
                self.run.check_in_force()?;
                if snapshot.map(|snapshot| (snapshot.id.clone(), snapshot.version)) != base {
                    return Ok(Decision::Leave(false));
                }
                let mut properties = self.former.map(|former| former.properties.clone()).unwrap_or_default();
                properties.insert(INPUTS.to_owned(), inputs.clone());
                properties.insert(STARTED_AT.to_owned(), self.run.started_at.to_rfc3339());
                let definition = Definition {
                    schema: Arc::clone(&computed.schema),
                    partition_by: self.plan.model.partition_by.clone(),
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

fn write_all(
    engine: &Engine,
    (what, sql): (&str, &str),
    schema: &SchemaRef,
    writer: &mut DataFileWriter,
) -> Result<()> {
    let store = |batch: &RecordBatch| stored_batch(batch, schema).map_err(Error::columns(what));
    engine.select(what, sql, |batch| writer.write(&store(&batch)?)).map(|_| ())
}

fn verdict_path(name: &str) -> PathBuf {
    PathBuf::from("gold").join(SYSTEM_FOLDER).join("verdicts").join(format!("{name}.json"))
}

fn read_verdict(lake: &Lake, name: &str) -> Result<Option<Verdict>> {
    let path = verdict_path(name);
    let Some(document) = lake.read(&path)? else { return Ok(None) };
    serde_json::from_slice(&document.0).map(Some).map_err(|source| Error::Document { path, kind: "verdict", source })
}

/// A verdict holds for its inputs only, so that whose is written last does no harm.
fn write_verdict(lake: &Lake, name: &str, verdict: &Verdict) -> Result<()> {
    let path = verdict_path(name);
    let bytes = serde_json::to_vec(verdict).map_err(|source| Error::Document {
        path: path.clone(),
        kind: "verdict",
        source,
    })?;
    let former = lake.read(&path)?;
    lake.swap(&path, former.as_ref(), &bytes).map(|_| ())
}

//! Inputs: what a gold table is computed from, followed through views to tables and seeds, and pinned to versions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::check;
use crate::contract::visible;
use crate::data_file::{DataFileWriter, Target};
use crate::engine::{Engine, Relation as Stands, quoted};
use crate::error::{Error, Result};
use crate::fingerprint::fingerprint;
use crate::partitions::Scope;
use crate::project::{Model, ModelTest, Project, Relation, Severity, Zone};
use crate::projection::{self, Columns};
use crate::pruning::Wanted;
use crate::snapshot::{File, Snapshot};
use crate::table::{Table, Tables};

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

/// A stored gold model with everything that its SQL reaches.
pub struct Upstream<'a> {
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

impl<'a> Upstream<'a> {
    /// Follows a stored model's SQL and tests through the views to tables and seeds.
    pub fn of(project: &'a Project, model: &'a Model) -> Self {
        Self::through(project, model, model.relations.iter().chain(Self::tested(model)))
    }

    /// Follows only the SQL.
    pub fn of_sql(project: &'a Project, model: &'a Model) -> Self {
        Self::through(project, model, model.relations.iter())
    }

    /// Follows only the tests.
    pub fn of_tests(project: &'a Project, model: &'a Model) -> Self {
        Self::through(project, model, Self::tested(model))
    }

    fn tested(model: &'a Model) -> impl Iterator<Item = &'a Relation> {
        model.tests.iter().flat_map(|test| &test.relations)
    }

    fn through(project: &'a Project, model: &'a Model, relations: impl Iterator<Item = &'a Relation>) -> Self {
        let mut upstream = Self { model, views: Vec::new(), tables: BTreeSet::new(), seeds: BTreeSet::new() };
        relations.for_each(|relation| upstream.reach(project, relation));
        upstream
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

    /// The inputs as they were seen last, or newer.
    ///
    /// # Errors
    /// As [`Table::load`].
    pub async fn pin(&self, tables: &Tables, project: &Project) -> Result<Pinned> {
        let mut pinned = HashMap::new();
        let mut versions = BTreeMap::new();
        for (zone, name) in &self.tables {
            let table = tables.table(&format!("{zone}/{name}"));
            let snapshot = table.load_seen().await?;
            versions.insert(
                format!("{zone}.{name}"),
                snapshot.as_ref().map(|snapshot| (snapshot.id.clone(), snapshot.version)),
            );
            pinned.insert(format!("{zone}.{name}"), (table, snapshot));
        }
        Ok(Pinned { inputs: self.inputs(versions, project), tables: pinned })
    }

    /// What the inputs are now, without loading them: enough to see whether the table is stale.
    ///
    /// # Errors
    /// As [`Table::glance`].
    pub async fn glance(&self, tables: &Tables, project: &Project) -> Result<Inputs> {
        let mut versions = BTreeMap::new();
        for (zone, name) in &self.tables {
            let identity = tables.table(&format!("{zone}/{name}")).identity().await?;
            versions.insert(format!("{zone}.{name}"), identity);
        }
        Ok(self.inputs(versions, project))
    }

    /// What the inputs were when they were seen last.
    pub fn seen(&self, tables: &Tables, project: &Project) -> Inputs {
        let seen = |(zone, name): &(&str, String)| {
            let identity = tables.table(&format!("{zone}/{name}")).seen();
            (format!("{zone}.{name}"), identity.map(|snapshot| (snapshot.id.clone(), snapshot.version)))
        };
        self.inputs(self.tables.iter().map(seen).collect(), project)
    }

    fn inputs(&self, tables: BTreeMap<String, Option<(String, u64)>>, project: &Project) -> Inputs {
        let seeds = project.seeds.iter().filter(|seed| self.seeds.contains(&seed.name));
        let seeds = seeds.map(|seed| (seed.name.clone(), fingerprint([seed.identity().as_str()]))).collect();
        Inputs { sql: self.sql_fingerprint(), tables, seeds }
    }

    /// Puts the inputs behind their names, as far as they are needed.
    ///
    /// # Errors
    /// [`crate::error::Error::Sql`] when a view does not bind.
    pub fn define(&self, engine: &Engine, project: &Project, (pinned, needed): (&Pinned, Needed<'_>)) -> Result<()> {
        let texts = self.texts();
        // Schemas first: finding one of a missing table puts empty relations behind names.
        let mut sights = Vec::new();
        for (zone, name) in &self.tables {
            let full = format!("{zone}.{name}");
            let Some((table, snapshot)) = pinned.tables.get(&full) else { continue };
            let schema = match snapshot {
                Some(snapshot) => Arc::clone(&snapshot.schema),
                None => check::schema_of(engine, project, (zone, name))?,
            };
            let files = snapshot.as_ref().map_or(&[][..], |snapshot| &snapshot.files);
            let files = self.select(files, (&full, &schema), &needed);
            sights.push(Sight { zone, name, table, files, schema: visible(&schema, &texts) });
        }
        let pays = matches!(needed, Needed::Seen(..))
            && sights.iter().any(|sight| sight.table.lacks(sight.files.iter().copied()));
        let columns = if pays { self.columns(engine, &sights)? } else { None };
        self.stand(engine, &sights, |sight| {
            Ok(engine.hold(sight.table.fetch_columns(sight.files.iter().copied(), columns.as_ref())?))
        })
    }

    /// Puts files behind the names of the tables, and the views over them.
    fn stand(
        &self,
        engine: &Engine,
        sights: &[Sight<'_>],
        paths: impl Fn(&Sight<'_>) -> Result<Vec<PathBuf>>,
    ) -> Result<()> {
        for sight in sights {
            let relation = Stands::Files { paths: paths(sight)?, schema: Arc::clone(&sight.schema) };
            engine.define(sight.zone, sight.name, &relation)?;
        }
        for view in &self.views {
            check::admit(engine, view)?;
            engine.define("gold", &view.name, &Stands::Sql(view.sql.clone()))?;
        }
        Ok(())
    }

    /// The columns that the SQL reads, seen over files without rows; nothing where it cannot be seen.
    fn columns(&self, engine: &Engine, sights: &[Sight<'_>]) -> Result<Option<Columns>> {
        let folder =
            tempfile::tempdir_in(engine.scratch()).map_err(Error::io("create a folder in", engine.scratch()))?;
        self.stand(engine, sights, |sight| {
            let mut writer = DataFileWriter::new(Target {
                folder: folder.path().to_owned(),
                name: uuid::Uuid::new_v4().simple().to_string(),
                schema: Arc::clone(&sight.schema),
                partition_by: Vec::new(),
            });
            writer.begin_empty()?;
            Ok(writer.finish()?.iter().map(|file| folder.path().join(&file.path)).collect())
        })?;
        // Seeds are here already, but the plan names their columns, too.
        let seed = |name: &String| engine.columns(&format!("seed {name}"), &format!("FROM seeds.{}", quoted(name)));
        let seeds = self.seeds.iter().map(seed).collect::<Result<Vec<SchemaRef>>>()?;
        let schemas = sights.iter().map(|sight| &sight.schema).chain(&seeds);
        let schemas: Vec<&Schema> = schemas.map(AsRef::as_ref).collect();
        Ok(engine.plan(&self.model.sql).and_then(|plan| projection::columns(&plan, &schemas)))
    }

    /// The files of a table that are needed.
    fn select<'f>(&self, files: &'f [File], (table, schema): (&str, &Schema), needed: &Needed<'_>) -> Vec<&'f File> {
        let Needed::Seen(tree, scope) = needed else { return files.iter().collect() };
        // Who reads it through a view may want all of it.
        let is_viewed = self.views.iter().flat_map(|view| &view.relations).any(|read| full_name(read) == table);
        let wanted = if is_viewed { Wanted::default() } else { Wanted::of(tree, table, schema) };
        let within = |file: &&File| scope.is_none_or(|scope| scope.table != table || scope.holds(&file.partition));
        files.iter().filter(within).filter(|file| wanted.may_hold(file, schema)).collect()
    }
}

/// What a model sees of a table.
struct Sight<'s> {
    zone: &'s str,
    name: &'s str,
    table: &'s Table,
    files: Vec<&'s File>,
    schema: SchemaRef,
}

/// How much of the inputs is needed.
pub enum Needed<'n> {
    /// Each of them whole.
    Whole,
    /// What a model's SQL can see of them, whose tree this is; one table is narrowed to some of its partitions.
    Seen(&'n Value, Option<&'n Scope>),
}

/// A relation as `zone.name`.
pub fn full_name(relation: &Relation) -> String {
    format!("{}.{}", relation.schema(), relation.name())
}

fn severity(test: &ModelTest) -> &'static str {
    match test.severity {
        Severity::Error => "error",
        Severity::Warn => "warn",
    }
}

//! A run: one process at work on one lake under one project.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::attempt::Attempt;
use crate::budget::Budget;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::lake::{Lake, SYSTEM_FOLDER};
use crate::project::{Project, Zone};
use crate::seeds;
use crate::settings::Settings;
use crate::table::Tables;

/// The project that is in force on a lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// The project's name; empty for the zero-configuration rules alone.
    pub name: String,
    /// The project's fingerprint.
    pub fingerprint: String,
    /// Grows with every change of the project.
    pub generation: u64,
    /// The gold models that are not stored, in the order of the graph: `query` expands them.
    pub views: Vec<View>,
    /// The seeds, by name, with the file that holds their rows.
    pub seeds: BTreeMap<String, String>,
}

/// A gold model that is not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// The model's name.
    pub name: String,
    /// Its SQL.
    pub sql: String,
}

/// One process at work.
pub struct Run {
    /// The lake.
    pub lake: Arc<Lake>,
    /// Its tables.
    pub tables: Arc<Tables>,
    /// The project.
    pub project: Arc<Project>,
    /// The process's settings.
    pub settings: Settings,
    /// This run's claim to objects.
    pub attempt: Arc<Attempt>,
    /// When it began; what models see as `run_started_at`.
    pub started_at: DateTime<Utc>,
    /// How much time it has.
    pub budget: Budget,
    in_force: InForce,
    engine: OnceCell<Engine>,
}

impl Run {
    /// Puts the project in force and begins an attempt.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Document`].
    pub fn begin(lake: Arc<Lake>, project: Project, settings: Settings, started_at: DateTime<Utc>) -> Result<Self> {
        let in_force = put_in_force(&lake, &project)?;
        let attempt = Arc::new(Attempt::begin(&lake)?);
        let tables = Arc::new(Tables::new(Arc::clone(&lake)));
        let project = Arc::new(project);
        let budget = Budget::unlimited();
        Ok(Self { lake, tables, project, settings, attempt, started_at, budget, in_force, engine: OnceCell::new() })
    }

    /// What `lanes` threads need to work for this run side by side.
    pub fn part(&self, lanes: usize) -> Part {
        let mut settings = self.settings.clone();
        settings.memory_mebibytes /= lanes.max(1) as u64;
        Part {
            lake: Arc::clone(&self.lake),
            tables: Arc::clone(&self.tables),
            project: Arc::clone(&self.project),
            settings,
            attempt: Arc::clone(&self.attempt),
            started_at: self.started_at,
            budget: self.budget,
            in_force: self.in_force.clone(),
        }
    }

    /// How long conflicts with other processes are retried.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.settings.patience_seconds)
    }

    /// The run's `DuckDB`, with the project's seeds; started when it is first needed.
    ///
    /// # Errors
    /// As [`Engine::open`]; a seed that cannot be read.
    pub fn engine(&self) -> Result<&Engine> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let engine = self.new_engine(self.settings.threads)?;
        engine.stop_at(self.budget.end());
        Ok(self.engine.get_or_init(|| engine))
    }

    /// Another `DuckDB` for a worker thread.
    ///
    /// # Errors
    /// As [`Run::engine`].
    pub fn new_engine(&self, threads: usize) -> Result<Engine> {
        new_engine(&self.lake, &self.project, &self.settings, threads)
    }

    /// Part of fencing: a run whose project is no longer in force publishes nothing.
    ///
    /// # Errors
    /// [`Error::Superseded`].
    pub fn check_in_force(&self) -> Result<()> {
        let now = in_force(&self.lake)?;
        if now.as_ref().is_some_and(|now| now.generation == self.in_force.generation) {
            return Ok(());
        }
        Err(Error::Superseded { name: now.map(|now| now.name).unwrap_or_default() })
    }
}

/// A run without a `DuckDB`, which belongs to one thread.
pub struct Part {
    lake: Arc<Lake>,
    tables: Arc<Tables>,
    project: Arc<Project>,
    settings: Settings,
    attempt: Arc<Attempt>,
    started_at: DateTime<Utc>,
    budget: Budget,
    in_force: InForce,
}

impl Part {
    /// The run, for the thread that calls.
    pub fn work(&self) -> Run {
        Run {
            lake: Arc::clone(&self.lake),
            tables: Arc::clone(&self.tables),
            project: Arc::clone(&self.project),
            settings: self.settings.clone(),
            attempt: Arc::clone(&self.attempt),
            started_at: self.started_at,
            budget: self.budget,
            in_force: self.in_force.clone(),
            engine: OnceCell::new(),
        }
    }
}

/// A `DuckDB` with the project's seeds.
///
/// # Errors
/// As [`Engine::open`]; a seed that cannot be read.
pub fn new_engine(lake: &Lake, project: &Project, settings: &Settings, threads: usize) -> Result<Engine> {
    let engine = Engine::open(lake, settings, threads)?;
    for seed in &project.seeds {
        seeds::define(&engine, lake, seed)?;
    }
    Ok(engine)
}

/// The project that is in force on the lake.
///
/// # Errors
/// [`Error::Io`], [`Error::Document`].
pub fn in_force(lake: &Lake) -> Result<Option<InForce>> {
    let path = pointer();
    let Some(document) = lake.read(&path)? else { return Ok(None) };
    serde_json::from_slice(&document.bytes).map(Some).map_err(|source| Error::Document {
        path: path.into(),
        kind: "project pointer",
        source,
    })
}

fn put_in_force(lake: &Lake, project: &Project) -> Result<InForce> {
    loop {
        let document = lake.read(&pointer())?;
        let former = in_force(lake)?;
        if let Some(former) = former.as_ref().filter(|former| former.fingerprint == project.fingerprint) {
            return Ok(former.clone());
        }
        let views = project.models.iter().filter(|model| model.zone == Zone::Gold && !model.stored);
        let new = InForce {
            name: project.name.clone(),
            fingerprint: project.fingerprint.clone(),
            generation: former.map_or(1, |former| former.generation + 1),
            views: views.map(|model| View { name: model.name.clone(), sql: model.sql.clone() }).collect(),
            seeds: project.seeds.iter().map(|seed| (seed.name.clone(), seeds::file_name(seed))).collect(),
        };
        let bytes = serde_json::to_vec(&new).map_err(|source| Error::Document {
            path: pointer().into(),
            kind: "project pointer",
            source,
        })?;
        if lake.swap(&pointer(), document.as_ref(), &bytes)?.is_some() {
            return Ok(new);
        }
    }
}

fn pointer() -> String {
    format!("silver/{SYSTEM_FOLDER}/project.json")
}

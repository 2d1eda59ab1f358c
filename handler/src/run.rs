//! A run: one process at work on one lake under one project.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::attempt::Attempt;
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
    pub seeds: BTreeMap<String, PathBuf>,
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
    pub tables: Tables,
    /// The project.
    pub project: Project,
    /// The process's settings.
    pub settings: Settings,
    /// This run's claim to objects.
    pub attempt: Attempt,
    /// When it began; what models see as `run_started_at`.
    pub started_at: DateTime<Utc>,
    in_force: InForce,
    engine: OnceCell<Engine>,
}

impl Run {
    /// Puts the project in force and begins an attempt.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Document`].
    pub fn begin(lake: Lake, project: Project, settings: Settings, started_at: DateTime<Utc>) -> Result<Self> {
        let in_force = put_in_force(&lake, &project)?;
        let lake = Arc::new(lake);
        let attempt = Attempt::begin(&lake)?;
        let tables = Tables::new(Arc::clone(&lake));
        Ok(Self { lake, tables, project, settings, attempt, started_at, in_force, engine: OnceCell::new() })
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
    serde_json::from_slice(&document.0).map(Some).map_err(|source| Error::Document {
        path,
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
            seeds: project
                .seeds
                .iter()
                .filter_map(|seed| Some((seed.name.clone(), PathBuf::from(seeds::path(lake, seed).file_name()?))))
                .collect(),
        };
        let bytes = serde_json::to_vec(&new).map_err(|source| Error::Document {
            path: pointer(),
            kind: "project pointer",
            source,
        })?;
        if lake.swap(&pointer(), document.as_ref(), &bytes)? {
            return Ok(new);
        }
    }
}

fn pointer() -> PathBuf {
    Path::new("silver").join(SYSTEM_FOLDER).join("project.json")
}

//! A run: one process at work on one lake under one project.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::attempt::Attempt;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::in_force::{InForce, in_force, put_in_force};
use crate::lake::Lake;
use crate::project::Project;
use crate::seeds;
use crate::settings::Settings;
use crate::table::Tables;

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

/// What a process keeps from one run to the next: each part of it checks itself when it is used.
pub struct Warm {
    /// The lake.
    pub lake: Arc<Lake>,
    /// The project.
    pub project: Project,
    tables: Tables,
    settings: Settings,
    engine: OnceCell<Engine>,
}

impl Warm {
    /// What is there before the first run.
    pub fn new(lake: Lake, project: Project, settings: Settings) -> Self {
        let lake = Arc::new(lake);
        let tables = Tables::new(Arc::clone(&lake));
        Self { lake, project, tables, settings, engine: OnceCell::new() }
    }

    /// Puts the project in force and begins an attempt.
    ///
    /// # Errors
    /// [`Error::Superseded`], [`Error::Io`], [`Error::Document`].
    pub fn begin(self, started_at: DateTime<Utc>) -> Result<Run> {
        let Self { lake, project, tables, settings, engine } = self;
        let in_force = put_in_force(&lake, &project, &settings)?;
        let attempt = Attempt::begin(&lake)?;
        Ok(Run { lake, tables, project, settings, attempt, started_at, in_force, engine })
    }
}

impl Run {
    /// Begins the first run of a process.
    ///
    /// # Errors
    /// As [`Warm::begin`].
    pub fn begin(lake: Lake, project: Project, settings: Settings, started_at: DateTime<Utc>) -> Result<Self> {
        Warm::new(lake, project, settings).begin(started_at)
    }

    /// Ends the attempt and keeps what the next run can use.
    pub fn rest(self) -> Warm {
        let Self { lake, tables, project, settings, engine, .. } = self;
        Warm { lake, project, tables, settings, engine }
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
        if now.as_ref().is_some_and(|now| now.revision == self.in_force.revision) {
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

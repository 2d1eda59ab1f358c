//! A run: one process at work on one lake under one project.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::attempt::{Attempt, Rested};
use crate::budget::Budget;
use crate::check;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::in_force::{InForce, in_force, put_in_force};
use crate::lake::Lake;
use crate::project::Project;
use crate::seeds;
use crate::settings::Settings;
use crate::standby::Standby;
use crate::table::{FRESH, Tables};

/// One process at work: what all of its threads share, and the `DuckDB` of this one.
pub struct Run {
    part: Part,
    engine: Standby,
}

/// A run without a `DuckDB`, which belongs to one thread.
#[derive(Clone)]
pub struct Part {
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
    /// How many threads work for it side by side: each has its part of memory and of open files.
    pub lanes: usize,
    in_force: InForce,
    /// When it was seen last that the project is in force.
    seen_in_force: Arc<Mutex<Instant>>,
}

/// How many raw objects of one source are open at once, each in a file.
const OPEN: usize = 256;

/// How many of all sources: a function may have 1024 files, connections and all.
const OPEN_IN_ALL: usize = 512;

impl Deref for Run {
    type Target = Part;

    fn deref(&self) -> &Part {
        &self.part
    }
}

/// What a process keeps from one run to the next: each part of it checks itself when it is used.
pub struct Warm {
    /// The project.
    pub project: Arc<Project>,
    lake: Arc<Lake>,
    tables: Arc<Tables>,
    settings: Settings,
    engine: Standby,
    rested: Option<Rested>,
}

impl Warm {
    /// What is there before the first run.
    pub fn new(lake: Arc<Lake>, project: Project, settings: Settings) -> Self {
        let tables = Arc::new(Tables::new(Arc::clone(&lake)));
        Self { project: Arc::new(project), lake, tables, settings, engine: Standby::default(), rested: None }
    }

    /// The same with its `DuckDB` started meanwhile, where the project has SQL; with what is known of it before there is data.
    #[must_use]
    pub fn with_engine_ahead(self) -> Self {
        if self.project.models.is_empty() {
            return self;
        }
        let (lake, project, settings) = (Arc::clone(&self.lake), Arc::clone(&self.project), self.settings.clone());
        let start = move || {
            let engine = Engine::open(&lake, &settings, settings.threads)?;
            for model in &project.models {
                check::admit(&engine, model)?;
            }
            Ok(engine)
        };
        Self { engine: Standby::ahead(start), ..self }
    }

    /// Puts the project in force and begins an attempt, which has some time.
    ///
    /// # Errors
    /// [`Error::Superseded`], [`Error::Io`], [`Error::Document`].
    pub fn begin(self, started_at: DateTime<Utc>, budget: Budget) -> Result<Run> {
        let Self { lake, tables, project, settings, engine, rested } = self;
        let seen_in_force = Arc::new(Mutex::new(Instant::now()));
        let in_force = put_in_force(&lake, &project, &settings)?;
        let attempt = Arc::new(Attempt::begin(&lake, rested)?);
        if let Some(engine) = engine.get() {
            engine.stop_at(budget.end());
        }
        let part =
            Part { lake, tables, project, settings, attempt, started_at, budget, lanes: 1, in_force, seen_in_force };
        Ok(Run { part, engine })
    }
}

impl Run {
    /// Begins the only run of a process, which takes as long as it takes.
    ///
    /// # Errors
    /// As [`Warm::begin`].
    pub fn begin(lake: Arc<Lake>, project: Project, settings: Settings, started_at: DateTime<Utc>) -> Result<Self> {
        Warm::new(lake, project, settings).begin(started_at, Budget::unlimited())
    }

    /// Ends the attempt, which holds no object any more, and keeps what the next run can use.
    pub fn rest(self) -> Warm {
        let Self { part: Part { lake, tables, project, settings, attempt, .. }, engine } = self;
        if let Some(engine) = engine.get() {
            engine.stop_at(None);
        }
        let rested = Arc::into_inner(attempt).and_then(Attempt::rest);
        Warm { project, lake, tables, settings, engine, rested }
    }

    /// What `lanes` threads need to work for this run side by side.
    pub fn part(&self, lanes: usize) -> Part {
        let mut part = self.part.clone();
        part.settings = part.settings.shared_by(lanes);
        part.lanes = lanes;
        part
    }

    /// How long conflicts with other processes are retried: no longer than there is time.
    pub fn patience(&self) -> Duration {
        let patience = Duration::from_secs(self.settings.patience_seconds);
        self.budget.left().map_or(patience, |left| left.min(patience))
    }

    /// The run's `DuckDB`, with the project's seeds; started when it is first needed.
    ///
    /// # Errors
    /// As [`Engine::open`]; a seed that cannot be read.
    pub fn engine(&self) -> Result<&Engine> {
        self.engine.get_or_prepare(|ahead| {
            let start = || Engine::open(&self.lake, &self.settings, self.settings.threads);
            let engine = with_seeds(ahead.map_or_else(start, Ok)?, &self.lake, &self.project)?;
            engine.stop_at(self.budget.end());
            Ok(engine)
        })
    }

    /// Lets go of the data files that SQL has read.
    ///
    /// # Errors
    /// As [`Run::engine`] and [`Lake::trim`].
    pub fn release(&self) -> Result<()> {
        self.engine()?.release();
        self.lake.trim()
    }

    /// Part of fencing: a run whose project is no longer in force publishes nothing. That it was in force after `since`,
    /// as was seen a moment ago, is enough.
    ///
    /// # Errors
    /// [`Error::Superseded`].
    pub fn check_in_force(&self, since: Instant) -> Result<()> {
        let mut seen = self.seen_in_force.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen > since && seen.elapsed() < FRESH {
            return Ok(());
        }
        let asked = Instant::now();
        let now = in_force(&self.lake)?;
        if now.as_ref().is_some_and(|now| now.revision == self.in_force.revision) {
            *seen = asked;
            return Ok(());
        }
        Err(Error::Superseded { name: now.map(|now| now.name).unwrap_or_default() })
    }
}

impl Part {
    /// How many raw objects may be open at once.
    pub fn open(&self) -> usize {
        OPEN.min(OPEN_IN_ALL / self.lanes.max(1))
    }

    /// The run, for the thread that calls.
    pub fn work(&self) -> Run {
        Run { part: self.clone(), engine: Standby::default() }
    }
}

/// A `DuckDB` with the project's seeds.
///
/// # Errors
/// As [`Engine::open`]; a seed that cannot be read.
pub fn new_engine(lake: &Lake, project: &Project, settings: &Settings, threads: usize) -> Result<Engine> {
    with_seeds(Engine::open(lake, settings, threads)?, lake, project)
}

fn with_seeds(engine: Engine, lake: &Lake, project: &Project) -> Result<Engine> {
    for seed in &project.seeds {
        seeds::define(&engine, lake, seed)?;
    }
    Ok(engine)
}

//! The project: a folder in dbt's layout and words, read, checked and rendered. It executes no SQL.
//!
//! ```text
//! folder ─► Files ─► Settings ─► Properties ─► Rendered ─► Graph ─► Project
//!           files.rs  settings.rs properties/    template/    graph.rs  mod.rs
//! ```
//! - **Files**: which file is a model, a seed, a test, a macro, a `.yml`; what Pintail refuses by name.
//! - **Settings**: `dbt_project.yml`, with the configuration of folders and the variables.
//! - **Properties**: the `.yml` files below the model, seed and test paths, key by key.
//! - **Rendered**: Jinja as dbt evaluates it; which relations a text reads is found while it is rendered.
//! - **Graph**: the order of the models, without cycles; each test stands with the last table that it reads.
//!
//! Everything that is wrong is reported at once, with file and line ([`Errors`]).

mod claim;
mod configuration;
mod contract;
mod dialect;
mod document;
mod draft;
mod error;
mod files;
mod fingerprint;
mod graph;
mod load;
mod meta;
mod model;
mod model_tests;
mod names;
mod placement;
mod properties;
mod record_tests;
mod seed;
mod settings;
mod source;
mod template;
mod yaml;

use std::path::Path;

use chrono::{DateTime, Utc};

pub use claim::table_of_key;
pub use error::{Error, Errors, Place};
pub use model::{Materialization, Model, ModelTest, Relation, Zone};
pub use seed::Seed;
pub use source::{ColumnContract, NewColumn, OnDelete, RecordCheck, RecordTest, Severity, SourceTable};

/// A project that is free of contradictions, with all SQL rendered.
#[derive(Clone, Debug)]
pub struct Project {
    /// The name in `dbt_project.yml`; empty for [`Project::empty`].
    pub name: String,
    /// The declared sources, in the order of files and lines.
    pub sources: Vec<SourceTable>,
    /// The models, each after those it reads: silver first, then gold.
    pub models: Vec<Model>,
    /// The seeds, by name.
    pub seeds: Vec<Seed>,
    /// What a person should know and nothing that changes a result.
    pub warnings: Vec<String>,
    /// A blake3 hash of everything that can change results; the same for every `run_started_at` and every place of
    /// the folder.
    pub fingerprint: String,
    claims: claim::Claims,
}

impl Project {
    /// Reads the folder `root`. `environment` answers `env_var`, `run_started_at` is what models see under that name.
    ///
    /// # Errors
    /// Everything that is wrong, each with its file and line.
    pub fn load(
        root: &Path,
        environment: &dyn Fn(&str) -> Option<String>,
        run_started_at: DateTime<Utc>,
    ) -> Result<Self, Errors> {
        load::load(root, environment, run_started_at)
    }

    /// The project of a lake without one: nothing declared, everything inferred.
    pub fn empty() -> Self {
        Self {
            name: String::new(),
            sources: Vec::new(),
            models: Vec::new(),
            seeds: Vec::new(),
            warnings: Vec::new(),
            fingerprint: blake3::hash(b"").to_hex().to_string(),
            claims: claim::Claims::default(),
        }
    }

    /// Whether SQL of it depends on `run_started_at`: then it is rendered anew for each run.
    pub fn tells_time(&self) -> bool {
        let tests =
            self.models.iter().flat_map(|model| &model.tests).chain(self.seeds.iter().flat_map(|seed| &seed.tests));
        let models = self.models.iter().map(|model| (&model.sql, &model.stable_sql));
        models.chain(tests.map(|test| (&test.sql, &test.stable_sql))).any(|(sql, stable)| sql != stable)
    }

    /// The model of that name.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.name == name)
    }

    /// The declared source that takes a raw key: patterns first, in the order of declaration, then table names.
    pub fn claim(&self, key: &str) -> Option<&SourceTable> {
        self.claims.index(key).and_then(|index| self.sources.get(index))
    }
}

#[cfg(test)]
mod tests;

//! A model: one `SELECT` of the project, rendered, with the tables it reads and the tests it must pass.

use std::fmt;

use records::Type;

use super::{Place, Severity};

/// Which zone of the lake a model belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Zone {
    /// A function of one raw object.
    Silver,
    /// A function of whole tables.
    Gold,
}

/// How dbt would build a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Materialization {
    /// `table` and `incremental`.
    Table,
    /// `view`, dbt's default.
    View,
    /// `ephemeral`.
    Ephemeral,
}

/// A table that SQL of the project reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    /// A source's plain records.
    Source {
        /// [`super::SourceTable::table`].
        table: String,
    },
    /// A model, stored or not.
    Model {
        /// Its zone.
        zone: Zone,
        /// The model's name.
        name: String,
    },
    /// A seed.
    Seed {
        /// The seed's name.
        name: String,
    },
}

impl Relation {
    /// The schema that SQL of the project finds the table in.
    pub fn schema(&self) -> &'static str {
        match self {
            Self::Source { .. } | Self::Model { zone: Zone::Silver, .. } => "silver",
            Self::Model { zone: Zone::Gold, .. } => "gold",
            Self::Seed { .. } => "seeds",
        }
    }

    /// The table's name in its schema.
    pub fn name(&self) -> &str {
        match self {
            Self::Source { table: name } | Self::Model { name, .. } | Self::Seed { name } => name,
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\".\"{}\"", self.schema(), self.name())
    }
}

/// One `SELECT` of the project.
#[derive(Clone, Debug)]
pub struct Model {
    /// The table's name: the file's, or the `alias`.
    pub name: String,
    /// The zone it belongs to.
    pub zone: Zone,
    /// How dbt would build it.
    pub materialization: Materialization,
    /// Whether Pintail stores it as a Delta table; else it is expanded where it is read.
    pub stored: bool,
    /// The rendered SQL; relations stand as [`Relation`] displays them.
    pub sql: String,
    /// The SQL rendered with a fixed `run_started_at`: for fingerprints.
    pub stable_sql: String,
    /// The tables that it reads itself, sorted, each once.
    pub relations: Vec<Relation>,
    /// The Delta partition columns.
    pub partition_by: Vec<String>,
    /// What must hold before it is published.
    pub tests: Vec<ModelTest>,
    /// The columns that the project describes, with their types where given.
    pub columns: Vec<(String, Option<Type>)>,
    /// What the project says about it.
    pub description: Option<String>,
    /// Where the SQL is.
    pub place: Place,
}

impl Model {
    /// How SQL of the project names it.
    pub fn relation(&self) -> Relation {
        Relation::Model { zone: self.zone, name: self.name.clone() }
    }
}

/// A `SELECT` of failing rows: no row, no failure.
#[derive(Clone, Debug)]
pub struct ModelTest {
    /// The test as a person would say it: `unique(order_id)`, or the file's name, or the given `name`.
    pub name: String,
    /// Whether a failure withholds the table or is only reported.
    pub severity: Severity,
    /// The SQL, with relations as [`Relation`] displays them.
    pub sql: String,
    /// The SQL rendered with a fixed `run_started_at`: for fingerprints.
    pub stable_sql: String,
    /// The tables that it reads, the tested one among them; sorted, each once.
    pub relations: Vec<Relation>,
    /// Where it is declared.
    pub place: Place,
}

//! What one rendering sees and leaves behind: the relations it read, the configuration it wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::value::Object;
use minijinja::{Error, ErrorKind, State, Value};

use crate::project::Relation;
use crate::project::error::suggestion;

/// How deep macros may call macros. Beyond that a project calls itself without end.
const DEEPEST: usize = 60;

/// The tables that `ref` and `source` can name.
#[derive(Debug, Default)]
pub(in crate::project) struct World {
    /// Models and seeds, by the name that `ref` takes. None: not known yet, every name is taken.
    pub(in crate::project) named: Option<BTreeMap<String, Relation>>,
    /// Source tables, by source and table name.
    pub(in crate::project) sources: BTreeMap<(String, String), Relation>,
    /// Models, seeds and sources that are switched off.
    pub(in crate::project) disabled: BTreeSet<String>,
    /// The project's name, the only package that `ref` can name.
    pub(in crate::project) project: String,
}

/// One rendering.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) world: Arc<World>,
    /// The configuration from outside the text.
    pub(super) config: BTreeMap<String, Value>,
    /// Whether relations can be named here: not in `.yml` files.
    pub(super) relations_allowed: bool,
    pub(super) trace: Mutex<Trace>,
}

/// What a rendering leaves behind.
#[derive(Debug, Default)]
pub(super) struct Trace {
    pub(super) relations: BTreeSet<Relation>,
    pub(super) config: BTreeMap<String, Value>,
    pub(super) warnings: Vec<String>,
    pub(super) returned: Option<Value>,
    pub(super) wanted: Option<String>,
    depth: usize,
}

impl Object for Scope {}

impl Scope {
    /// The rendering that a function is called from.
    pub(super) fn of(state: &State<'_, '_>) -> Result<Arc<Self>, Error> {
        let scope = state.lookup("__scope").and_then(|value| value.downcast_object::<Self>());
        scope.ok_or_else(|| refused("a call outside of a rendering"))
    }

    pub(super) fn trace(&self) -> MutexGuard<'_, Trace> {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes one macro deeper.
    pub(super) fn enter(&self, name: &str) -> Result<(), Error> {
        let mut trace = self.trace();
        if trace.depth >= DEEPEST {
            return Err(refused(format!("macro {name} calls itself without end")));
        }
        trace.depth += 1;
        Ok(())
    }

    /// Leaves a macro.
    pub(super) fn leave(&self) {
        self.trace().depth -= 1;
    }

    /// `ref('name')`.
    pub(super) fn reference(&self, package: Option<&str>, name: &str) -> Result<Relation, Error> {
        self.check_allowed("ref")?;
        if let Some(package) = package.filter(|package| *package != self.world.project) {
            return Err(refused(format!("ref to package \"{package}\": packages are not supported")));
        }
        let relation = match &self.world.named {
            None => Relation::Model { zone: crate::project::Zone::Gold, name: name.to_owned() },
            Some(named) => match named.get(name) {
                Some(relation) => relation.clone(),
                None if self.world.disabled.contains(name) => {
                    return Err(refused(format!("ref('{name}') names what is disabled")));
                }
                None => {
                    let hint = suggestion(name, named.keys().map(String::as_str));
                    return Err(refused(format!("ref('{name}') names no model or seed{hint}")));
                }
            },
        };
        self.trace().relations.insert(relation.clone());
        Ok(relation)
    }

    /// `source('source', 'table')`.
    pub(super) fn source(&self, source: &str, table: &str) -> Result<Relation, Error> {
        self.check_allowed("source")?;
        let key = (source.to_owned(), table.to_owned());
        let relation = match self.world.sources.get(&key) {
            Some(relation) => relation.clone(),
            None if self.world.named.is_none() => Relation::Source { table: format!("{source}.{table}") },
            None if self.world.disabled.contains(&format!("{source}.{table}")) => {
                return Err(refused(format!("source('{source}', '{table}') is disabled")));
            }
            None => return Err(self.unknown_source(source, table)),
        };
        self.trace().relations.insert(relation.clone());
        Ok(relation)
    }

    fn unknown_source(&self, source: &str, table: &str) -> Error {
        let same = self.world.sources.keys().filter(|(known, _)| known == source);
        let hint = match same.map(|(_, table)| table.as_str()).collect::<Vec<_>>() {
            tables if tables.is_empty() => {
                suggestion(source, self.world.sources.keys().map(|(source, _)| source.as_str()))
            }
            tables => suggestion(table, tables),
        };
        refused(format!("source('{source}', '{table}') is not declared{hint}"))
    }

    fn check_allowed(&self, what: &str) -> Result<(), Error> {
        if self.relations_allowed {
            return Ok(());
        }
        Err(refused(format!("{what}() cannot be used here")))
    }
}

/// A problem that the project's author can mend.
pub(super) fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

//! `DuckDB`: the only file that names duckdb. SQL runs over views of Parquet files that are named one by one, in a
//! database that can reach nothing else.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use duckdb::core::{LogicalTypeHandle, LogicalTypeId};
use duckdb::{Connection, Statement};
use serde_json::Value;

use crate::error::{Error, Fault, Result};
use crate::lake::{Lake, Local};
use crate::settings::Settings;
use crate::stored::duckdb_type;

/// A `DuckDB` instance in memory, shut off from everything but the lake's tables and its own scratch folder.
pub struct Engine {
    connection: Connection,
    /// Syntax trees of statements that were looked at: silver runs the same ones for every object.
    trees: RefCell<HashMap<String, Arc<Value>>>,
    scratch: tempfile::TempDir,
    /// Files that relations read.
    held: RefCell<Vec<Local>>,
    /// Those that are read as long as the engine is there.
    kept: RefCell<Vec<Local>>,
    /// When statements are interrupted; who watches the time sees by it that the engine is gone.
    end: Arc<Mutex<Option<Instant>>>,
}

/// How often the time is looked at.
const WATCH: Duration = Duration::from_millis(200);

/// What stands behind a name in SQL.
pub enum Relation {
    /// Parquet files, read by name and type of the schema; a column that a file lacks is NULL.
    Files {
        /// Full paths.
        paths: Vec<PathBuf>,
        /// The stored schema.
        schema: SchemaRef,
    },
    /// A SELECT.
    Sql(String),
}

impl Engine {
    /// A new, empty instance with `threads` threads.
    ///
    /// # Errors
    /// [`Error::Io`] when there is no scratch folder, [`Error::Sql`] when `DuckDB` does not start.
    pub fn open(lake: &Lake, settings: &Settings, threads: usize) -> Result<Self> {
        let scratch = tempfile::tempdir_in(&settings.temp).map_err(Error::io("create a folder in", &settings.temp))?;
        let connection = Connection::open_in_memory().map_err(sql_error("start DuckDB"))?;
        let folders = lake.local_folders().into_iter().chain([scratch.path()]);
        let allowed: Vec<String> = folders.map(|folder| text_literal(&folder.to_string_lossy())).collect();
        let statements = format!(
            include_str!("sql/open.sql"),
            threads = threads,
            memory = settings.memory_mebibytes,
            spill = settings.spill_mebibytes(),
            temporary = text_literal(&scratch.path().join("spill").to_string_lossy()),
            allowed = allowed.join(", "),
        );
        connection.execute_batch(&statements).map_err(sql_error("set DuckDB up"))?;
        Ok(Self {
            connection,
            trees: RefCell::default(),
            scratch,
            held: RefCell::default(),
            kept: RefCell::default(),
            end: Arc::default(),
        })
    }

    /// A folder whose files the SQL may read, removed with the engine.
    pub fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Interrupts whatever runs at `end` or after it, until another end is set.
    pub fn stop_at(&self, end: Option<Instant>) {
        *locked(&self.end) = end;
        // Once an engine has had an end, somebody watches it.
        if end.is_some() && Arc::weak_count(&self.end) == 0 {
            let (interrupt, watched) = (self.connection.interrupt_handle(), Arc::downgrade(&self.end));
            std::thread::spawn(move || {
                while let Some(end) = watched.upgrade() {
                    let left = locked(&end).map(|end| end.saturating_duration_since(Instant::now()));
                    drop(end);
                    if left.is_some_and(|left| left.is_zero()) {
                        interrupt.interrupt();
                    }
                    std::thread::sleep(WATCH.min(left.unwrap_or(WATCH).max(WATCH / 10)));
                }
            });
        }
    }

    /// Keeps files readable until [`Engine::release`]; where they stand.
    pub fn hold(&self, files: Vec<Local>) -> Vec<PathBuf> {
        let paths = files.iter().map(|file| file.path.clone()).collect();
        self.held.borrow_mut().extend(files);
        paths
    }

    /// Keeps a file readable for good; where it stands.
    pub fn keep(&self, file: Local) -> PathBuf {
        let path = file.path.clone();
        self.kept.borrow_mut().push(file);
        path
    }

    /// Lets go of the files that are held: what reads them was the last of its kind.
    pub fn release(&self) {
        self.held.borrow_mut().clear();
    }

    /// Puts a relation behind `"zone"."name"`, in place of what stood there.
    ///
    /// # Errors
    /// [`Error::Sql`] when the SQL does not bind.
    pub fn define(&self, zone: &str, name: &str, relation: &Relation) -> Result<()> {
        let sql = match relation {
            Relation::Sql(sql) => sql.clone(),
            Relation::Files { paths, schema } => select_files(paths, schema),
        };
        let statement = format!("CREATE OR REPLACE VIEW {}.{} AS {sql}", quoted(zone), quoted(name));
        self.connection.execute_batch(&statement).map_err(sql_error(&format!("relation {zone}.{name}")))
    }

    /// Begins a SELECT. `what` names it in errors.
    ///
    /// # Errors
    /// [`Error::Sql`].
    fn rows(&self, what: &str, sql: &str) -> Result<Rows<'_>> {
        let mut statement = self.connection.prepare(sql).map_err(sql_error(what))?;
        drop(statement.stream_arrow([]).map_err(sql_error(what))?);
        Ok(Rows { statement, what: what.to_owned() })
    }

    /// Begins a SELECT whose rows are stored: no type of theirs loses anything on the way, and names that come twice are told
    /// apart.
    ///
    /// # Errors
    /// [`Error::Sql`]; [`Error::Columns`] for a type that cannot be stored exactly.
    pub fn exact_rows(&self, what: &str, sql: &str) -> Result<Rows<'_>> {
        let rows = self.rows(what, &format!("SELECT * FROM ({sql}\n)"))?;
        for (column, field) in rows.schema().fields().iter().enumerate() {
            if let Some(data_type) = find_lossy(&rows.statement.column_logical_type(column)) {
                let reason = format!("{data_type} cannot be stored exactly; cast it to VARCHAR");
                let source = arrow::error::ArrowError::NotYetImplemented(reason);
                return Err(Error::Columns { what: format!("{what}: column {:?}", field.name()), source });
            }
        }
        Ok(rows)
    }

    /// Runs a SELECT and hands on its batches as they come. `what` names it in errors.
    ///
    /// # Errors
    /// [`Error::Sql`], also for failures in the middle; whatever `take` returns.
    pub fn select(&self, what: &str, sql: &str, take: impl FnMut(RecordBatch) -> Result<()>) -> Result<SchemaRef> {
        let mut rows = self.rows(what, sql)?;
        rows.take(take)?;
        Ok(rows.schema())
    }

    /// The whole result of a SELECT that is known to be small.
    ///
    /// # Errors
    /// As [`Engine::select`].
    pub fn collect(&self, what: &str, sql: &str) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let mut batches = Vec::new();
        let schema = self.select(what, sql, |batch| {
            batches.push(batch);
            Ok(())
        })?;
        Ok((schema, batches))
    }

    /// The columns that a SELECT gives, found by binding it without reading rows.
    ///
    /// # Errors
    /// [`Error::Sql`] when it does not bind.
    pub fn columns(&self, what: &str, sql: &str) -> Result<SchemaRef> {
        self.exact_rows(what, &format!("FROM ({sql}\n) LIMIT 0")).map(|rows| rows.schema())
    }

    /// How a SELECT would be done, as `DuckDB`'s JSON; nothing where it does not tell.
    pub fn plan(&self, sql: &str) -> Option<Value> {
        let explain = format!("EXPLAIN (FORMAT json) {sql}");
        let text: String = self.connection.query_row(&explain, [], |row| row.get(1)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// The syntax tree of a SELECT as `DuckDB`'s JSON; other statements are an error there.
    ///
    /// # Errors
    /// [`Error::Sql`] when `DuckDB` cannot serialize it at all.
    pub fn syntax_tree(&self, what: &str, sql: &str) -> Result<Arc<Value>> {
        if let Some(tree) = self.trees.borrow().get(sql) {
            return Ok(Arc::clone(tree));
        }
        let text: String = self
            .connection
            .query_row("SELECT json_serialize_sql(?::VARCHAR)::VARCHAR", [sql], |row| row.get(0))
            .map_err(sql_error(what))?;
        let tree: Value = serde_json::from_str(&text).map_err(|source| Error::Document {
            path: what.into(),
            kind: "syntax tree",
            source,
        })?;
        let tree = Arc::new(tree);
        self.trees.borrow_mut().insert(sql.to_owned(), Arc::clone(&tree));
        Ok(tree)
    }
}

/// The rows of a SELECT that has begun.
pub struct Rows<'e> {
    statement: Statement<'e>,
    what: String,
}

impl Rows<'_> {
    /// Their columns.
    pub fn schema(&self) -> SchemaRef {
        self.statement.schema()
    }

    /// Hands on the batches as they come.
    ///
    /// # Errors
    /// [`Error::Sql`], also for failures in the middle; whatever `take` returns.
    pub fn take(&mut self, mut take: impl FnMut(RecordBatch) -> Result<()>) -> Result<()> {
        // The iterator panics where a later chunk fails; stepping by hand returns the error.
        while let Some(rows) = self.statement.step().map_err(sql_error(&self.what))? {
            take(RecordBatch::from(&rows))?;
        }
        Ok(())
    }
}

fn locked(end: &Mutex<Option<Instant>>) -> MutexGuard<'_, Option<Instant>> {
    end.lock().unwrap_or_else(PoisonError::into_inner)
}

fn select_files(paths: &[PathBuf], schema: &SchemaRef) -> String {
    let fields = schema.fields();
    if paths.is_empty() {
        let columns: Vec<String> = fields
            .iter()
            .map(|field| format!("CAST(NULL AS {}) AS {}", duckdb_type(field.data_type()), quoted(field.name())))
            .collect();
        return format!("SELECT {} WHERE false", columns.join(", "));
    }
    let paths: Vec<String> = paths.iter().map(|path| text_literal(&path.to_string_lossy())).collect();
    let columns: Vec<String> = fields
        .iter()
        .map(|field| {
            let name = text_literal(field.name());
            format!(
                "{name}: {{name: {name}, type: {}, default_value: NULL}}",
                text_literal(&duckdb_type(field.data_type()))
            )
        })
        .collect();
    format!(
        "SELECT * FROM read_parquet([{}], hive_partitioning = false, schema = MAP {{{}}})",
        paths.join(", "),
        columns.join(", ")
    )
}

/// An SQL identifier.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// An SQL string.
pub fn text_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// `DuckDB` types whose values are others when they have become Arrow's, which has no such types.
const LOSSY: [(LogicalTypeId, &str); 4] = [
    (LogicalTypeId::UHugeint, "UHUGEINT"),
    (LogicalTypeId::Bit, "BIT"),
    (LogicalTypeId::Bignum, "BIGNUM"),
    (LogicalTypeId::TimeTZ, "TIME WITH TIME ZONE"),
];

/// The type among [`LOSSY`] that a type is or has in it.
fn find_lossy(data_type: &LogicalTypeHandle) -> Option<&'static str> {
    let own = LOSSY.iter().find(|(id, _)| *id == data_type.id()).map(|(_, name)| *name);
    own.or_else(|| (0..data_type.num_children()).find_map(|child| find_lossy(&data_type.child(child))))
}

/// How `DuckDB` begins its messages about the machine, and about SQL that does not parse or bind; all others are about
/// values.
const OF_MACHINE: [&str; 6] =
    ["Out of Memory Error", "IO Error", "INTERRUPT", "INTERNAL Error", "FATAL Error", "Permission Error"];
const OF_SQL: [&str; 4] = ["Parser Error", "Syntax Error", "Catalog Error", "Binder Error"];

fn sql_error(what: &str) -> impl FnOnce(duckdb::Error) -> Error {
    let what = what.to_owned();
    move |error| {
        let message = error.to_string();
        // What DuckDB advises there cannot be done here: extensions are shut out.
        let message = message.split("\n\nPlease try installing").next().unwrap_or_default().to_owned();
        let begins = |list: &[&str]| list.iter().any(|beginning| message.starts_with(beginning));
        let fault = if begins(&OF_MACHINE) {
            Fault::Machine
        } else if begins(&OF_SQL) {
            Fault::Project
        } else {
            Fault::Data
        };
        Error::Sql { what, message, fault }
    }
}

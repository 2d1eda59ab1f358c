//! Query: every table and view of the lake under its name, for SQL of a person.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use serde::Serialize;

use crate::contract::is_lineage;
use crate::engine::{Engine, Relation};
use crate::error::Result;
use crate::guard::{self, Rules};
use crate::in_force::{View, in_force};
use crate::lake::Lake;
use crate::quarantine;
use crate::seeds;
use crate::settings::Settings;
use crate::snapshot::Snapshot;
use crate::stored::duckdb_type;
use crate::table::Table;

/// A table as `pintail tables` lists it.
#[derive(Debug, Clone, Serialize)]
pub struct TableEntry {
    /// `silver` or `gold`.
    pub zone: &'static str,
    /// The name.
    pub table: String,
    /// The version.
    pub version: u64,
    /// Rows, where the log tells.
    pub rows: Option<u64>,
    /// Data files.
    pub files: usize,
    /// Bytes of the data files.
    pub bytes: u64,
    /// Columns with their types, without lineage columns.
    pub columns: Vec<String>,
}

/// All tables of the lake with their newest version.
///
/// # Errors
/// As [`Table::load`].
pub async fn snapshots(lake: &Arc<Lake>) -> Result<Vec<(&'static str, String, Table, Arc<Snapshot>)>> {
    let mut found = Vec::new();
    for (zone, name) in lake.tables()? {
        let table = Table::new(lake, &format!("{zone}/{name}"));
        if let Some(snapshot) = table.load().await? {
            found.push((zone, name, table, snapshot));
        }
    }
    Ok(found)
}

/// All tables of the lake.
///
/// # Errors
/// As [`Table::load`].
pub async fn tables(lake: &Arc<Lake>) -> Result<Vec<TableEntry>> {
    let entry = |(zone, table, _, snapshot): (&'static str, String, Table, Arc<Snapshot>)| TableEntry {
        zone,
        table,
        version: snapshot.version,
        rows: snapshot.rows(),
        files: snapshot.files.len(),
        bytes: snapshot.files.iter().map(|file| file.size).sum(),
        columns: columns(&snapshot),
    };
    Ok(snapshots(lake).await?.into_iter().map(entry).collect())
}

/// `DuckDB` with what the lake has: tables, seeds and views of the project in force; those only that `sql` names, where
/// it is given. Returns the names of all.
///
/// # Errors
/// Failures of ours; a view that does not bind is left out.
pub async fn open(lake: &Arc<Lake>, settings: &Settings, sql: Option<&str>) -> Result<(Engine, BTreeSet<String>)> {
    let engine = Engine::open(lake, settings, settings.threads)?;
    let in_force = in_force(lake)?;
    let views = in_force.as_ref().map_or(&[][..], |in_force| &in_force.views);
    let mentioned = sql.map(|sql| mentioned(sql, views));
    let wanted = |name: &str| mentioned.as_ref().is_none_or(|words| words.contains(&name.to_lowercase()));
    let nothing = Relation::Files { paths: Vec::new(), schema: quarantine::SCHEMA.clone() };
    engine.define("silver", quarantine::TABLE, &nothing)?;
    let mut names = BTreeSet::from([format!("silver.{}", quarantine::TABLE)]);
    for (zone, name) in lake.tables()? {
        names.insert(format!("{zone}.{name}").to_lowercase());
        let table = Table::new(lake, &format!("{zone}/{name}"));
        let Some(snapshot) = (if wanted(&name) { table.load().await? } else { None }) else { continue };
        let paths = engine.hold(table.fetch(&snapshot.files)?);
        engine.define(zone, &name, &Relation::Files { paths, schema: Arc::clone(&snapshot.schema) })?;
    }
    for (name, file) in in_force.iter().flat_map(|in_force| &in_force.seeds) {
        if let Some(rows) = lake.find(&format!("{}/{file}", seeds::folder()))? {
            seeds::define_file(&engine, name, rows)?;
            names.insert(format!("seeds.{name}").to_lowercase());
        }
    }
    for view in views.iter().filter(|view| wanted(&view.name)) {
        let full = format!("gold.{}", view.name).to_lowercase();
        if names.contains(&full) {
            continue;
        }
        match engine.define("gold", &view.name, &Relation::Sql(view.sql.clone())) {
            Ok(()) => {
                names.insert(full);
            }
            Err(error) if error.is_verdict() => {
                tracing::debug!(view = view.name, error = error.chain(), "the view is left out");
            }
            Err(error) => return Err(error),
        }
    }
    Ok((engine, names))
}

/// Every word that could be the name of a relation, in the SQL and in the views that it names.
fn mentioned(sql: &str, views: &[View]) -> BTreeSet<String> {
    let words = |sql: &str| -> BTreeSet<String> {
        let lower = sql.to_lowercase();
        lower.split(|letter: char| !(letter.is_alphanumeric() || letter == '_')).map(str::to_owned).collect()
    };
    // A view stands after those that it reads.
    views.iter().rev().fold(words(sql), |mut named, view| {
        if named.contains(&view.name.to_lowercase()) {
            named.extend(words(&view.sql));
        }
        named
    })
}

/// The columns of a table in DuckDB's words, without those that say where a row came from.
fn columns(snapshot: &Snapshot) -> Vec<String> {
    let own = snapshot.schema.fields().iter().filter(|field| !is_lineage(field.name()));
    own.map(|field| format!("{} {}", field.name(), duckdb_type(field.data_type()))).collect()
}

/// Runs a person's SELECT over the lake.
///
/// # Errors
/// [`crate::error::Error::Refused`] for anything but one SELECT over the lake's own relations; [`crate::error::Error::Sql`].
pub async fn query(lake: &Arc<Lake>, settings: &Settings, sql: &str) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let (engine, relations) = open(lake, settings, Some(sql)).await?;
    guard::admit(&engine, "query", sql, &Rules { relations: &relations, stable: false })?;
    engine.collect("query", sql)
}

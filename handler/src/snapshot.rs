//! Snapshots: one version of a table, and what a change makes of it. Plain values; nothing here reads a log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use chrono::Utc;

use crate::data_file::DataFile;

/// One version of a table.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The table's id; another table of the same name has another one.
    pub id: String,
    /// The version.
    pub version: u64,
    /// The stored schema.
    pub schema: SchemaRef,
    /// Delta partition columns.
    pub partition_by: Vec<String>,
    /// The table's properties, ours among them.
    pub properties: BTreeMap<String, String>,
    /// The files that make up the version; none of them in a [`crate::table::Table::glance`].
    pub files: Vec<File>,
    /// When the table was made, in milliseconds since 1970.
    pub created_time: i64,
    /// Whether the files were left out.
    pub glanced: bool,
}

/// What a change has to know of a table before it is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Version, schema and properties: nothing leaves the table.
    Glance,
    /// Its files, too.
    Files,
}

/// A data file of a snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// Path below the table's folder.
    pub path: String,
    /// Partition values; `None` is NULL.
    pub partition: BTreeMap<String, Option<String>>,
    /// Bytes.
    pub size: u64,
    /// Rows, where the log tells.
    pub rows: Option<u64>,
    /// Delta's statistics, as JSON text.
    pub statistics: Option<Arc<str>>,
}

/// What one commit does.
#[derive(Debug, Default)]
pub struct Change {
    /// Files to leave the table.
    pub remove: Vec<File>,
    /// Files to enter it.
    pub add: Vec<DataFile>,
    /// Schema, partitions and properties, where they change (always for a new table).
    pub definition: Option<Definition>,
}

/// Schema, partition columns and properties of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// The stored schema.
    pub schema: SchemaRef,
    /// Delta partition columns.
    pub partition_by: Vec<String>,
    /// Properties, ours among them.
    pub properties: BTreeMap<String, String>,
}

impl Definition {
    fn empty() -> Self {
        Self { schema: Arc::new(Schema::empty()), partition_by: Vec::new(), properties: BTreeMap::new() }
    }
}

impl Snapshot {
    /// What a change makes of a snapshot, or of nothing.
    pub fn after(before: Option<&Self>, change: &Change) -> Self {
        let removed: BTreeSet<&str> = change.remove.iter().map(|file| file.path.as_str()).collect();
        let standing = before.map_or(&[][..], |before| &before.files).iter();
        let added = change.add.iter().map(|file| File {
            path: file.path.clone(),
            partition: file.partition.clone(),
            size: file.size,
            rows: Some(file.rows),
            statistics: Some(file.statistics.as_str().into()),
        });
        let definition =
            change.definition.clone().or_else(|| before.map(Self::definition)).unwrap_or_else(Definition::empty);
        Self {
            id: before.map_or_else(|| uuid::Uuid::new_v4().to_string(), |before| before.id.clone()),
            version: before.map_or(0, |before| before.version + 1),
            schema: definition.schema,
            partition_by: definition.partition_by,
            properties: definition.properties,
            files: standing.filter(|file| !removed.contains(file.path.as_str())).cloned().chain(added).collect(),
            created_time: before.map_or_else(|| Utc::now().timestamp_millis(), |before| before.created_time),
            glanced: before.is_some_and(|before| before.glanced),
        }
    }

    /// Schema, partitions and properties as they stand.
    pub fn definition(&self) -> Definition {
        Definition {
            schema: Arc::clone(&self.schema),
            partition_by: self.partition_by.clone(),
            properties: self.properties.clone(),
        }
    }

    /// Rows of all files, where the log tells.
    pub fn rows(&self) -> Option<u64> {
        self.files.iter().map(|file| file.rows).sum()
    }
}

/// A column whose name another one has, too, but for case: no reader could tell them apart.
pub fn twice_named(schema: &Schema) -> Option<&str> {
    let mut seen = BTreeSet::new();
    schema.fields().iter().map(|field| field.name().as_str()).find(|name| !seen.insert(name.to_lowercase()))
}

/// The former schema with the columns of the newer one that it lacks.
pub fn widened(former: &Schema, newer: &Schema) -> SchemaRef {
    let mut fields: Vec<_> = former.fields().iter().cloned().collect();
    let known = |name: &str| former.fields().iter().any(|field| field.name().eq_ignore_ascii_case(name));
    fields.extend(newer.fields().iter().filter(|field| !known(field.name())).cloned());
    Arc::new(Schema::new(fields))
}

//! Delta tables: the only file that names deltalake.
//!
//! Publishing replaces. A change is decided against one loaded version and committed to exactly the next; when
//! another writer was faster, the table is loaded again and the change decided again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arrow::datatypes::{Schema, SchemaRef};
use chrono::Utc;
use deltalake_core::DeltaTable;
use deltalake_core::DeltaTableError;
use deltalake_core::checkpoints::create_checkpoint;
use deltalake_core::kernel::transaction::{CommitData, TransactionError};
use deltalake_core::kernel::{Action, Add, LogicalFileView, Remove};
use deltalake_core::logstore::{
    CommitOrBytes, LogStoreRef, StorageConfig, get_actions, logstore_for, read_commit_entry,
};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use serde_json::{Value, json};

use crate::data_file::DataFile;
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::stored;

/// A checkpoint is written after every so many commits (Delta's own default).
const CHECKPOINT_INTERVAL: u64 = 10;

/// A Delta table of the lake, whether it exists yet or not.
#[derive(Clone)]
pub struct Table {
    /// `zone/name`.
    pub name: String,
    /// The table's folder.
    pub folder: PathBuf,
    log: LogStoreRef,
    /// The version that was seen last; never trusted without a look at the log.
    last: Arc<Mutex<Option<Seen>>>,
}

/// A version that was loaded or committed, with the stamp of its commit's file.
#[derive(Clone)]
struct Seen {
    snapshot: Arc<Snapshot>,
    commit: CommitStamp,
}

/// Inode and time of a commit's file: another table of the same name has another one.
type CommitStamp = (u64, i64, i64);

/// The tables of a lake, each opened once.
pub struct Tables {
    lake: Arc<Lake>,
    open: Mutex<HashMap<String, Table>>,
}

impl Tables {
    /// None is open yet.
    pub fn new(lake: Arc<Lake>) -> Self {
        Self { lake, open: Mutex::default() }
    }

    /// A table by its name, `silver/orders`.
    ///
    /// # Errors
    /// As [`Table::new`].
    pub fn table(&self, name: &str) -> Result<Table> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = open.get(name) {
            return Ok(table.clone());
        }
        let table = Table::new(&self.lake, name)?;
        open.insert(name.to_owned(), table.clone());
        Ok(table)
    }

    /// The newest version of a table; `None` when it does not exist.
    ///
    /// # Errors
    /// As [`Table::load`].
    pub async fn load(&self, name: &str) -> Result<Option<Arc<Snapshot>>> {
        self.table(name)?.load().await
    }
}

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
    /// The files that make up the version; none of them in a [`Table::glance`].
    pub files: Vec<File>,
    created_time: i64,
    glanced: bool,
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

/// What is decided against a loaded version.
pub enum Decision<T> {
    /// Commit this; the value is the caller's note of what it decided.
    Commit(Change, T),
    /// Nothing to commit.
    Leave(T),
}

/// A commit as `history` shows it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Commit {
    /// The table, as `zone/name`.
    pub table: String,
    /// The version that the commit made.
    pub version: u64,
    /// When, in UTC.
    pub timestamp: String,
    /// Files added.
    pub added_files: u64,
    /// Files removed.
    pub removed_files: u64,
    /// Rows of the added files.
    pub added_rows: u64,
}

impl Table {
    /// A table of the lake by its name, `silver/orders`.
    ///
    /// # Errors
    /// [`Error::Delta`] when delta-rs cannot reach the folder.
    pub fn new(lake: &Lake, name: &str) -> Result<Self> {
        let folder = lake.table(name);
        let url = url::Url::from_directory_path(&folder).map_err(|()| Error::Table {
            table: name.to_owned(),
            reason: "its folder has no absolute path".to_owned(),
        })?;
        let log = logstore_for(&url, StorageConfig::default()).map_err(delta_error(name))?;
        Ok(Self { name: name.to_owned(), folder, log, last: Arc::default() })
    }

    /// Whether the lake has such a table.
    pub fn exists(lake: &Lake, name: &str) -> bool {
        lake.table(name).join("_delta_log").is_dir()
    }

    /// The newest version; `None` when the table does not exist. What was seen last is taken where the log has no
    /// newer commit.
    ///
    /// # Errors
    /// [`Error::Delta`] and [`Error::Table`] for a log that cannot be read.
    pub async fn load(&self) -> Result<Option<Arc<Snapshot>>> {
        if let Some(snapshot) = self.still_newest() {
            return Ok(Some(snapshot));
        }
        let loaded = self.load_from_log().await?.map(Arc::new);
        if let Some(snapshot) = &loaded {
            self.remember(Arc::clone(snapshot));
        }
        Ok(loaded)
    }

    async fn load_from_log(&self) -> Result<Option<Snapshot>> {
        if self.newest_commit().is_none() {
            return Ok(None);
        }
        match self.open().await {
            Ok(table) => self.snapshot(&table).map(Some),
            Err(source) => Err(delta_error(&self.name)(source)),
        }
    }

    fn still_newest(&self) -> Option<Arc<Snapshot>> {
        let seen = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let version = seen.snapshot.version;
        let same = self.commit_stamp(version) == Some(seen.commit);
        (same && self.commit_stamp(version + 1).is_none()).then_some(seen.snapshot)
    }

    fn remember(&self, snapshot: Arc<Snapshot>) {
        let seen = self.commit_stamp(snapshot.version).map(|commit| Seen { snapshot, commit });
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }

    fn commit_stamp(&self, version: u64) -> Option<CommitStamp> {
        let path = self.folder.join("_delta_log").join(format!("{version:020}.json"));
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec()))
    }

    /// The newest version without its files, from its commit alone: every commit of ours carries the table's definition,
    /// so that this costs the same however large the table is.
    ///
    /// # Errors
    /// As [`Table::load`].
    pub async fn glance(&self) -> Result<Option<Arc<Snapshot>>> {
        if let Some(snapshot) = self.still_newest() {
            return Ok(Some(snapshot));
        }
        let Some(version) = self.newest_commit() else { return Ok(None) };
        let actions = self.actions(version).await?.unwrap_or_default();
        for action in actions {
            if let Action::Metadata(metadata) = action {
                let metadata = serde_json::to_value(metadata).unwrap_or_default();
                return self.described(&metadata, version).map(Arc::new).map(Some);
            }
        }
        self.load().await
    }

    /// Id and newest version.
    ///
    /// # Errors
    /// As [`Table::load`].
    pub async fn identity(&self) -> Result<Option<(String, u64)>> {
        Ok(self.glance().await?.map(|snapshot| (snapshot.id.clone(), snapshot.version)))
    }

    /// A snapshot without files, as a metadata action describes it.
    fn described(&self, metadata: &Value, version: u64) -> Result<Snapshot> {
        let text = |field: &str| metadata.get(field).and_then(Value::as_str);
        let schema = text("schemaString")
            .and_then(|text| serde_json::from_str(text).ok())
            .and_then(|schema: Value| stored::schema_from_delta(&schema))
            .ok_or_else(|| Error::Table {
                table: self.name.clone(),
                reason: "its schema is not one that Pintail writes".to_owned(),
            })?;
        let list = metadata.get("partitionColumns").and_then(Value::as_array).into_iter().flatten();
        let map = metadata.get("configuration").and_then(Value::as_object).into_iter().flatten();
        Ok(Snapshot {
            id: text("id").unwrap_or_default().to_owned(),
            version,
            schema,
            partition_by: list.filter_map(Value::as_str).map(str::to_owned).collect(),
            properties: map.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect(),
            created_time: metadata.get("createdTime").and_then(Value::as_i64).unwrap_or_default(),
            files: Vec::new(),
            glanced: true,
        })
    }

    fn newest_commit(&self) -> Option<u64> {
        let entries = std::fs::read_dir(self.folder.join("_delta_log")).ok()?;
        let number = |name: std::ffi::OsString| name.to_str()?.strip_suffix(".json")?.parse().ok();
        entries.flatten().filter_map(|entry| number(entry.file_name())).max()
    }

    async fn open(&self) -> std::result::Result<DeltaTable, DeltaTableError> {
        let mut table = DeltaTable::new(Arc::clone(&self.log));
        table.load().await?;
        Ok(table)
    }

    fn snapshot(&self, table: &DeltaTable) -> Result<Snapshot> {
        let state = table.snapshot().map_err(delta_error(&self.name))?;
        let metadata = serde_json::to_value(state.metadata()).unwrap_or_default();
        let file = |view: LogicalFileView| File {
            path: view.path().into_owned(),
            partition: view.partition_values_map().into_iter().collect(),
            size: u64::try_from(view.size()).unwrap_or_default(),
            rows: view.num_records().map(|rows| rows as u64),
        };
        let files = state.log_data().iter().map(file).collect();
        Ok(Snapshot { files, glanced: false, ..self.described(&metadata, state.version())? })
    }

    /// Decides a change against the newest version and commits it to exactly the next, until it succeeds.
    /// Returns the snapshot that holds it, and the note of the decision.
    ///
    /// # Errors
    /// What `decide` returns; [`Error::Contended`] when others won until `patience` was over; [`Error::Delta`].
    pub async fn commit<T>(
        &self,
        (lake, patience, needs): (&Lake, Duration, Needs),
        mut decide: impl FnMut(Option<&Snapshot>) -> Result<Decision<T>>,
    ) -> Result<(Option<Arc<Snapshot>>, T)> {
        let started = Instant::now();
        let mut round = 0_u32;
        loop {
            let snapshot = match needs {
                Needs::Files => self.load().await?,
                Needs::Glance => self.glance().await?,
            };
            let (change, note) = match decide(snapshot.as_deref())? {
                Decision::Leave(note) => return Ok((snapshot, note)),
                Decision::Commit(change, note) => (change, note),
            };
            let version = snapshot.as_ref().map_or(0, |snapshot| snapshot.version + 1);
            let after = Arc::new(Snapshot::after(snapshot.as_deref(), &change));
            let bytes = commit_bytes(&self.name, change, (snapshot.as_deref(), &after))?;
            lake.before_write();
            match self.log.write_commit_entry(version, CommitOrBytes::LogBytes(bytes), uuid::Uuid::new_v4()).await {
                Ok(()) => {
                    self.checkpoint(lake, version).await?;
                    if !after.glanced {
                        self.remember(Arc::clone(&after));
                    }
                    return Ok((Some(after), note));
                }
                Err(TransactionError::VersionAlreadyExists(_)) => {
                    if started.elapsed() > patience {
                        return Err(Error::Contended { table: self.name.clone(), seconds: patience.as_secs() });
                    }
                    backoff(round).await;
                    round += 1;
                }
                Err(source) => return Err(delta_error(&self.name)(source.into())),
            }
        }
    }

    async fn checkpoint(&self, lake: &Lake, version: u64) -> Result<()> {
        if version == 0 || !version.is_multiple_of(CHECKPOINT_INTERVAL) {
            return Ok(());
        }
        lake.before_write();
        let mut table = DeltaTable::new(Arc::clone(&self.log));
        table.load_version(version).await.map_err(delta_error(&self.name))?;
        create_checkpoint(&table, None).await.map_err(delta_error(&self.name))
    }

    /// The partitions that commits after `from` up to `to` touched: of added and of removed files. `None` when the log
    /// cannot tell.
    ///
    /// # Errors
    /// [`Error::Delta`] when a commit that exists cannot be read.
    pub async fn touched(&self, from: u64, to: u64) -> Result<Option<Vec<BTreeMap<String, Option<String>>>>> {
        let mut partitions = Vec::new();
        for version in from + 1..=to {
            let Some(actions) = self.actions(version).await? else { return Ok(None) };
            for action in actions {
                match action {
                    Action::Add(add) if add.data_change => partitions.push(add.partition_values.into_iter().collect()),
                    Action::Remove(remove) if remove.data_change => match remove.partition_values {
                        Some(values) => partitions.push(values.into_iter().collect()),
                        None => return Ok(None),
                    },
                    _ => {}
                }
            }
        }
        partitions.sort();
        partitions.dedup();
        Ok(Some(partitions))
    }

    async fn actions(&self, version: u64) -> Result<Option<Vec<Action>>> {
        let store = self.log.object_store(None);
        let Some(bytes) = read_commit_entry(store.as_ref(), version).await.map_err(delta_error(&self.name))? else {
            return Ok(None);
        };
        get_actions(version, &bytes).map(Some).map_err(delta_error(&self.name))
    }

    /// The commits whose log is still there, newest first.
    ///
    /// # Errors
    /// [`Error::Delta`] when a commit cannot be read.
    pub async fn history(&self) -> Result<Vec<Commit>> {
        let Some(snapshot) = self.load().await? else { return Ok(Vec::new()) };
        let mut commits = Vec::new();
        for version in (0..=snapshot.version).rev() {
            let Some(actions) = self.actions(version).await? else { break };
            commits.push(self.commit_of(version, &actions));
        }
        Ok(commits)
    }

    fn commit_of(&self, version: u64, actions: &[Action]) -> Commit {
        let mut commit = Commit {
            table: self.name.clone(),
            version,
            timestamp: String::new(),
            added_files: 0,
            removed_files: 0,
            added_rows: 0,
        };
        for action in actions {
            match action {
                Action::Add(add) => {
                    commit.added_files += 1;
                    commit.added_rows += rows_of(add).unwrap_or_default();
                }
                Action::Remove(_) => commit.removed_files += 1,
                Action::CommitInfo(info) => {
                    let time = info.timestamp.and_then(chrono::DateTime::from_timestamp_millis);
                    commit.timestamp = time.map(|time| time.to_rfc3339()).unwrap_or_default();
                }
                _ => {}
            }
        }
        commit
    }

    /// Files that commits within the last `retain` removed: earlier versions that may still be read need them.
    ///
    /// # Errors
    /// [`Error::Delta`] when a commit cannot be read.
    pub async fn removed_within(&self, newest: u64, retain: Duration) -> Result<Vec<String>> {
        let cutoff = Utc::now().timestamp_millis() - i64::try_from(retain.as_millis()).unwrap_or(i64::MAX);
        let mut removed = Vec::new();
        for version in (0..=newest).rev() {
            let Some(actions) = self.actions(version).await? else { break };
            let mut recent = false;
            for action in actions {
                match action {
                    Action::CommitInfo(info) => recent = info.timestamp.is_none_or(|time| time >= cutoff),
                    Action::Remove(remove) => removed.push(remove.path),
                    _ => {}
                }
            }
            if !recent {
                break;
            }
        }
        Ok(removed)
    }

    /// Removes log files that a checkpoint older than `retain` makes superfluous; returns how many.
    ///
    /// # Errors
    /// [`Error::Delta`].
    pub async fn prune_log(&self, retain: Duration) -> Result<usize> {
        let Some(snapshot) = self.load().await? else { return Ok(0) };
        let cutoff = Utc::now().timestamp_millis() - i64::try_from(retain.as_millis()).unwrap_or(i64::MAX);
        deltalake_core::checkpoints::cleanup_expired_logs_for(snapshot.version, self.log.as_ref(), cutoff, None)
            .await
            .map_err(delta_error(&self.name))
    }
}

fn rows_of(add: &Add) -> Option<u64> {
    let statistics: Value = serde_json::from_str(add.stats.as_deref()?).ok()?;
    statistics.get("numRecords")?.as_u64()
}

fn commit_bytes(table: &str, change: Change, (before, after): (Option<&Snapshot>, &Snapshot)) -> Result<bytes::Bytes> {
    let now = Utc::now().timestamp_millis();
    let mut actions = Vec::new();
    if before.is_none() {
        actions.push(action(table, json!({"protocol": protocol()}))?);
    }
    // In every commit, so that a glance at the newest one tells the definition.
    actions.push(action(table, json!({"metaData": metadata(after)}))?);
    actions.extend(change.remove.into_iter().map(|file| {
        Action::Remove(Remove {
            path: file.path,
            data_change: true,
            deletion_timestamp: Some(now),
            extended_file_metadata: Some(true),
            partition_values: Some(file.partition.into_iter().collect()),
            size: i64::try_from(file.size).ok(),
            ..Remove::default()
        })
    }));
    actions.extend(change.add.into_iter().map(|file| {
        Action::Add(Add {
            path: file.path,
            partition_values: file.partition.into_iter().collect(),
            size: i64::try_from(file.size).unwrap_or(i64::MAX),
            modification_time: now,
            data_change: true,
            stats: Some(file.statistics),
            ..Add::default()
        })
    }));
    let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
    let data = CommitData::new(actions, operation, HashMap::new(), Vec::new());
    data.get_bytes().map_err(|source| delta_error(table)(source.into()))
}

/// Timestamps without time zone need table features, and so reader version 3 and writer version 7.
fn protocol() -> Value {
    json!({
        "minReaderVersion": 3, "minWriterVersion": 7,
        "readerFeatures": ["timestampNtz"], "writerFeatures": ["timestampNtz"],
    })
}

fn metadata(after: &Snapshot) -> Value {
    json!({
        "id": after.id,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": stored::delta_schema(&after.schema).to_string(),
        "partitionColumns": after.partition_by,
        "configuration": after.properties,
        "createdTime": after.created_time,
    })
}

fn action(table: &str, value: Value) -> Result<Action> {
    serde_json::from_value(value).map_err(|json_err| delta_error(table)(DeltaTableError::SerializeLogJson { json_err }))
}

impl Snapshot {
    /// What a change makes of a snapshot, or of nothing.
    fn after(before: Option<&Self>, change: &Change) -> Self {
        let removed: BTreeSet<&str> = change.remove.iter().map(|file| file.path.as_str()).collect();
        let standing = before.map_or(&[][..], |before| &before.files).iter();
        let added = change.add.iter().map(|file| File {
            path: file.path.clone(),
            partition: file.partition.clone(),
            size: file.size,
            rows: Some(file.rows),
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

/// The former schema with the columns of the newer one that it lacks.
pub fn widened(former: &Schema, newer: &Schema) -> SchemaRef {
    let mut fields: Vec<_> = former.fields().iter().cloned().collect();
    fields.extend(newer.fields().iter().filter(|field| former.field_with_name(field.name()).is_err()).cloned());
    Arc::new(Schema::new(fields))
}

/// Waits a little, longer with each round, never in step with the other workers.
pub async fn backoff(round: u32) {
    let ceiling = 5_u128 << round.min(6);
    let jitter = uuid::Uuid::new_v4().as_u128() % ceiling;
    tokio::time::sleep(Duration::from_millis(u64::try_from(2 + jitter).unwrap_or(2))).await;
}

fn delta_error(table: &str) -> impl FnOnce(DeltaTableError) -> Error {
    let table = table.to_owned();
    move |source| Error::Delta { table, source: Box::new(source) }
}

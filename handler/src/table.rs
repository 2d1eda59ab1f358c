//! Delta tables: the only room that names deltalake.
//!
//! Publishing replaces. A change is decided against one loaded version and committed to exactly the next; when
//! another writer was faster, the table is loaded again and the change decided again.

mod log;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deltalake_core::checkpoints::create_checkpoint;
use deltalake_core::kernel::transaction::TransactionError;
use deltalake_core::kernel::{Action, LogicalFileView};
use deltalake_core::logstore::{CommitOrBytes, LogStoreRef, StorageConfig, default_logstore, logstore_for};
use deltalake_core::{DeltaTable, DeltaTableError};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::error::{Error, Result};
use crate::fault;
use crate::lake::{Lake, Local, SeenCommits, parallel};
use crate::projection::Columns;
use crate::snapshot::{Change, File, Needs, Snapshot, twice_named};
use crate::stored;

use log::commit_bytes;

/// A checkpoint is written after every so many commits (Delta's own default).
const CHECKPOINT_INTERVAL: u64 = 10;

/// A Delta table of the lake, whether it exists yet or not.
#[derive(Clone)]
pub struct Table {
    /// `zone/name`.
    pub name: String,
    /// The local folder where its data files are read and written.
    pub folder: PathBuf,
    lake: Arc<Lake>,
    /// Commits that other writers won, of all tables that were opened together.
    conflicts: Arc<AtomicU64>,
    /// What was seen last: a look at the log, or a commit on it, tells whether it still stands.
    last: Arc<Mutex<Option<Seen>>>,
}

/// The version that was loaded or committed, with what tells its commit from another table's of the same name; `None`
/// where there was no table.
#[derive(Clone)]
struct Seen {
    found: Option<(Arc<Snapshot>, String)>,
    at: Instant,
    /// Whether it is a commit of ours, and nothing was looked at since.
    is_own: bool,
}

impl Seen {
    /// Whether all is known that is needed.
    fn has(&self, needs: Needs) -> bool {
        needs == Needs::Glance || self.found.as_ref().is_none_or(|(snapshot, _)| !snapshot.glanced)
    }

    fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.found.as_ref().map(|(snapshot, _)| Arc::clone(snapshot))
    }
}

/// How old a look may be to stand for another one, which would cost a request.
pub const FRESH: Duration = Duration::from_secs(1);

/// How old a look may be on which a commit is tried without another one.
const RECENT: Duration = Duration::from_mins(1);

/// The log of a table for one look or one commit.
struct Log {
    store: LogStoreRef,
    /// What tells the commits that were listed or put through the store, where it notes that.
    seen: Option<SeenCommits>,
}

/// The tables of a lake, each opened once.
pub struct Tables {
    lake: Arc<Lake>,
    open: Mutex<HashMap<String, Table>>,
    conflicts: Arc<AtomicU64>,
}

impl Tables {
    /// None is open yet.
    pub fn new(lake: Arc<Lake>) -> Self {
        Self { lake, open: Mutex::default(), conflicts: Arc::default() }
    }

    /// A table by its name, `silver/orders`.
    pub fn table(&self, name: &str) -> Table {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let conflicts = &self.conflicts;
        let table = || Table { conflicts: Arc::clone(conflicts), ..Table::new(&self.lake, name) };
        open.entry(name.to_owned()).or_insert_with(table).clone()
    }

    /// Commits that other writers won so far.
    pub fn conflicts(&self) -> u64 {
        self.conflicts.load(Ordering::Relaxed)
    }

    /// Looks at tables side by side, as far as is needed; then [`Table::seen`] tells what was found.
    ///
    /// # Errors
    /// As [`Table::load`].
    pub fn look(&self, names: &[String], needs: Needs) -> Result<()> {
        let runtime = Handle::current();
        let look = |name: &String| runtime.block_on(self.table(name).newest(needs)).map(|_| ());
        block_in_place(|| parallel(self.lake.width(), names, look)).into_iter().collect()
    }

    /// As [`Tables::look`], but for those that were seen a moment ago.
    ///
    /// # Errors
    /// As [`Table::load`].
    pub fn look_lately(&self, names: impl IntoIterator<Item = String>, needs: Needs) -> Result<()> {
        let stale: Vec<String> = names.into_iter().filter(|name| !self.table(name).is_fresh(needs)).collect();
        self.look(&stale, needs)
    }

    /// The newest version of a table; `None` when it does not exist.
    ///
    /// # Errors
    /// As [`Table::load`].
    pub async fn load(&self, name: &str) -> Result<Option<Arc<Snapshot>>> {
        self.table(name).load().await
    }
}

/// What is decided against a loaded version.
pub enum Decision<T> {
    /// Commit this; the value is the caller's note of what it decided.
    Commit(Change, T),
    /// Nothing to commit.
    Leave(T),
}

impl Table {
    /// A table of the lake by its name, `silver/orders`.
    pub fn new(lake: &Arc<Lake>, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            folder: lake.local(name),
            lake: Arc::clone(lake),
            conflicts: Arc::default(),
            last: Arc::default(),
        }
    }

    /// Its log, as delta-rs reads and writes it.
    fn log(&self) -> Result<Log> {
        if let Some(place) = self.lake.log_place(&self.name) {
            let store = default_logstore(place.folder, place.root, &place.url, &StorageConfig::default());
            return Ok(Log { store, seen: Some(place.seen) });
        }
        let url = url::Url::from_directory_path(&self.folder).map_err(|()| Error::Table {
            table: self.name.clone(),
            reason: "its folder has no absolute path".to_owned(),
        })?;
        let store = logstore_for(&url, StorageConfig::default()).map_err(delta_error(&self.name))?;
        Ok(Log { store, seen: None })
    }

    /// Makes data files of the table readable, in their order, while the answer is held.
    ///
    /// # Errors
    /// As [`Lake::fetch`].
    pub fn fetch<'f>(&self, files: impl IntoIterator<Item = &'f File>) -> Result<Vec<Local>> {
        self.fetch_columns(files, None)
    }

    /// The same where no other columns are read.
    ///
    /// # Errors
    /// As [`Lake::fetch`].
    pub fn fetch_columns<'f>(
        &self,
        files: impl IntoIterator<Item = &'f File>,
        columns: Option<&Columns>,
    ) -> Result<Vec<Local>> {
        self.lake.fetch(&self.name, files.into_iter().map(|file| (file.path.as_str(), file.size)), columns)
    }

    /// As [`Lake::lacks`].
    pub fn lacks<'f>(&self, files: impl IntoIterator<Item = &'f File>) -> bool {
        self.lake.lacks(&self.name, files.into_iter().map(|file| (file.path.as_str(), file.size)))
    }

    /// The newest version as far as it is needed; `None` when the table does not exist.
    async fn newest(&self, needs: Needs) -> Result<Option<Arc<Snapshot>>> {
        match needs {
            Needs::Files => self.load().await,
            Needs::Glance => self.glance().await,
        }
    }

    /// The newest version; `None` when the table does not exist. What was seen last is taken where the log has no
    /// newer commit.
    ///
    /// # Errors
    /// [`Error::Delta`] and [`Error::Table`] for a log that cannot be read.
    pub async fn load(&self) -> Result<Option<Arc<Snapshot>>> {
        match self.still_so()? {
            Some(seen) if seen.has(Needs::Files) => Ok(seen.snapshot()),
            _ => self.open().await,
        }
    }

    /// The version that was seen last with its files, without another look where they are known; a newer one where
    /// they are not.
    ///
    /// # Errors
    /// As [`Table::load`].
    pub async fn load_seen(&self) -> Result<Option<Arc<Snapshot>>> {
        match self.last() {
            Some(seen) if seen.has(Needs::Files) => Ok(seen.snapshot()),
            _ => self.open().await,
        }
    }

    /// The version that was seen last.
    pub fn seen(&self) -> Option<Arc<Snapshot>> {
        self.last()?.snapshot()
    }

    /// When it was seen last.
    pub fn seen_at(&self) -> Option<Instant> {
        self.last().map(|seen| seen.at)
    }

    /// Whether it was seen a moment ago, as far as is needed.
    fn is_fresh(&self, needs: Needs) -> bool {
        self.last().is_some_and(|seen| seen.has(needs) && seen.at.elapsed() < FRESH)
    }

    /// Whether its newest version that is known is one that this process committed after a time.
    pub fn is_committed_since(&self, time: Instant) -> bool {
        self.last().is_some_and(|seen| seen.is_own && seen.at > time)
    }

    fn last(&self) -> Option<Seen> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was seen last, where the log has no newer commit and no other.
    fn still_so(&self) -> Result<Option<Seen>> {
        let Some(seen) = self.last() else { return Ok(None) };
        let from = seen.found.as_ref().map_or(0, |(snapshot, _)| snapshot.version);
        let commits = self.lake.commits(&self.name, from)?;
        let same = match (&commits[..], &seen.found) {
            ([], None) => true,
            ([(version, commit)], Some((snapshot, seen))) => (*version, commit) == (snapshot.version, seen),
            _ => false,
        };
        Ok(same.then(|| self.remember(seen.found)))
    }

    /// What a commit may be tried on without another look: it fails if that is no longer the newest version.
    fn recent(&self, needs: Needs) -> Option<Seen> {
        self.last().filter(|seen| !self.lake.is_local() && seen.has(needs) && seen.at.elapsed() < RECENT)
    }

    fn remember(&self, found: Option<(Arc<Snapshot>, String)>) -> Seen {
        let seen = Seen { found, at: Instant::now(), is_own: false };
        self.keep(Some(seen.clone()));
        seen
    }

    fn keep(&self, seen: Option<Seen>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }

    /// Remembers a version, unless its commit cannot be told from another table's.
    fn remember_version(&self, snapshot: &Arc<Snapshot>, commit: Option<String>, is_own: bool) {
        let found = commit.map(|commit| Some((Arc::clone(snapshot), commit)));
        self.keep(found.map(|found| Seen { found, at: Instant::now(), is_own }));
    }

    /// What tells the commit of a version, by the log through which it was read or written.
    fn commit_of(&self, version: u64, log: &Log) -> Option<String> {
        match &log.seen {
            Some(seen) => seen.lock().unwrap_or_else(PoisonError::into_inner).get(&version).cloned(),
            None => self
                .lake
                .commits(&self.name, version)
                .ok()?
                .into_iter()
                .find(|(at, _)| *at == version)
                .map(|(_, commit)| commit),
        }
    }

    /// The newest version without its files, from its commit alone: every commit of ours carries the table's definition,
    /// so that this costs the same however large the table is.
    ///
    /// # Errors
    /// As [`Table::load`].
    pub async fn glance(&self) -> Result<Option<Arc<Snapshot>>> {
        if let Some(seen) = self.still_so()? {
            return Ok(seen.snapshot());
        }
        let Some((version, commit)) = self.newest_commit()? else {
            return Ok(self.remember(None).snapshot());
        };
        for action in self.actions(version).await?.unwrap_or_default() {
            if let Action::Metadata(metadata) = action {
                let metadata = serde_json::to_value(metadata).unwrap_or_default();
                let snapshot = Arc::new(self.described(&metadata, version)?);
                self.remember(Some((Arc::clone(&snapshot), commit)));
                return Ok(Some(snapshot));
            }
        }
        self.open().await
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

    /// The newest version and what tells its commit; where there is a checkpoint, the log before it is not listed.
    fn newest_commit(&self) -> Result<Option<(u64, String)>> {
        let hint = self.lake.read(&format!("{}/_delta_log/_last_checkpoint", self.name))?;
        let hint = hint.and_then(|document| serde_json::from_slice::<Value>(&document.bytes).ok());
        let checkpoint = hint.and_then(|hint| hint.get("version")?.as_u64()).unwrap_or_default();
        let newest = |from| Ok(self.lake.commits(&self.name, from)?.into_iter().max());
        match newest(checkpoint)? {
            None if checkpoint > 0 => newest(0),
            newest => Ok(newest),
        }
    }

    /// Reads the log as it is now, if there is one.
    async fn read_log(&self) -> Result<(Log, DeltaTable, Result<(), DeltaTableError>)> {
        let log = self.log()?;
        let mut table = DeltaTable::new(Arc::clone(&log.store));
        let opened = table.load().await;
        Ok((log, table, opened))
    }

    /// Reads the log.
    async fn open(&self) -> Result<Option<Arc<Snapshot>>> {
        // In a bucket to find that out costs as much as to read the log.
        if self.lake.is_local() && self.seen().is_none() && self.newest_commit()?.is_none() {
            return Ok(self.remember(None).snapshot());
        }
        let (mut log, mut table, mut opened) = self.read_log().await?;
        if matches!(opened, Err(DeltaTableError::NotATable(_))) {
            if self.lake.commits(&self.name, 0)?.is_empty() {
                return Ok(self.remember(None).snapshot());
            }
            // Somebody made it between the two looks.
            (log, table, opened) = self.read_log().await?;
        }
        opened.map_err(delta_error(&self.name))?;
        let snapshot = Arc::new(self.snapshot(&table)?);
        self.remember_version(&snapshot, self.commit_of(snapshot.version, &log), false);
        Ok(Some(snapshot))
    }

    fn snapshot(&self, table: &DeltaTable) -> Result<Snapshot> {
        let state = table.snapshot().map_err(delta_error(&self.name))?;
        let metadata = serde_json::to_value(state.metadata()).unwrap_or_default();
        let file = |view: LogicalFileView| File {
            path: view.path().into_owned(),
            partition: view.partition_values_map().into_iter().collect(),
            size: u64::try_from(view.size()).unwrap_or_default(),
            rows: view.num_records().map(|rows| rows as u64),
            statistics: view.stats().map(Into::into),
        };
        let files = state.log_data().iter().map(file).collect();
        Ok(Snapshot { files, glanced: false, ..self.described(&metadata, state.version())? })
    }

    /// Decides a change against the newest version and commits it to exactly the next, until it succeeds.
    /// Returns the snapshot that holds it, and the note of the decision. `decide` is told since when that version is known.
    ///
    /// # Errors
    /// What `decide` returns; [`Error::Contended`] when others won until `patience` was over; [`Error::Delta`].
    pub async fn commit<T>(
        &self,
        (patience, needs): (Duration, Needs),
        mut decide: impl FnMut(Option<&Snapshot>, Instant) -> Result<Decision<T>>,
    ) -> Result<(Option<Arc<Snapshot>>, T)> {
        let started = Instant::now();
        let mut round = 0_u32;
        loop {
            let recent = self.recent(needs).filter(|_| round == 0);
            let known_since = recent.as_ref().map(|seen| seen.at);
            let snapshot = match recent {
                Some(recent) => recent.snapshot(),
                None => self.newest(needs).await?,
            };
            let (change, note) = match decide(snapshot.as_deref(), known_since.unwrap_or_else(Instant::now))? {
                Decision::Leave(note) => return Ok((snapshot, note)),
                Decision::Commit(change, note) => (change, note),
            };
            let version = snapshot.as_ref().map_or(0, |snapshot| snapshot.version + 1);
            let after = Arc::new(Snapshot::after(snapshot.as_deref(), &change));
            if let Some(name) = twice_named(&after.schema) {
                let reason = format!("two columns would be named {name:?}, but for case");
                return Err(Error::Table { table: self.name.clone(), reason });
            }
            let bytes = commit_bytes(&self.name, change, (snapshot.as_deref(), &after))?;
            fault::before_write();
            let log = self.log()?;
            match log.store.write_commit_entry(version, CommitOrBytes::LogBytes(bytes), uuid::Uuid::new_v4()).await {
                Ok(()) => {
                    // It only makes the next look quick.
                    if let Err(error) = self.checkpoint(version).await {
                        tracing::warn!(table = self.name, error = error.chain(), "no checkpoint was written");
                    }
                    self.remember_version(&after, self.commit_of(version, &log), true);
                    return Ok((Some(after), note));
                }
                Err(TransactionError::VersionAlreadyExists(_)) => {
                    self.conflicts.fetch_add(1, Ordering::Relaxed);
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

    async fn checkpoint(&self, version: u64) -> Result<()> {
        if version == 0 || !version.is_multiple_of(CHECKPOINT_INTERVAL) {
            return Ok(());
        }
        fault::before_write();
        let mut table = DeltaTable::new(self.log()?.store);
        table.load_version(version).await.map_err(delta_error(&self.name))?;
        create_checkpoint(&table, None).await.map_err(delta_error(&self.name))
    }
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

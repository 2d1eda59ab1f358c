//! The log of a Delta table: what its commits say, and what one of ours is made of.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use chrono::Utc;
use deltalake_core::DeltaTableError;
use deltalake_core::checkpoints::cleanup_expired_logs_for;
use deltalake_core::kernel::transaction::CommitData;
use deltalake_core::kernel::{Action, Add, Remove};
use deltalake_core::logstore::{get_actions, read_commit_entry};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use serde_json::{Value, json};

use super::{Table, delta_error};
use crate::error::Result;
use crate::snapshot::{Change, Snapshot};
use crate::stored;

impl Table {
    /// The partitions that commits after `from` up to `to` touched: of added and of removed files. `None` when the log
    /// cannot tell.
    ///
    /// # Errors
    /// [`crate::error::Error::Delta`] when a commit that exists cannot be read.
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

    pub(super) async fn actions(&self, version: u64) -> Result<Option<Vec<Action>>> {
        let store = self.log()?.store.object_store(None);
        let Some(bytes) = read_commit_entry(store.as_ref(), version).await.map_err(delta_error(&self.name))? else {
            return Ok(None);
        };
        get_actions(version, &bytes).map(Some).map_err(delta_error(&self.name))
    }

    /// Files that commits within the last `retain` removed: earlier versions that may still be read need them.
    ///
    /// # Errors
    /// [`crate::error::Error::Delta`] when a commit cannot be read.
    pub async fn removed_within(&self, newest: u64, retain: Duration) -> Result<Vec<String>> {
        let cutoff = Utc::now().timestamp_millis() - i64::try_from(retain.as_millis()).unwrap_or(i64::MAX);
        let mut removed = Vec::new();
        for version in (0..=newest).rev() {
            let Some(actions) = self.actions(version).await? else { break };
            let mut recent = false;
            let mut by_commit = Vec::new();
            for action in actions {
                match action {
                    Action::CommitInfo(info) => recent = info.timestamp.is_none_or(|time| time >= cutoff),
                    Action::Remove(remove) => by_commit.push(remove.path),
                    _ => {}
                }
            }
            if !recent {
                break;
            }
            removed.extend(by_commit);
        }
        Ok(removed)
    }

    /// Removes log files that a checkpoint older than `retain` makes superfluous; returns how many.
    ///
    /// # Errors
    /// [`crate::error::Error::Delta`].
    pub async fn prune_log(&self, retain: Duration) -> Result<usize> {
        let Some(snapshot) = self.load().await? else { return Ok(0) };
        let cutoff = Utc::now().timestamp_millis() - i64::try_from(retain.as_millis()).unwrap_or(i64::MAX);
        cleanup_expired_logs_for(snapshot.version, self.log()?.store.as_ref(), cutoff, None)
            .await
            .map_err(delta_error(&self.name))
    }
}

/// The bytes of a commit: an action a line.
///
/// # Errors
/// [`crate::error::Error::Delta`] when an action cannot be written as JSON.
pub(super) fn commit_bytes(
    table: &str,
    change: Change,
    (before, after): (Option<&Snapshot>, &Snapshot),
) -> Result<bytes::Bytes> {
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
    // No two commits are alike, so that who finds one in his place can tell whether it is his own.
    let unique = HashMap::from([("commit".to_owned(), json!(uuid::Uuid::new_v4()))]);
    let data = CommitData::new(actions, operation, unique, Vec::new());
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

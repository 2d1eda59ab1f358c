//! An attempt: one worker's run, with a lease that it renews while it works.
//!
//! Leases are for progress, never for safety: who waits too long takes an object over, and fencing keeps the former
//! owner from publishing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::lake::{Document, Lake, SYSTEM_FOLDER};

/// How long a lease holds without being renewed.
const LEASE: TimeDelta = TimeDelta::seconds(30);

/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(10);

/// The lease of an attempt, as others see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Lease {
    expires: DateTime<Utc>,
    process: Option<Process>,
}

/// A process of this machine: its end is seen at once, without waiting for the lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Process {
    boot: String,
    namespace: String,
    id: u32,
    started: String,
}

/// One worker's run.
pub struct Attempt {
    /// The attempt's id.
    pub id: String,
    lake: Arc<Lake>,
    stop: Arc<AtomicBool>,
    renewal: Option<JoinHandle<()>>,
}

impl Attempt {
    /// Begins an attempt: writes its lease and keeps it alive until it is dropped.
    ///
    /// # Errors
    /// [`Error::Io`] when the lease cannot be written.
    pub fn begin(lake: &Arc<Lake>) -> Result<Self> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let lease = write(lake, &id, None)?;
        let stop = Arc::new(AtomicBool::new(false));
        let renewal = std::thread::spawn({
            let (lake, id, stop) = (Arc::clone(lake), id.clone(), Arc::clone(&stop));
            move || renew(&lake, (&id, lease), &stop)
        });
        Ok(Self { id, lake: Arc::clone(lake), stop, renewal: Some(renewal) })
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(renewal) = self.renewal.take() {
            renewal.thread().unpark();
            if renewal.join().is_err() {
                tracing::warn!(attempt = self.id, "the thread that renews the lease had died");
            }
        }
        if let Err(error) = self.lake.remove(&path(&self.id)) {
            tracing::warn!(attempt = self.id, error = error.chain(), "the lease is left to expire");
        }
    }
}

fn renew(lake: &Lake, (id, mut lease): (&str, Option<Document>), stop: &AtomicBool) {
    loop {
        std::thread::park_timeout(RENEWAL);
        if stop.load(Ordering::SeqCst) {
            return;
        }
        match write(lake, id, lease.as_ref()) {
            Ok(Some(renewed)) => lease = Some(renewed),
            // Somebody swept it: others may take its objects over.
            Ok(None) => lease = None,
            Err(error) => tracing::warn!(attempt = id, error = error.chain(), "the lease could not be renewed"),
        }
    }
}

/// Whether an attempt still has its lease: not expired, and its process, where it is one of this machine, alive.
///
/// # Errors
/// [`Error::Io`], [`Error::Document`].
pub fn is_alive(lake: &Lake, id: &str) -> Result<bool> {
    let path = path(id);
    let Some(document) = lake.read(&path)? else { return Ok(false) };
    let lease: Lease = serde_json::from_slice(&document.bytes).map_err(|source| Error::Document {
        path: path.into(),
        kind: "lease",
        source,
    })?;
    let here = Process::of(std::process::id());
    let dead = match (&lease.process, here) {
        (Some(theirs), Some(here)) if theirs.boot == here.boot && theirs.namespace == here.namespace => {
            Process::of(theirs.id).as_ref() != Some(theirs)
        }
        _ => false,
    };
    Ok(!dead && lease.expires > Utc::now())
}

/// The attempts that are at work.
///
/// # Errors
/// [`Error::Io`], [`Error::Document`].
pub fn living(lake: &Lake) -> Result<Vec<String>> {
    let mut living = Vec::new();
    for path in lake.documents(&folder())? {
        let id = id_of(&path);
        if is_alive(lake, id)? {
            living.push(id.to_owned());
        }
    }
    Ok(living)
}

/// Removes the leases of attempts that died.
///
/// # Errors
/// [`Error::Io`], [`Error::Document`].
pub fn sweep(lake: &Lake) -> Result<()> {
    for lease in lake.documents(&folder())? {
        if !is_alive(lake, id_of(&lease))? {
            lake.remove(&lease)?;
        }
    }
    Ok(())
}

/// Writes the lease in place of `former`; what stands then.
fn write(lake: &Lake, id: &str, former: Option<&Document>) -> Result<Option<Document>> {
    let path = path(id);
    let lease = Lease { expires: Utc::now() + LEASE, process: Process::of(std::process::id()) };
    let bytes = serde_json::to_vec(&lease).map_err(|source| Error::Document {
        path: path.clone().into(),
        kind: "lease",
        source,
    })?;
    lake.swap(&path, former, &bytes)
}

fn folder() -> String {
    format!("silver/{SYSTEM_FOLDER}/attempts")
}

fn path(id: &str) -> String {
    format!("{}/{id}.json", folder())
}

fn id_of(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_suffix(".json").unwrap_or(name)
}

impl Process {
    /// The process with an id, where the machine tells (Linux).
    fn of(id: u32) -> Option<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?.to_string_lossy().into_owned();
        let status = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // Field 22 is the start time; the second one, the name in parentheses, may hold spaces.
        let (_, rest) = status.rsplit_once(')')?;
        let state = rest.split_whitespace().next()?;
        let started = rest.split_whitespace().nth(19)?.to_owned();
        (state != "Z").then_some(Self { boot, namespace, id, started })
    }
}

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
    /// The attempt's id: that of its lease, and what tells it from others under the same lease.
    pub id: String,
    lake: Arc<Lake>,
    stop: Arc<AtomicBool>,
    renewal: Option<JoinHandle<Held>>,
}

/// A lease between two runs of one process: nobody renews it, and the next run may take it up.
pub struct Rested {
    lease: String,
    held: Held,
}

/// What a process knows of the lease that it wrote last.
#[derive(Default)]
struct Held {
    document: Option<Document>,
    expires: Option<DateTime<Utc>>,
}

impl Attempt {
    /// Begins an attempt, where one is there under the lease of a former run, and keeps the lease alive until it rests
    /// or is dropped.
    ///
    /// # Errors
    /// [`Error::Io`] when the lease cannot be written.
    pub fn begin(lake: &Arc<Lake>, rested: Option<Rested>) -> Result<Self> {
        let new = || Rested { lease: unique(LEASE_ID), held: Held::default() };
        let Rested { lease, mut held } = rested.unwrap_or_else(new);
        if held.expires.is_none_or(|expires| expires < Utc::now() + LEASE - RENEWAL) {
            held.write(lake, &lease)?;
        }
        let id = format!("{lease}{}", unique(RUN_ID));
        let stop = Arc::new(AtomicBool::new(false));
        let renewal = std::thread::spawn({
            let (lake, stop) = (Arc::clone(lake), Arc::clone(&stop));
            move || renew(&lake, (&lease, held), &stop)
        });
        Ok(Self { id, lake: Arc::clone(lake), stop, renewal: Some(renewal) })
    }

    /// Ends the attempt, which holds no object any more, and leaves its lease for the next one.
    pub fn rest(mut self) -> Option<Rested> {
        let held = self.end()?;
        Some(Rested { lease: lease_of(&self.id).to_owned(), held })
    }

    /// Stops the renewal; what it knew.
    fn end(&mut self) -> Option<Held> {
        self.stop.store(true, Ordering::SeqCst);
        let renewal = self.renewal.take()?;
        renewal.thread().unpark();
        let held = renewal.join();
        if held.is_err() {
            tracing::warn!(attempt = self.id, "the thread that renews the lease had died");
        }
        held.ok()
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.renewal.is_none() {
            return;
        }
        self.end();
        if let Err(error) = self.lake.remove(&path(&self.id)) {
            tracing::warn!(attempt = self.id, error = error.chain(), "the lease is left to expire");
        }
    }
}

fn renew(lake: &Lake, (lease, mut held): (&str, Held), stop: &AtomicBool) -> Held {
    loop {
        std::thread::park_timeout(RENEWAL);
        if stop.load(Ordering::SeqCst) {
            return held;
        }
        if let Err(error) = held.write(lake, lease) {
            tracing::warn!(lease, error = error.chain(), "the lease could not be renewed");
        }
    }
}

impl Held {
    /// Writes the lease in place of the one that stands. Where somebody swept that one, others may have taken the attempt's
    /// objects over, and a new one is written all the same.
    fn write(&mut self, lake: &Lake, lease: &str) -> Result<()> {
        let path = path(lease);
        let expires = Utc::now() + LEASE;
        let content = Lease { expires, process: Process::of(std::process::id()) };
        let bytes = serde_json::to_vec(&content).map_err(|source| Error::Document {
            path: path.clone().into(),
            kind: "lease",
            source,
        })?;
        self.document = match lake.swap(&path, self.document.as_ref(), &bytes)? {
            // Nobody else writes it: what stands is ours, of a write whose answer was lost.
            None => lake.swap(&path, lake.read(&path)?.as_ref(), &bytes)?,
            document => document,
        };
        self.expires = self.document.as_ref().map(|_| expires);
        Ok(())
    }
}

/// How many letters of an attempt's id name its lease, and how many tell it from others under the same one.
const LEASE_ID: usize = 32;
const RUN_ID: usize = 8;

fn unique(letters: usize) -> String {
    let mut id = uuid::Uuid::new_v4().simple().to_string();
    id.truncate(letters);
    id
}

/// The part of an attempt's id that names its lease.
fn lease_of(id: &str) -> &str {
    id.get(..LEASE_ID).unwrap_or(id)
}

/// What the names of an attempt's files have of its id.
pub fn mark(id: &str) -> String {
    format!("{}{}", lease_mark(id), &id[lease_of(id).len()..])
}

/// What the names of all files have that were written under an attempt's lease.
pub fn lease_mark(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
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

/// The leases of attempts that are at work, and of those that rest.
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

fn folder() -> String {
    format!("silver/{SYSTEM_FOLDER}/attempts")
}

fn path(id: &str) -> String {
    format!("{}/{}.json", folder(), lease_of(id))
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

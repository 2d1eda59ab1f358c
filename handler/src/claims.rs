//! Claims: look at a key as it is now, and claim it by a conditional write where there is something to do.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Utc};

use crate::attempt;
use crate::error::{Error, Result};
use crate::lake::{Glimpse, Lake, RawObject, Seal, both, is_ignored};
use crate::project::{OnDelete, Project};
use crate::publish::Claimed;
use crate::quarantine;
use crate::receipt::{Claim, Receipt, State, Status, Stored, object_name};
use crate::run::Run;
use crate::source::Source;
use crate::table::Tables;

/// What a look at a key found.
pub enum Look {
    /// No object, and no trace of one.
    Absent,
    /// It is what its receipt says.
    Unchanged(Box<Receipt>),
    /// The object is gone, its rows stay.
    Kept,
    /// Another worker has it.
    Held,
    /// It is ours to process.
    Claimed(Box<Claimed>),
}

/// What stands of a key: its document, and the object as it is now.
pub struct Sight {
    stored: Stored,
    object: Option<RawObject>,
}

/// The claims of one run.
pub struct Claims<'a> {
    lake: &'a Lake,
    tables: &'a Tables,
    project: &'a Project,
    attempt: &'a str,
    /// Read objects anew, once each.
    again: bool,
    /// Documents that were read and not looked at yet; who changed one meanwhile wins the swap.
    known: Mutex<HashMap<String, (Stored, Option<Glimpse>)>>,
    finished: BTreeSet<String>,
    /// The ids of tables as they were found since this run last published.
    identities: Mutex<HashMap<String, Option<String>>>,
}

impl<'a> Claims<'a> {
    /// None yet.
    pub fn new(run: &'a Run, again: bool) -> Self {
        Self {
            lake: &run.lake,
            tables: &run.tables,
            project: &run.project,
            attempt: &run.attempt.id,
            again,
            known: Mutex::default(),
            finished: BTreeSet::new(),
            identities: Mutex::default(),
        }
    }

    /// Keeps a document that was read, and what a listing showed of the object, for the look that will follow.
    pub fn remember(&self, key: &str, stored: Stored, glimpse: Option<Glimpse>) {
        locked(&self.known).insert(key.to_owned(), (stored, glimpse));
    }

    /// Notes that this run may have made tables.
    pub fn published(&self) {
        locked(&self.identities).clear();
    }

    /// Notes that a key was processed in this run.
    pub fn finish(&mut self, key: &str) {
        self.finished.insert(key.to_owned());
    }

    /// Claims a key where there is work, by what was seen of it.
    ///
    /// # Errors
    /// [`Error::Key`] for a key that may not be read; [`Error::Io`], [`Error::Document`], [`Error::Delta`].
    pub async fn claim(&self, key: &str, Sight { stored, object }: &Sight) -> Result<Look> {
        let object = object.clone();
        if is_ignored(key) {
            return Err(Error::Key {
                key: key.to_owned(),
                reason: "a segment begins with `.` or `_`: such keys are ignored".to_owned(),
            });
        }
        if let Some(claim) = stored.claim() {
            if claim.attempt != self.attempt && attempt::is_alive(self.lake, &claim.attempt)? {
                return Ok(Look::Held);
            }
            let stays = object.is_none() && self.keeps(key) && self.is_as_done(stored).await?;
            let look = self.take(key, object, stored)?;
            return Ok(match look {
                Look::Claimed(claimed) => Look::Claimed(Box::new(Claimed { stays, ..*claimed })),
                other => other,
            });
        }
        match (&object, stored.done()) {
            (None, None) => Ok(Look::Absent),
            (None, Some(done)) if done.status == Status::Withdrawn => Ok(Look::Unchanged(Box::new(done.clone()))),
            (None, Some(_)) if self.keeps(key) => Ok(Look::Kept),
            (Some(object), Some(done)) if done.version.as_deref() == Some(&object.version) => {
                let anew = self.again && !self.finished.contains(key);
                if anew || !self.holds(done).await? {
                    return self.take(key, Some(object.clone()), stored);
                }
                self.settle(object, stored)?;
                Ok(Look::Unchanged(Box::new(done.clone())))
            }
            _ => self.take(key, object, stored),
        }
    }

    /// Looks at a key as it is now.
    ///
    /// # Errors
    /// [`Error::Key`], [`Error::Io`], [`Error::Document`].
    pub fn see(&self, key: &str) -> Result<Sight> {
        let known = locked(&self.known).remove(key);
        let (stored, glimpse) = match known {
            Some(known) => known,
            None if self.lake.is_local() => (Stored::read(self.lake, key)?, None),
            None => {
                let (stored, object) = both(|| Stored::read(self.lake, key), || self.lake.look(key, None));
                let (stored, object) = (stored?, object?);
                let version = object.as_ref().map(|object| object.version.as_str());
                let agree = stored.done().is_none_or(|done| done.version.as_deref() == version);
                // Where they do not, the object may have been seen before the receipt was written: it must be the newer one.
                return Ok(Sight { stored, object: if agree { object } else { self.lake.look(key, None)? } });
            }
        };
        let object = match (glimpse, stored.seen()) {
            (Some(glimpse), Some(seen)) if glimpse.shows(seen) => stored.done().and_then(as_seen),
            (_, seen) => self.lake.look(key, seen)?,
        };
        Ok(Sight { stored, object })
    }

    /// A file that was too young for its time to stand for its content is so no longer: the next look is quick. Who
    /// changed the receipt meanwhile knows better.
    fn settle(&self, object: &RawObject, stored: &Stored) -> Result<()> {
        let Some(done) = stored.done().filter(|done| done.stamp.as_ref() != Some(&object.stamp)) else { return Ok(()) };
        if object.stamp.settled {
            let receipt = Receipt { stamp: Some(object.stamp.clone()), ..done.clone() };
            stored.swap(self.lake, State { key: object.key.clone(), claim: None, done: Some(receipt) })?;
        }
        Ok(())
    }

    /// Whether the rows of a removed object stay.
    pub fn keeps(&self, key: &str) -> bool {
        Source::of_key(self.project, key).map_or(OnDelete::Keep, |source| source.on_delete()) == OnDelete::Keep
    }

    /// Whether the tables that the receipt names are still the same ones.
    async fn holds(&self, done: &Receipt) -> Result<bool> {
        for entry in &done.silver {
            if self.identity(&format!("silver/{}", entry.table)).await?.as_ref() != Some(&entry.id) {
                return Ok(false);
            }
        }
        Ok(done.quarantined == 0 || self.identity(quarantine::PATH).await?.is_some())
    }

    async fn identity(&self, table: &str) -> Result<Option<String>> {
        let known = locked(&self.identities).get(table).cloned();
        if let Some(identity) = known {
            return Ok(identity);
        }
        let identity = self.tables.table(table).identity().await?.map(|(id, _)| id);
        locked(&self.identities).insert(table.to_owned(), identity.clone());
        Ok(identity)
    }

    /// Whether the tables are as the last receipt says: the attempt that died after it has published nothing.
    async fn is_as_done(&self, stored: &Stored) -> Result<bool> {
        let (Some(claim), Some(done)) = (stored.claim(), stored.done()) else { return Ok(false) };
        let beginning = format!("{}-{}-", object_name(&done.key), attempt::mark(&claim.attempt));
        for table in claim.tables.iter().map(String::as_str).chain([quarantine::PATH]) {
            let snapshot = self.tables.load(table).await?;
            let files = snapshot.as_ref().map_or(&[][..], |snapshot| &snapshot.files);
            if files.iter().any(|file| file.path.contains(&beginning)) {
                return Ok(false);
            }
        }
        Ok(done.status != Status::Withdrawn)
    }

    fn take(&self, key: &str, object: Option<RawObject>, stored: &Stored) -> Result<Look> {
        let (started_at, since) = (Utc::now(), Instant::now());
        let taken_over = stored.claim().is_some();
        let mut tables: BTreeSet<String> = stored.claim().into_iter().flat_map(|claim| claim.tables.clone()).collect();
        tables.extend(Source::of_key(self.project, key).map(|source| source.tables()).unwrap_or_default());
        let claim = Claim { attempt: self.attempt.to_owned(), tables: tables.into_iter().collect() };
        let state = State { key: key.to_owned(), claim: Some(claim), done: stored.done().cloned() };
        Ok(match stored.swap(self.lake, state)? {
            Some(stored) => {
                let key = key.to_owned();
                Look::Claimed(Box::new(Claimed { object, key, stored, taken_over, stays: false, started_at, since }))
            }
            None => Look::Held,
        })
    }
}

/// The object as a receipt says that it was seen.
fn as_seen(done: &Receipt) -> Option<RawObject> {
    let (version, stamp) = (done.version.clone()?, done.stamp.clone()?);
    let modified = DateTime::from_timestamp_nanos(stamp.modified_ns);
    Some(RawObject { key: done.key.clone(), version, modified, stamp, seal: Seal::Unknown })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

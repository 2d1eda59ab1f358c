//! Plan: what an ingest would do, without doing or claiming anything (`--dry-run`, `reconcile --enqueue`).
//!
//! A walk costs two listings and one small document for each object that has one: of many keys no more is held than
//! their names.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use crate::attempt;
use crate::error::Result;
use crate::ingest::Request;
use crate::lake::{Glimpse, Lake, Listing, parallel};
use crate::project::{OnDelete, Project};
use crate::receipt::{self, Receipt, Status, Stored};
use crate::source::Source;

/// What a run would do with a key.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Planned {
    /// The key.
    pub key: String,
    /// `read`, `again` (it was made under an older contract), `finish` (a run died at it) or `withdraw`.
    pub action: &'static str,
    /// The tables that it concerns, as `silver/name`.
    pub tables: Vec<String>,
}

/// Looks at keys without touching anything.
struct Planner<'a> {
    lake: &'a Lake,
    project: &'a Project,
    again: bool,
    older: bool,
    glimpses: HashMap<String, Glimpse>,
    /// The present fingerprint of each source, by table.
    fingerprints: Mutex<HashMap<String, String>>,
}

/// What [`crate::ingest::ingest`] would do, without doing or claiming anything. `older`: objects that were made under an
/// older contract, too.
///
/// # Errors
/// [`crate::error::Error::Io`], [`crate::error::Error::S3`], [`crate::error::Error::Document`];
/// [`crate::error::Error::Key`] for a key that may not be read.
pub fn plan(lake: &Lake, project: &Project, (request, older): (&Request, bool)) -> Result<Vec<Planned>> {
    let (again, fingerprints) = (request.again, Mutex::default());
    let mut planner = Planner { lake, project, again, older, glimpses: HashMap::new(), fingerprints };
    let mut plan = Vec::new();
    if request.keys.is_empty() {
        let Listing { keys, glimpses, .. } = lake.keys()?;
        planner.glimpses = glimpses;
        let mut receipts: BTreeSet<String> = lake.documents(&receipt::folder())?.into_iter().collect();
        let (known, new): (Vec<String>, Vec<String>) =
            keys.into_iter().partition(|key| receipts.remove(&receipt::path(key)));
        plan.extend(new.into_iter().map(|key| planner.planned(key, "read")));
        plan.extend(planner.look_at(&known, |key| Stored::read(lake, key))?);
        // Those that are left tell of objects that are gone.
        let gone: Vec<String> = receipts.into_iter().collect();
        plan.extend(planner.look_at(&gone, |path| Stored::read_path(lake, path.clone()))?);
    } else {
        let keys: BTreeSet<&String> = request.keys.iter().collect();
        let keys: Vec<String> = keys.into_iter().cloned().collect();
        plan.extend(planner.look_at(&keys, |key| Stored::read(lake, key))?);
    }
    plan.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(plan)
}

impl Planner<'_> {
    fn look_at(&self, names: &[String], read: impl Fn(&String) -> Result<Stored> + Sync) -> Result<Vec<Planned>> {
        let look = |name: &String| {
            let stored = read(name)?;
            let key = stored.state.as_ref().map_or(name, |state| &state.key);
            Ok(self.action(key, &stored)?.map(|action| self.planned(key.clone(), action)))
        };
        let planned: Result<Vec<Option<Planned>>> = parallel(self.lake.width(), names, look).into_iter().collect();
        Ok(planned?.into_iter().flatten().collect())
    }

    fn action(&self, key: &str, stored: &Stored) -> Result<Option<&'static str>> {
        if let Some(claim) = stored.claim() {
            return Ok((!attempt::is_alive(self.lake, &claim.attempt)?).then_some("finish"));
        }
        let Some(done) = stored.done() else {
            return Ok(self.lake.look(key, None)?.map(|_| "read"));
        };
        let seen = stored.seen();
        let shown = self.glimpses.get(key).zip(seen).is_some_and(|(glimpse, seen)| glimpse.shows(seen));
        let version =
            if shown { done.version.clone() } else { self.lake.look(key, seen)?.map(|object| object.version) };
        Ok(match version {
            None => self.withdraws(key, done).then_some("withdraw"),
            same if same == done.version && !self.again => (self.older && self.is_older(key, done)).then_some("again"),
            Some(_) => Some("read"),
        })
    }

    fn withdraws(&self, key: &str, done: &Receipt) -> bool {
        done.status != Status::Withdrawn
            && Source::of_key(self.project, key).is_ok_and(|source| source.on_delete() == OnDelete::Withdraw)
    }

    fn is_older(&self, key: &str, done: &Receipt) -> bool {
        let Ok(source) = Source::of_key(self.project, key) else { return false };
        let mut fingerprints = self.fingerprints.lock().unwrap_or_else(PoisonError::into_inner);
        let present = fingerprints.entry(source.table.clone()).or_insert_with(|| source.fingerprint(self.project));
        *present != done.contract
    }

    fn planned(&self, key: String, action: &'static str) -> Planned {
        let tables = Source::of_key(self.project, &key).map(|source| source.tables()).unwrap_or_default();
        Planned { key, action, tables }
    }
}

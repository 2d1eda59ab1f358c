//! Plan: what an ingest would do, without doing or claiming anything (`--dry-run`).

use std::collections::BTreeSet;

use crate::error::Result;
use crate::ingest::Request;
use crate::lake::Lake;
use crate::project::{OnDelete, Project};
use crate::receipt::{self, Status, Stored};
use crate::source::Source;

/// What a run would do with a key.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Planned {
    /// The key.
    pub key: String,
    /// `read` or `withdraw`.
    pub action: &'static str,
    /// The tables that it concerns, as `silver/name`.
    pub tables: Vec<String>,
}

/// What [`crate::ingest::ingest`] would do, without doing or claiming anything.
///
/// # Errors
/// [`crate::error::Error::Io`], [`crate::error::Error::Document`]; [`crate::error::Error::Key`] for a key that may not be read.
pub fn plan(lake: &Lake, project: &Project, request: &Request) -> Result<Vec<Planned>> {
    let mut keys: BTreeSet<String> = request.keys.iter().cloned().collect();
    if keys.is_empty() {
        keys.extend(lake.keys()?.keys);
        keys.extend(receipt::all(lake)?.into_iter().filter_map(|stored| stored.state).map(|state| state.key));
    }
    let mut plan = Vec::new();
    for key in keys {
        let stored = Stored::read(lake, &key)?;
        let object = lake.look(&key, stored.seen())?;
        let source = Source::of_key(project, &key).unwrap_or_else(Source::refused);
        let action = match (&object, stored.done()) {
            (Some(object), Some(done)) if done.version.as_deref() == Some(&object.version) && !request.again => {
                continue;
            }
            (Some(_), _) => "read",
            (None, Some(done)) if done.status != Status::Withdrawn && source.on_delete() == OnDelete::Withdraw => {
                "withdraw"
            }
            (None, _) => continue,
        };
        plan.push(Planned { key, action, tables: source.tables() });
    }
    Ok(plan)
}

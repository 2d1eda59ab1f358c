//! Reconcile: the same walk as without an event, for what events did not tell: those that were lost, runs that were
//! killed, removed objects, contracts that changed.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::error::{Error, Result};
use crate::event::ByHand;
use crate::ingest::{Progress, Request, Summary, ingest};
use crate::plan::Planned;
use crate::queue::{BATCH, Queue};
use crate::run::Run;

/// Requests to the queue that are under way at once.
const LANES: usize = 8;

/// Ingests what was missed or has changed, then, if asked, reads anew what was made under an older contract: a changed
/// stored type is staged and swapped in one commit.
///
/// # Errors
/// As [`ingest`].
pub async fn reconcile(run: &Run, contract: bool, progress: &dyn Progress) -> Result<Vec<Summary>> {
    let missed = ingest(run, &Request::default(), progress).await?;
    let older = missed.older.clone();
    let mut summaries = vec![missed];
    if contract && !older.is_empty() {
        let request = Request { keys: older, again: true, arriving: true, ..Request::default() };
        summaries.push(ingest(run, &request, progress).await?);
    }
    Ok(summaries)
}

/// Sends a message for each key, as S3 would have done, so that each goes its own way.
///
/// # Errors
/// [`Error::Queue`]. Messages that were sent are no harm: they are looks at keys.
pub async fn enqueue(plan: &[Planned], queue: &Queue) -> Result<()> {
    let batches = plan.chunks(BATCH).map(|planned| async move {
        let bodies: Vec<String> = planned.iter().map(|planned| body(&planned.key)).collect::<Result<_>>()?;
        queue.send(&bodies).await
    });
    stream::iter(batches).buffer_unordered(LANES).try_collect().await
}

fn body(key: &str) -> Result<String> {
    let request = ByHand::Keys(BTreeSet::from([key.to_owned()]));
    serde_json::to_string(&request).map_err(|source| Error::Document { path: key.into(), kind: "request", source })
}

//! Commands beside the function: what events did not tell, and what lies in its queues.

use std::path::PathBuf;

use chrono::Utc;
use clap::Args;

use super::{LakeArgument, World, existing, load_or_empty, progress, say, tell};
use crate::error::{Error, Result};
use crate::ingest::Request;
use crate::plan;
use crate::queue::Queue;
use crate::reconcile;
use crate::replay::{self, Replayed};
use crate::report;
use crate::run::Run;

/// `pintail reconcile`.
#[derive(Debug, Args)]
pub(super) struct ReconcileArguments {
    #[command(flatten)]
    lake: LakeArgument,
    /// The project's folder; without one the zero-configuration rules apply to all
    #[arg(long)]
    project: Option<PathBuf>,
    /// Read anew what was made under an older contract, too; only here, since a changed type is swapped in one commit
    #[arg(long, conflicts_with = "enqueue")]
    contract: bool,
    /// Only say what would be read
    #[arg(long, conflicts_with = "enqueue")]
    dry_run: bool,
    /// Send the keys to this queue, by its URL, instead of reading them here
    #[arg(long)]
    enqueue: Option<String>,
    /// One object per line, as JSON, and nothing else
    #[arg(long)]
    json: bool,
}

/// Ingests what events did not tell, or says or sends which keys that are.
pub(super) async fn reconcile(arguments: ReconcileArguments, world: &mut World<'_>) -> Result<u8> {
    let started_at = Utc::now();
    let project = load_or_empty(arguments.project.as_deref(), world, started_at)?;
    let lake = existing(&arguments.lake.lake, world)?;
    if arguments.dry_run || arguments.enqueue.is_some() {
        let plan = plan::plan(&lake, &project, (&Request::default(), arguments.contract))?;
        if let Some(url) = &arguments.enqueue {
            reconcile::enqueue(&plan, &Queue::open(url).await).await?;
        }
        let text = if arguments.json { report::planned_json(&plan)? } else { report::planned(&plan) };
        return say(world, &text).map(|()| 0);
    }
    let run = Run::begin(lake, project, world.settings.clone(), started_at)?;
    let summaries = reconcile::reconcile(&run, arguments.contract, &*progress(arguments.json)).await?;
    summaries.iter().try_for_each(|summary| tell(summary, arguments.json, world))?;
    Ok(u8::from(summaries.iter().any(crate::ingest::Summary::has_failures)))
}

/// `pintail replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayArguments {
    /// URL of the dead-letter queue
    #[arg(long)]
    from: String,
    /// URL of the queue that the function reads
    #[arg(long, required_unless_present = "dry_run")]
    to: Option<String>,
    /// How many messages at most
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
    max: usize,
    /// Only show what is there
    #[arg(long)]
    dry_run: bool,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Shows what lies in a dead-letter queue and sends it through again; 1 where something cannot be read.
pub(super) async fn replay(arguments: ReplayArguments, world: &mut World<'_>) -> Result<u8> {
    let dead = Queue::open(&arguments.from).await;
    let source = match &arguments.to {
        Some(url) if !arguments.dry_run => Some(Queue::open(url).await),
        _ => None,
    };
    let replayed: Replayed = replay::replay(&dead, source.as_ref(), arguments.max).await?;
    let text = if arguments.json { as_json(&replayed)? } else { replayed.to_string() };
    say(world, &text)?;
    Ok(u8::from(replayed.letters.iter().any(|letter| letter.unreadable.is_some())))
}

fn as_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|source| Error::Document { path: "report".into(), kind: "JSON", source })
}

//! Commands that work on queues.

use clap::Args;

use super::{World, say};
use crate::error::{Error, Result};
use crate::queue::Queue;
use crate::replay::{self, Replayed};

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

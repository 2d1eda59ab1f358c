//! Groups: requests that share one ingest, and what became of each.
//!
//! Messages that come for the first time share one. A message that came back is alone in its own, after the others, so
//! that a file that kills the process does not take its neighbours along twice. Those that came most often come first:
//! they are next to the dead-letter queue, and what has no end takes its time from those that have more tries left.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::error::{Class, Result};
use crate::event::{Asked, Message};
use crate::ingest::Summary;
use crate::lake::Lake;
use crate::receipt::{GoldEntry, GoldStatus};

use super::Failure;

/// A request of a group.
#[derive(Debug)]
pub(super) struct Part {
    /// The message's id; empty for a request that came directly.
    pub(super) id: String,
    /// What it asks for.
    pub(super) asked: Asked,
}

/// A request whose keys are all known.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// The keys to look at.
    pub(super) keys: BTreeSet<String>,
    /// Whether gold is to be refreshed though there is no key.
    pub(super) refresh: bool,
}

/// The groups of a batch in the order in which they are served, and the messages that nobody can read.
pub(super) fn groups(messages: Vec<Message>) -> (Vec<Vec<Part>>, Vec<(String, Failure)>) {
    let (mut fresh, mut returned, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    for Message { id, receives, asked } in messages {
        match asked {
            Err(error) => unreadable.push((id, Failure::from(error))),
            Ok(asked) if receives > 1 => returned.push((receives, vec![Part { id, asked }])),
            Ok(asked) => fresh.push(Part { id, asked }),
        }
    }
    returned.sort_by_key(|(receives, _)| Reverse(*receives));
    let returned = returned.into_iter().map(|(_, group)| group);
    let groups = std::iter::once(fresh).chain(returned).filter(|group| !group.is_empty());
    (groups.collect(), unreadable)
}

impl Wanted {
    /// Lists the keys where a request names only their beginning.
    pub(super) fn of(asked: &Asked, lake: &Lake) -> Result<Self> {
        Ok(match asked {
            Asked::Keys(keys) => Self { keys: keys.clone(), refresh: false },
            Asked::Prefix(prefix) => {
                let keys = lake.keys()?.keys.into_iter().filter(|key| key.starts_with(prefix));
                Self { keys: keys.collect(), refresh: false }
            }
            Asked::Refresh => Self { keys: BTreeSet::new(), refresh: true },
        })
    }

    /// Why the request may not be acknowledged. A gold table that is withheld has its verdict: that is no failure.
    pub(super) fn failure(&self, summary: &Summary) -> Option<Failure> {
        let troubles = summary.troubles.iter().filter(|trouble| self.keys.contains(&trouble.key)).map(Failure::from);
        let receipts = summary.receipts.iter().filter(|receipt| self.keys.contains(&receipt.key));
        let below: BTreeSet<&str> = receipts.flat_map(|receipt| &receipt.gold).filter_map(failed).collect();
        let concerns = |entry: &&GoldEntry| self.refresh || below.contains(entry.table.as_str());
        let gold = summary.gold.iter().filter(concerns).filter(|entry| failed(entry).is_some()).map(|entry| Failure {
            class: if entry.is_too_large { Class::Permanent } else { Class::Retryable },
            kind: if entry.is_too_large { "TooLarge" } else { "Gold" },
            reason: format!("gold.{}: {}", entry.table, entry.reason.as_deref().unwrap_or_default()),
        });
        Failure::of_all(&troubles.chain(gold).collect::<Vec<_>>())
    }
}

fn failed(entry: &GoldEntry) -> Option<&str> {
    (entry.status == GoldStatus::Failed).then_some(entry.table.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::ingest::Trouble;

    fn wanted(keys: &[&str]) -> Wanted {
        Wanted { keys: keys.iter().map(|key| (*key).to_owned()).collect(), refresh: false }
    }

    fn message(id: &str, receives: u64, asked: Result<Asked>) -> Message {
        Message { id: id.to_owned(), receives, asked }
    }

    #[test]
    fn messages_that_came_back_are_alone_and_last_and_those_with_the_fewest_tries_left_first() {
        let asked = || Ok(Asked::Prefix(String::new()));
        let poison = Err(Error::Event { reason: "no JSON".to_owned() });
        let messages = vec![
            message("back", 2, asked()),
            message("a", 1, asked()),
            message("poison", 1, poison),
            message("back too", 2, asked()),
            message("last try", 4, asked()),
            message("b", 1, asked()),
        ];
        let (groups, unreadable) = groups(messages);
        let ids: Vec<Vec<&str>> =
            groups.iter().map(|group| group.iter().map(|part| part.id.as_str()).collect()).collect();
        assert_eq!(ids, [vec!["a", "b"], vec!["last try"], vec!["back"], vec!["back too"]]);
        let told: Vec<_> = unreadable.iter().map(|(id, failure)| (id.as_str(), failure.error_type())).collect();
        assert_eq!(told, [("poison", "Permanent.Event".to_owned())]);
    }

    #[test]
    fn a_request_fails_by_its_own_keys_only() {
        let trouble = Trouble {
            key: "a/1.csv".to_owned(),
            class: Class::Retryable,
            kind: "Io",
            reason: "read a/1.csv".to_owned(),
        };
        let summary = Summary { troubles: vec![trouble], ..Summary::default() };
        assert_eq!(
            wanted(&["a/1.csv", "a/2.csv"]).failure(&summary).map(|failure| failure.reason),
            Some("read a/1.csv".to_owned())
        );
        assert_eq!(wanted(&["a/2.csv"]).failure(&summary), None);
    }

    #[test]
    fn a_refresh_fails_by_a_table_that_failed_and_not_by_one_that_is_withheld() {
        let entry = |status| GoldEntry { reason: Some("why".to_owned()), ..GoldEntry::new("days", None, status) };
        let failure = |status| {
            let summary = Summary { gold: vec![entry(status)], ..Summary::default() };
            Wanted { refresh: true, ..Wanted::default() }.failure(&summary).map(|failure| failure.reason)
        };
        assert_eq!(failure(GoldStatus::Failed), Some("gold.days: why".to_owned()));
        assert_eq!(failure(GoldStatus::Withheld), None);
    }
}

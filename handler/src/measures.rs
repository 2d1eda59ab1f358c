//! Measures: what a run cost, beside what its receipts tell.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a run cost.
#[derive(Debug, Default)]
pub struct Measures {
    /// Commits that another writer won.
    pub conflicts: u64,
    /// Bytes of the data files that were published.
    pub bytes_out: u64,
    /// How long each step of the way took, in all.
    pub steps: BTreeMap<&'static str, Duration>,
}

impl Measures {
    /// Adds how long a step took.
    pub fn step(&mut self, step: &'static str, duration: Duration) {
        *self.steps.entry(step).or_default() += duration;
    }

    /// Adds what another run, or another part of one, cost.
    pub fn add(&mut self, other: &Self) {
        self.conflicts += other.conflicts;
        self.bytes_out += other.bytes_out;
        for (step, duration) in &other.steps {
            *self.steps.entry(step).or_default() += *duration;
        }
    }
}

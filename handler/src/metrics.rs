//! Metrics: what an invocation did, as lines in CloudWatch's embedded metric format. CloudWatch makes metrics of them
//! in the namespace `Pintail` without a call from here.
//!
//! Every metric has the dimension `Function`, so that the stages of one account do not mix. A line per source carries what
//! is counted per file, with and without the dimension `Source`, so that the sum over the sources is a metric of its own.
//! One line carries the rest, one line per step its duration.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::ingest::Summary;
use crate::measures::Measures;
use crate::receipt::{GoldStatus, Receipt, Status};

/// The namespace of all metrics.
pub const NAMESPACE: &str = "Pintail";

/// What is counted per file.
#[derive(Debug, Default)]
struct Count {
    files: u64,
    records: u64,
    accepted: u64,
    quarantined: u64,
    failed: u64,
    bytes_in: u64,
}

/// What one invocation did.
#[derive(Debug, Default)]
pub struct Metrics {
    sources: BTreeMap<String, Count>,
    /// Gold tables that are withheld, by the last look at each.
    withheld: BTreeMap<String, bool>,
    unreadable: u64,
    measures: Measures,
}

impl Metrics {
    /// Counts what an ingest did.
    pub fn add(&mut self, summary: &Summary) {
        for receipt in summary.receipts.iter().filter(|receipt| receipt.status != Status::Unchanged) {
            self.sources.entry(receipt.source.clone()).or_default().add(receipt);
        }
        let withheld = summary.gold.iter().map(|entry| (entry.table.clone(), entry.status == GoldStatus::Withheld));
        self.withheld.extend(withheld);
        self.measures.add(&summary.measures);
    }

    /// Counts messages that nobody can read.
    pub fn unreadable(&mut self, messages: usize) {
        self.unreadable += messages as u64;
    }

    /// Adds how long a step took.
    pub fn step(&mut self, step: &'static str, duration: Duration) {
        self.measures.step(step, duration);
    }

    /// Writes the lines.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, out: &mut dyn Write, invocation: &Told<'_>, now: DateTime<Utc>) -> Result<()> {
        let mut lines: Vec<Line> = self.sources.iter().map(|(source, files)| files.line(source)).collect();
        lines.push(self.line(invocation.cold));
        lines.extend(self.measures.steps.iter().map(|(step, duration)| step_line(step, *duration)));
        for line in lines {
            writeln!(out, "{}", line.told(invocation, now)).map_err(Error::io("write", "standard output"))?;
        }
        Ok(())
    }

    fn line(&self, cold: bool) -> Line {
        let withheld = self.withheld.values().filter(|withheld| **withheld).count() as u64;
        let total = |of: fn(&Count) -> u64| self.sources.values().map(of).sum::<u64>();
        let (quarantined, records) = (total(|count| count.quarantined), total(|count| count.records));
        #[expect(clippy::cast_precision_loss, reason = "a share of records")]
        let percent = quarantined as f64 * 100.0 / records.max(1) as f64;
        let share = (records > 0).then(|| ("QuarantinedPercent", "Percent", json!(percent)));
        let counts = [
            ("Withheld", COUNT, withheld),
            ("Unreadable", COUNT, self.unreadable),
            ("BytesOut", BYTES, self.measures.bytes_out),
            ("CommitConflicts", COUNT, self.measures.conflicts),
            ("ColdStart", COUNT, u64::from(cold)),
        ];
        let counts = counts.map(|(name, unit, count)| (name, unit, json!(count)));
        let metrics = counts.into_iter().chain(share).collect();
        Line { dimensions: vec![vec![FUNCTION]], dimension: None, metrics }
    }
}

impl Count {
    fn add(&mut self, receipt: &Receipt) {
        self.files += 1;
        self.records += receipt.records;
        self.accepted += receipt.accepted;
        self.quarantined += receipt.quarantined;
        self.failed += u64::from(receipt.status == Status::Failed);
        self.bytes_in += receipt.bytes;
    }

    fn line(&self, source: &str) -> Line {
        // CloudWatch takes no empty value of a dimension (such are keys that no table can take), and ASCII alone.
        let source = if source.is_empty() { "none".to_owned() } else { source.escape_default().to_string() };
        Line {
            dimensions: vec![vec![FUNCTION], vec![FUNCTION, "Source"]],
            dimension: Some(("Source", source)),
            metrics: vec![
                ("Files", COUNT, json!(self.files)),
                ("Records", COUNT, json!(self.records)),
                ("Accepted", COUNT, json!(self.accepted)),
                ("Quarantined", COUNT, json!(self.quarantined)),
                ("Failed", COUNT, json!(self.failed)),
                ("BytesIn", BYTES, json!(self.bytes_in)),
            ],
        }
    }
}

fn step_line(step: &str, duration: Duration) -> Line {
    Line {
        dimensions: vec![vec![FUNCTION, "Step"]],
        dimension: Some(("Step", step.to_owned())),
        metrics: vec![("Duration", "Milliseconds", json!(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))],
    }
}

const COUNT: &str = "Count";
const BYTES: &str = "Bytes";

const FUNCTION: &str = "Function";

/// The invocation that is told of.
pub struct Told<'a> {
    /// The function's name.
    pub function: &'a str,
    /// The request's id.
    pub request: &'a str,
    /// Whether it was the first of its process.
    pub cold: bool,
}

/// One line of the format.
struct Line {
    dimensions: Vec<Vec<&'static str>>,
    dimension: Option<(&'static str, String)>,
    metrics: Vec<(&'static str, &'static str, Value)>,
}

impl Line {
    fn told(self, invocation: &Told<'_>, now: DateTime<Utc>) -> Value {
        let definitions: Vec<Value> =
            self.metrics.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
        let mut line = Map::new();
        let directive = json!({"Namespace": NAMESPACE, "Dimensions": self.dimensions, "Metrics": definitions});
        line.insert("_aws".into(), json!({"Timestamp": now.timestamp_millis(), "CloudWatchMetrics": [directive]}));
        line.insert("requestId".into(), invocation.request.into());
        line.insert(FUNCTION.into(), invocation.function.into());
        line.extend(self.dimension.map(|(name, value)| (name.to_owned(), value.into())));
        line.extend(self.metrics.into_iter().map(|(name, _, value)| (name.to_owned(), value)));
        Value::Object(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_each_of_its_numbers_is() {
        let mut metrics = Metrics::default();
        let files = Count { files: 2, records: 10, accepted: 7, quarantined: 3, failed: 0, bytes_in: 512 };
        metrics.sources.insert("läden.orders".to_owned(), files);
        metrics.withheld.extend([("a".to_owned(), true), ("b".to_owned(), false)]);
        metrics.measures =
            Measures { conflicts: 4, bytes_out: 99, steps: [("convert", Duration::from_micros(1_700))].into() };
        let mut out = Vec::new();
        let now = DateTime::from_timestamp_millis(1_764_064_800_000).unwrap();
        let invocation = Told { function: "lake", request: "request-1", cold: true };
        metrics.write(&mut out, &invocation, now).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), include_str!("metrics/expected.jsonl"));
    }
}

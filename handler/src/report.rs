//! Reports: what people read of a run, and the lines that programs read.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use arrow::datatypes::SchemaRef;
use indicatif::{ProgressBar, ProgressStyle};
use records::Passed;

use crate::error::{Error, Result};
use crate::ingest::{Progress, Summary};
use crate::plan::Planned;
use crate::project::Project;
use crate::query::TableEntry;
use crate::receipt::{GoldEntry, GoldStatus, Receipt, Status, Stored};
use crate::vacuum;

/// A bar on a terminal's stderr.
pub struct Bars(ProgressBar);

impl Bars {
    /// A bar that knows of no work yet.
    pub fn new() -> Self {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} files  {per_sec}  {wide_msg}");
        Self(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }
}

impl Default for Bars {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress for Bars {
    fn expect(&self, objects: usize) {
        self.0.inc_length(objects as u64);
    }

    fn finish(&self, receipt: &Receipt) {
        self.0.inc(1);
        self.0.set_message(receipt.key.clone());
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// No progress: for pipes.
pub struct Silent;

impl Progress for Silent {
    fn expect(&self, _: usize) {}
    fn finish(&self, _: &Receipt) {}
}

/// One receipt per line.
///
/// # Errors
/// [`Error::Document`] when a receipt cannot be written as JSON.
pub fn json_lines(summary: &Summary) -> Result<String> {
    let line = |receipt: &Receipt| {
        serde_json::to_string(receipt).map_err(|source| Error::Document {
            path: receipt.key.clone().into(),
            kind: "receipt",
            source,
        })
    };
    let lines: Result<Vec<String>> = summary.receipts.iter().map(line).collect();
    Ok(lines?.join("\n"))
}

/// A run as a person reads it: a line per file, then the tables.
pub fn summary(summary: &Summary) -> String {
    let mut text = String::new();
    let width = summary.receipts.iter().map(|receipt| receipt.key.len()).max().unwrap_or(0).min(60);
    for receipt in &summary.receipts {
        let _ = writeln!(text, "{:<width$}  {}", receipt.key, told(receipt));
    }
    let total = |of: fn(&Receipt) -> u64| summary.receipts.iter().map(of).sum::<u64>();
    let (records, accepted, quarantined) = (total(|r| r.records), total(|r| r.accepted), total(|r| r.quarantined));
    let (files, records) = (counted(summary.receipts.len() as u64, "file"), counted(records, "record"));
    let _ = write!(text, "{files}: {records} = {accepted} accepted + {quarantined} quarantined");
    let _ = writeln!(text, "; {} unchanged, {} ignored", summary.unchanged, summary.ignored);
    for entry in &summary.gold {
        let version = entry.version.map_or("never published".to_owned(), |version| format!("version {version}"));
        let _ = match (entry.status, &entry.reason) {
            (GoldStatus::Withheld, Some(reason)) => {
                writeln!(text, "gold.{}: withheld ({version} stands): {}", entry.table, first_line(reason))
            }
            (GoldStatus::Failed, Some(reason)) => {
                writeln!(text, "gold.{}: FAILED: {}", entry.table, first_line(reason))
            }
            (GoldStatus::Refreshed, _) => writeln!(text, "gold.{}: refreshed, {version}", entry.table),
            _ => writeln!(text, "gold.{}: fresh, {version}", entry.table),
        };
        for warning in &entry.warnings {
            let _ = writeln!(text, "  warning: {warning}");
        }
    }
    for (table, differences) in &summary.differences {
        let _ = writeln!(
            text,
            "note: silver.{table} keeps its stored types until `ingest --again`: {}",
            differences.join(", ")
        );
    }
    if !summary.older.is_empty() {
        let files = counted(summary.older.len() as u64, "file");
        let keys = some(&summary.older);
        let _ =
            writeln!(text, "note: made under an older contract (`ingest --again` reads them anew), {files}: {keys}");
    }
    if !summary.kept.is_empty() {
        let files = counted(summary.kept.len() as u64, "file");
        let _ = writeln!(text, "note: gone, and their rows are kept, {files}: {}", some(&summary.kept));
    }
    text
}

/// The gold tables that do not stand as they should, a line each: receipts tell only of those below their objects.
pub fn gold_troubles(summary: &Summary) -> Vec<String> {
    let troubled = |entry: &&GoldEntry| matches!(entry.status, GoldStatus::Withheld | GoldStatus::Failed);
    let told = |entry: &GoldEntry| {
        let status = format!("{:?}", entry.status).to_lowercase();
        format!("gold.{} is {status}: {}", entry.table, first_line(entry.reason.as_deref().unwrap_or_default()))
    };
    summary.gold.iter().filter(troubled).map(told).collect()
}

/// DuckDB's messages go on with candidates and the place in the SQL; receipts and verdicts keep them whole.
fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn some(keys: &[String]) -> String {
    let shown = keys.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    if keys.len() > 5 { format!("{shown} ...") } else { shown }
}

fn told(receipt: &Receipt) -> String {
    let mut text = match receipt.status {
        Status::Failed => return format!("FAILED: {}", first_line(receipt.error.as_deref().unwrap_or_default())),
        Status::Unchanged => return "unchanged".to_owned(),
        Status::Withdrawn => return "withdrawn: the file is gone, and its rows with it".to_owned(),
        Status::Quarantined => format!("quarantined, {}", counted(receipt.quarantined, "record")),
        Status::Ingested => counted(receipt.records, "record"),
    };
    if receipt.status == Status::Ingested && receipt.quarantined > 0 {
        let _ = write!(text, ", {} quarantined", receipt.quarantined);
    }
    if !receipt.passed.is_nothing() {
        let _ = write!(text, "; no records: {}", passed_over(receipt.passed).join(", "));
    }
    for (test, rows) in &receipt.warnings {
        let _ = write!(text, "; warning: {test} fails for {rows}");
    }
    if let Some(error) = &receipt.error {
        let _ = write!(text, ": {}", first_line(error));
    }
    text
}

/// The lines of an object that are no records, by their kind.
fn passed_over(passed: Passed) -> Vec<String> {
    let kinds = [
        (passed.preamble_lines, "preamble line"),
        (passed.comment_lines, "comment line"),
        (passed.blank_lines, "blank line"),
        (passed.repeated_headers, "repeated header"),
    ];
    kinds.into_iter().filter(|(count, _)| *count > 0).map(|(count, kind)| counted(count, kind)).collect()
}

/// What `--dry-run` found, a line per key.
pub fn planned(plan: &[Planned]) -> String {
    if plan.is_empty() {
        return "nothing to read".to_owned();
    }
    plan.iter()
        .map(|planned| format!("{}: {} -> {}", planned.key, planned.action, planned.tables.join(", ")))
        .collect::<Vec<_>>()
        .join("\n")
}

/// What `--dry-run` found, as JSON lines.
///
/// # Errors
/// [`Error::Document`].
pub fn planned_json(plan: &[Planned]) -> Result<String> {
    let line = |planned: &Planned| {
        serde_json::to_string(planned).map_err(|source| Error::Document {
            path: planned.key.clone().into(),
            kind: "plan",
            source,
        })
    };
    Ok(plan.iter().map(line).collect::<Result<Vec<_>>>()?.join("\n"))
}

/// What `check` found.
pub fn checked(project: &Project, wrong: &[Error]) -> String {
    let mut lines: Vec<String> = project.warnings.iter().map(|warning| format!("warning: {warning}")).collect();
    lines.extend(wrong.iter().map(|error| format!("error: {}", error.chain())));
    if wrong.is_empty() {
        let (sources, models, seeds) = (project.sources.len(), project.models.len(), project.seeds.len());
        let tests: usize = project
            .models
            .iter()
            .map(|model| model.tests.len())
            .chain(project.sources.iter().map(|source| source.tests.len()))
            .sum();
        lines.push(format!(
            "project {}: {sources} sources, {models} models, {seeds} seeds, {tests} tests: all bind",
            project.name
        ));
    }
    lines.join("\n")
}

/// What `vacuum` did.
pub fn vacuum(report: &vacuum::Report, dry_run: bool) -> String {
    let mut text = String::new();
    for file in &report.files {
        let _ = writeln!(text, "{}", file.display());
    }
    let verb = if dry_run { "would be removed" } else { "removed" };
    let _ = write!(
        text,
        "{} files ({} bytes) {verb}, {} log files pruned",
        report.files.len(),
        report.bytes,
        report.log_files
    );
    text
}

/// What `init` wrote and what to do with it.
pub fn initialised(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "wrote a starter project to {folder}; next:\n  edit {folder}/models/sources.yml so that it describes your files\n  \
         pintail check --project {folder}\n  pintail ingest --lake LAKE --project {folder}"
    )
}

/// The tables as rows.
///
/// # Errors
/// [`Error::Columns`].
pub fn tables(entries: &[TableEntry]) -> Result<(SchemaRef, RecordBatch)> {
    let text = |of: fn(&TableEntry) -> String| {
        Arc::new(entries.iter().map(|entry| Some(of(entry))).collect::<StringArray>()) as ArrayRef
    };
    let number =
        |of: fn(&TableEntry) -> Option<u64>| Arc::new(entries.iter().map(of).collect::<UInt64Array>()) as ArrayRef;
    rows(vec![
        ("table", text(|entry| format!("{}.{}", entry.zone, entry.table))),
        ("version", number(|entry| Some(entry.version))),
        ("rows", number(|entry| entry.rows)),
        ("files", number(|entry| Some(entry.files as u64))),
        ("bytes", number(|entry| Some(entry.bytes))),
        ("columns", text(|entry| entry.columns.join(", "))),
    ])
}

/// The receipts as rows, oldest first.
///
/// # Errors
/// [`Error::Columns`].
pub fn history(receipts: Vec<Stored>) -> Result<(SchemaRef, RecordBatch)> {
    let mut done: Vec<Receipt> = receipts.into_iter().filter_map(|stored| stored.state?.done).collect();
    done.sort_by(|a, b| (a.started_at, &a.key).cmp(&(b.started_at, &b.key)));
    let text = |of: fn(&Receipt) -> Option<String>| Arc::new(done.iter().map(of).collect::<StringArray>()) as ArrayRef;
    let number = |of: fn(&Receipt) -> u64| {
        Arc::new(done.iter().map(|receipt| Some(of(receipt))).collect::<UInt64Array>()) as ArrayRef
    };
    rows(vec![
        ("started_at", text(|receipt| Some(receipt.started_at.format("%Y-%m-%d %H:%M:%S").to_string()))),
        ("source", text(|receipt| Some(receipt.source.clone()))),
        ("key", text(|receipt| Some(receipt.key.clone()))),
        ("version", text(|receipt| receipt.version.clone())),
        ("status", text(|receipt| Some(format!("{:?}", receipt.status).to_lowercase()))),
        ("records", number(|receipt| receipt.records)),
        ("accepted", number(|receipt| receipt.accepted)),
        ("quarantined", number(|receipt| receipt.quarantined)),
        ("bytes", number(|receipt| receipt.bytes)),
        ("duration_ms", number(|receipt| receipt.duration_ms)),
        ("error", text(|receipt| receipt.error.clone())),
    ])
}

fn rows(columns: Vec<(&str, ArrayRef)>) -> Result<(SchemaRef, RecordBatch)> {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
            .map_err(Error::columns("rows of the report"))?;
    Ok((batch.schema(), batch))
}

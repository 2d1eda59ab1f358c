//! Vacuum: removes files that no version within the retention needs, and log files behind checkpoints.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use serde::Serialize;

use crate::attempt;
use crate::error::Result;
use crate::fault;
use crate::lake::Lake;
use crate::table::Table;

/// What a vacuum removed, or would remove.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Files, below the lake's folder.
    pub files: Vec<PathBuf>,
    /// Their bytes.
    pub bytes: u64,
    /// Log files behind checkpoints.
    pub log_files: usize,
}

/// Removes data files that are unreferenced and older than `retain`, and prunes logs. Files of attempts that are at
/// work stay, whatever their age.
///
/// # Errors
/// [`crate::error::Error::Io`], [`crate::error::Error::Delta`].
pub async fn vacuum(lake: &Arc<Lake>, retain: Duration, dry_run: bool) -> Result<Report> {
    let mut report = Report::default();
    if !dry_run {
        attempt::sweep(lake)?;
    }
    for (zone, name) in lake.tables()? {
        let table = Table::new(lake, &format!("{zone}/{name}"));
        // In this order: a file that is listed now belongs to an attempt that is seen at work, to a version that is
        // loaded after it, or to nobody.
        let files = lake.data_files(&table.name)?;
        let working = attempt::living(lake)?;
        let Some(snapshot) = table.load().await? else { continue };
        let mut needed: BTreeSet<String> = snapshot.files.iter().map(|file| file.path.clone()).collect();
        needed.extend(table.removed_within(snapshot.version, retain).await?);
        for file in files {
            let at_work = working.iter().any(|attempt| file.name.contains(attempt::lease_mark(attempt)));
            let age = (Utc::now() - file.modified).to_std().unwrap_or_default();
            if needed.contains(&file.name) || at_work || age < retain {
                continue;
            }
            let name = format!("{}/{}", table.name, file.name);
            if !dry_run {
                lake.remove(&name)?;
            }
            report.bytes += file.bytes;
            report.files.push(name.into());
        }
        if !dry_run {
            fault::before_write();
            report.log_files += table.prune_log(retain).await?;
        }
    }
    report.files.sort();
    Ok(report)
}

//! Vacuum: removes files that no version within the retention needs, and log files behind checkpoints.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::attempt;
use crate::data_file;
use crate::error::{Error, Result};
use crate::fault;
use crate::lake::Lake;
use crate::query;
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
/// [`Error::Io`], [`Error::Delta`].
pub async fn vacuum(lake: &Lake, retain: Duration, dry_run: bool) -> Result<Report> {
    let mut report = Report::default();
    for (zone, name) in query::table_names(lake)? {
        let table = Table::new(lake, &format!("{zone}/{name}"))?;
        // In this order: a file that is listed now belongs to an attempt that is seen at work, to a version that is
        // loaded after it, or to nobody.
        let files = data_file::list(&table.folder)?;
        let working = attempt::living(lake)?;
        let Some(snapshot) = table.load().await? else { continue };
        let mut needed: BTreeSet<String> = snapshot.files.iter().map(|file| file.path.clone()).collect();
        needed.extend(table.removed_within(snapshot.version, retain).await?);
        for name in files {
            let path = table.folder.join(&name);
            let at_work = working.iter().any(|attempt| name.contains(&attempt[..8]));
            let metadata = std::fs::metadata(&path).map_err(Error::io("look at", &path))?;
            let age = metadata
                .modified()
                .ok()
                .and_then(|time| SystemTime::now().duration_since(time).ok())
                .unwrap_or_default();
            if needed.contains(&name) || at_work || age < retain {
                continue;
            }
            if !dry_run {
                fault::before_write();
                std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
            }
            report.bytes += metadata.len();
            report.files.push(path.strip_prefix(lake.root()).unwrap_or(&path).to_owned());
        }
        if !dry_run {
            fault::before_write();
            report.log_files += table.prune_log(retain).await?;
        }
    }
    if !dry_run {
        attempt::sweep(lake)?;
    }
    report.files.sort();
    Ok(report)
}

//! Our tables, read by their Delta logs alone, commit by commit: what a plain reader sees.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A table as its log says.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) version: u64,
    pub(crate) columns: Vec<String>,
    pub(crate) files: BTreeSet<PathBuf>,
}

/// All tables, by `zone.name`.
#[derive(Debug, Default)]
pub(crate) struct Tables(pub(crate) BTreeMap<String, Table>);

impl Tables {
    pub(crate) fn read(lake: &Path) -> Result<Self, String> {
        let mut tables = Self::default();
        for zone in ["silver", "gold"] {
            for folder in entries(&lake.join(zone)) {
                let name = format!("{zone}.{}", folder.file_name().unwrap_or_default().to_string_lossy());
                if let Some(table) = Table::read(&folder).map_err(|wrong| format!("{name}: {wrong}"))? {
                    tables.0.insert(name, table);
                }
            }
        }
        Ok(tables)
    }

    pub(crate) fn versions(&self) -> BTreeMap<String, u64> {
        self.0.iter().map(|(name, table)| (name.clone(), table.version)).collect()
    }
}

impl Table {
    fn read(folder: &Path) -> Result<Option<Self>, String> {
        let is_commit = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.strip_suffix(".json")
                .is_some_and(|number| number.len() == 20 && number.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let commits: Vec<PathBuf> = entries(&folder.join("_delta_log")).into_iter().filter(is_commit).collect();
        if commits.is_empty() {
            return Ok(None);
        }
        let mut table = Self { version: commits.len() as u64 - 1, ..Self::default() };
        for (version, commit) in commits.iter().enumerate() {
            let text = fs::read_to_string(commit).map_err(|error| format!("{}: {error}", commit.display()))?;
            for line in text.lines() {
                let action: Value =
                    serde_json::from_str(line).map_err(|error| format!("version {version}: {error}: {line}"))?;
                table.take(folder, &action).map_err(|wrong| format!("version {version}: {wrong}"))?;
            }
        }
        let missing: Vec<&PathBuf> = table.files.iter().filter(|file| !file.is_file()).collect();
        if missing.is_empty() {
            Ok(Some(table))
        } else {
            Err(format!("files of the newest version are missing: {missing:?}"))
        }
    }

    fn take(&mut self, folder: &Path, action: &Value) -> Result<(), String> {
        let path = |kind: &str| action[kind]["path"].as_str().map(|path| folder.join(percent_decoded(path)));
        if let Some(path) = path("remove")
            && !self.files.remove(&path)
        {
            return Err(format!("removes {}, which is not there", path.display()));
        }
        if let Some(path) = path("add")
            && !self.files.insert(path.clone())
        {
            return Err(format!("adds {}, which is there", path.display()));
        }
        if let Some(schema) = action["metaData"]["schemaString"].as_str() {
            let schema: Value = serde_json::from_str(schema).map_err(|error| error.to_string())?;
            let fields = schema["fields"].as_array().cloned().unwrap_or_default();
            self.columns = fields.iter().filter_map(|field| Some(field["name"].as_str()?.to_owned())).collect();
        }
        Ok(())
    }
}

/// Paths in a log are URLs.
fn percent_decoded(path: &str) -> String {
    let mut parts = path.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at(2);
        decoded.push(char::from(u8::from_str_radix(code, 16).expect("a percent sign stands before two digits")));
        decoded.push_str(rest);
    }
    decoded
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("our folder can be listed").path()).collect();
    paths.sort();
    paths
}

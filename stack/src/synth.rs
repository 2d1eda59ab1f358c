//! The template as a file: written, or compared with the one that is committed.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::Serialize;
use similar::TextDiff;

use crate::{
    error::Error,
    lakehouse::lakehouse,
    options::{Stage, Tables},
    rules,
};

/// The text of the stage's template.
///
/// # Errors
/// When it is not whole or breaks our rules.
pub fn text(stage: &Stage, tables: &Tables) -> Result<String, Error> {
    let document = lakehouse(&stage.options, tables)?;
    let text = document.text();
    let findings = rules::check(&document.tree(), &text);
    if findings.is_empty() { Ok(text) } else { Err(Error::Rules { findings }) }
}

/// What became of the file.
#[derive(Debug, Serialize)]
pub struct Synth {
    path: PathBuf,
    bytes: usize,
    changed: bool,
}

impl fmt::Display for Synth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changed = if self.changed { "written" } else { "unchanged" };
        write!(f, "{} {changed}, {} bytes", self.path.display(), self.bytes)
    }
}

/// Writes the template.
///
/// # Errors
/// When the file cannot be read or written.
pub fn write(path: &Path, text: &str) -> Result<Synth, Error> {
    let changed = committed(path)? != text;
    if changed {
        fs::write(path, text).map_err(|source| Error::File { action: "write", path: path.to_owned(), source })?;
    }
    Ok(Synth { path: path.to_owned(), bytes: text.len(), changed })
}

/// Compares the template with the file.
///
/// # Errors
/// When they differ, with the difference.
pub fn check(path: &Path, text: &str) -> Result<Synth, Error> {
    let committed = committed(path)?;
    if committed == text {
        return Ok(Synth { path: path.to_owned(), bytes: text.len(), changed: false });
    }
    let difference = TextDiff::from_lines(committed.as_str(), text)
        .unified_diff()
        .context_radius(3)
        .header("committed", "what the code says")
        .to_string();
    Err(Error::Stale { path: path.to_owned(), difference })
}

/// A file that is not there is an empty one.
fn committed(path: &Path) -> Result<String, Error> {
    match fs::read_to_string(path) {
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(|source| Error::File { action: "read", path: path.to_owned(), source }),
    }
}

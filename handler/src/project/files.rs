//! The files of a project by what they are for, read as text, and those that Pintail refuses by name.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::{Errors, Place};
use super::settings::Paths;

/// One file of the project.
#[derive(Clone, Debug)]
pub(super) struct SourceFile {
    /// Relative to the root of the project.
    pub(super) path: PathBuf,
    /// Its folders below the model path (or seed path ...), without the file itself.
    pub(super) folders: Vec<String>,
    pub(super) text: String,
}

impl SourceFile {
    /// The file's name without its extension.
    pub(super) fn stem(&self) -> String {
        self.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

/// All files of a project that can matter, each kind in the order of paths.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) models: Vec<SourceFile>,
    pub(super) seeds: Vec<SourceFile>,
    pub(super) tests: Vec<SourceFile>,
    pub(super) macros: Vec<SourceFile>,
    pub(super) properties: Vec<SourceFile>,
    pub(super) documents: Vec<SourceFile>,
}

impl Files {
    /// Walks the paths that the project names.
    pub(super) fn read(root: &Path, paths: &Paths, errors: &mut Errors) -> Self {
        let mut files = Self::default();
        for (path, role) in paths.roles() {
            let mut found = Vec::new();
            walk(root, Path::new(path), &mut found, errors);
            for file in found {
                files.sort_in((root, &file), (path, role), errors);
            }
        }
        files
    }

    /// Whether any text says a word.
    pub(super) fn mention(&self, word: &str) -> bool {
        let all = [&self.models, &self.tests, &self.macros, &self.properties];
        all.into_iter().flatten().any(|file| file.text.contains(word))
    }

    fn sort_in(&mut self, (root, file): (&Path, &Path), (base, role): (&str, Role), errors: &mut Errors) {
        let extension = file.extension().map(|text| text.to_string_lossy().to_lowercase());
        let extension = extension.unwrap_or_default();
        let below = file.strip_prefix(base).unwrap_or(file);
        let kind = match (role, extension.as_str()) {
            (_, "yml" | "yaml") => &mut self.properties,
            (_, "md") => &mut self.documents,
            (Role::Models, "sql") => &mut self.models,
            (Role::Models, "py") => {
                return errors.add(&Place::file(file), "Python models are not supported");
            }
            (Role::Seeds, "csv") => &mut self.seeds,
            (Role::Tests, "sql") if !below.starts_with("generic") => &mut self.tests,
            (Role::Tests | Role::Macros, "sql") => &mut self.macros,
            (Role::Snapshots, "sql") => {
                return errors.add(&Place::file(file), "snapshots are not supported");
            }
            _ => return,
        };
        if kind.iter().any(|known| known.path == file) {
            return;
        }
        let folders = below.parent().into_iter().flat_map(Path::components);
        let folders = folders.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
        match read_text(root, file, role) {
            Ok(text) => kind.push(SourceFile { path: file.to_owned(), folders, text }),
            Err(error) => errors.add(&Place::file(file), format!("cannot be read: {error}")),
        }
    }
}

/// A file's text; seeds are data, whose encoding is the strict reader's business.
fn read_text(root: &Path, file: &Path, role: Role) -> std::io::Result<String> {
    if role == Role::Seeds && file.extension().is_some_and(|text| text.eq_ignore_ascii_case("csv")) {
        return Ok(blake3::hash(&fs::read(root.join(file))?).to_hex().to_string());
    }
    Ok(fs::read_to_string(root.join(file))?.trim_start_matches('\u{feff}').replace("\r\n", "\n"))
}

/// What the files below a path are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Models,
    Seeds,
    Tests,
    Macros,
    Snapshots,
    Documents,
}

/// All files below a folder, sorted; names that begin with a dot are not looked at.
fn walk(root: &Path, folder: &Path, found: &mut Vec<PathBuf>, errors: &mut Errors) {
    let entries = match fs::read_dir(root.join(folder)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        Err(error) => return errors.add(&Place::file(folder), format!("cannot be read: {error}")),
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            walk(root, &folder.join(name), found, errors);
        } else {
            found.push(folder.join(name));
        }
    }
}

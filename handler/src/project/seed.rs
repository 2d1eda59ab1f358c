//! A seed: a small CSV file of the project, the reference data that models join.

use std::path::PathBuf;

use records::Type;

use super::{ModelTest, Place};

/// A small reference table of the project.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The table's name: the file's, or the `alias`.
    pub name: String,
    /// The CSV file, with the root of the project.
    pub path: PathBuf,
    /// The declared types; other columns are inferred.
    pub column_types: Vec<(String, Type)>,
    /// The character between two fields; none: a comma.
    pub delimiter: Option<u8>,
    /// The blake3 hash of the file's bytes.
    pub content_hash: String,
    /// What must hold; tests that read a model as well stand with that model.
    pub tests: Vec<ModelTest>,
    /// Where the file is.
    pub place: Place,
}

impl Seed {
    /// Everything that its rows follow from: the content, the declared types, the delimiter.
    pub fn identity(&self) -> String {
        format!("{} {:?} {:?}", self.content_hash, self.column_types, self.delimiter)
    }
}

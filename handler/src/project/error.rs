//! What is wrong with a project: every problem at once, each with the file and the line to look at.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where in the project something is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file, relative to the root of the project.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
}

impl Place {
    /// A line of a file.
    pub fn new(file: impl Into<PathBuf>, line: usize) -> Self {
        Self { file: file.into(), line }
    }

    /// The first line of a file: for what concerns the file as a whole.
    pub fn file(file: &Path) -> Self {
        Self::new(file, 1)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file.display(), self.line)
    }
}

/// One problem of a project.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Error {
    /// Where the problem is.
    pub place: Place,
    /// What the problem is, lower case, with the remedy where there is one.
    pub message: String,
}

impl Error {
    /// A problem at a place.
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into() }
    }
}

/// All problems of a project, in the order of files and lines. Displays as one problem per line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors(pub Vec<Error>);

impl Errors {
    /// Notes one more problem.
    pub(super) fn add(&mut self, place: &Place, message: impl Into<String>) {
        self.0.push(Error::new(place.clone(), message));
    }

    /// The value, if no problem has been noted; else the problems, sorted and each only once.
    pub(super) fn or<T>(mut self, value: T) -> Result<T, Self> {
        if self.0.is_empty() {
            return Ok(value);
        }
        self.0.sort();
        self.0.dedup();
        Err(self)
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(formatter)?;
            }
            write!(formatter, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// `; did you mean "x"?` for the known word nearest to a misspelt one, or nothing if none is near.
pub(super) fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(word, known) {
        Some(near) => format!("; did you mean \"{near}\"?"),
        None => String::new(),
    }
}

/// The known word that a misspelt one probably means: at most a third of its letters differ.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let (word, limit) = (plain(word), (word.chars().count() / 3).clamp(1, 3));
    known
        .into_iter()
        .map(|candidate| (distance(&word, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters to add, drop, replace or swap with a neighbour to get from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for (i, letter) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, other) in to.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(letter != other);
            let mut best = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from[i - 1] == *other && *letter == to[j - 1] {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_finds_its_neighbour() {
        for (word, expected) in [
            ("colums", Some("columns")),
            ("delimeter", Some("delimiter")),
            ("data_tpye", Some("data_type")),
            ("owner", None),
        ] {
            assert_eq!(nearest(word, ["columns", "delimiter", "data_type"]), expected, "{word}");
        }
    }

    #[test]
    fn problems_are_shown_one_per_line_in_order() {
        let mut errors = Errors::default();
        errors.add(&Place::new("b.yml", 1), "second");
        errors.add(&Place::new("a.yml", 7), "first");
        let errors = errors.or(()).unwrap_err();
        assert_eq!(errors.to_string(), "a.yml:7: first\nb.yml:1: second");
    }
}

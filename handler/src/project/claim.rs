//! Which declared source takes a raw object: its pattern, else the name that the key stands for.

use globset::{Glob, GlobBuilder, GlobMatcher};

use super::SourceTable;

/// The table that a key stands for when no pattern claims it: the first folder of the key, else the file's name up to
/// the first dot; lower case, other characters to `_`. None: the key has no such name, or the reserved `quarantine`.
pub fn table_of_key(key: &str) -> Option<String> {
    let key = key.trim_start_matches('/');
    let name = match key.split_once('/') {
        Some((folder, _)) => folder,
        None => key.split('.').next().unwrap_or_default(),
    };
    let table: String =
        name.to_lowercase().chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
    (table.chars().any(|letter| letter.is_ascii_alphanumeric()) && table != "quarantine").then_some(table)
}

/// The patterns of all source tables, compiled once.
#[derive(Clone, Debug, Default)]
pub(super) struct Claims {
    patterns: Vec<(usize, GlobMatcher)>,
    names: Vec<(usize, String)>,
}

impl Claims {
    /// Compiles what the tables declare. Their patterns have been checked with [`pattern`] before.
    pub(super) fn of(tables: &[SourceTable]) -> Self {
        let mut claims = Self::default();
        for (index, table) in tables.iter().enumerate() {
            match table.location.as_deref().map(pattern) {
                Some(Ok(glob)) => claims.patterns.push((index, glob.compile_matcher())),
                Some(Err(_)) => {}
                None => claims.names.push((index, table.identifier.clone())),
            }
        }
        claims
    }

    /// The index of the table that takes a key: patterns in the order of declaration, then names.
    pub(super) fn index(&self, key: &str) -> Option<usize> {
        let by_pattern = self.patterns.iter().find(|(_, pattern)| pattern.is_match(key));
        if let Some((index, _)) = by_pattern {
            return Some(*index);
        }
        let name = table_of_key(key)?;
        self.names.iter().find(|(_, identifier)| *identifier == name).map(|(index, _)| *index)
    }
}

/// A key pattern: `*` stays within a folder, `**` does not.
pub(super) fn pattern(location: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(location).literal_separator(true).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unclaimed_key_stands_for_its_first_folder_or_file_name() {
        for (key, expected) in [
            ("orders/2024/01.csv", Some("orders")),
            ("Order Lines/x.csv", Some("order_lines")),
            ("data.csv", Some("data")),
            ("data.2024.csv.gz", Some("data")),
            (".csv", None),
            ("quarantine/x.csv", None),
        ] {
            assert_eq!(table_of_key(key).as_deref(), expected, "{key}");
        }
    }
}

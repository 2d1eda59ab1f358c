//! The names of tables: each is plain, not reserved, and stands for one thing.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Draft;
use super::error::{Errors, Place};
use super::{SourceTable, Zone};

/// Settles the silver table of each source: `NAME`, or `SOURCE__NAME` where `NAME` is taken.
pub(super) fn name_tables(sources: &mut [SourceTable], drafts: &[Draft<'_>], errors: &mut Errors) {
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    let silver = drafts.iter().filter(|draft| draft.zone == Zone::Silver);
    let silver: BTreeSet<String> = silver.map(|draft| draft.name.to_lowercase()).collect();
    for source in sources.iter() {
        *taken.entry(source.name.to_lowercase()).or_default() += 1;
    }
    let mut named: BTreeMap<String, Place> = BTreeMap::new();
    for source in sources.iter_mut() {
        if taken.get(&source.table).is_some_and(|count| *count > 1) || silver.contains(&source.table) {
            source.table = format!("{}__{}", source.source, source.name).to_lowercase();
        }
        check_name(&source.table, &source.place, errors);
        let clash = named.insert(source.table.clone(), source.place.clone());
        if let Some(other) = clash {
            errors
                .add(&source.place, format!("silver table \"{}\" is also that of the source at {other}", source.table));
        } else if silver.contains(&source.table) {
            errors.add(&source.place, format!("silver table \"{}\" is also a silver model", source.table));
        }
    }
    let mut identifiers: BTreeMap<&str, &Place> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.location.is_none()) {
        if let Some(other) = identifiers.insert(&source.identifier, &source.place) {
            let message = format!(
                "the source at {other} takes the same files (\"{}\"): add an external_location",
                source.identifier
            );
            errors.add(&source.place, message);
        }
    }
}

/// A table's name is plain and not reserved.
pub(super) fn check_name(name: &str, place: &Place, errors: &mut Errors) {
    if name.eq_ignore_ascii_case("quarantine") {
        errors.add(place, "\"quarantine\" is a reserved name");
    }
    if name.is_empty() || !name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
        errors.add(place, format!("\"{name}\" is no name for a table: use letters, digits and _"));
    }
}

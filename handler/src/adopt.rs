//! Adopt: the contract in force of a table, as a `sources:` block for a project.

use std::fmt::Write;
use std::sync::Arc;

use crate::contract::Contract;
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::publish::CONTRACT;
use crate::receipt;
use crate::table::Table;

/// The block for one table. A key pattern is given where the table's name alone would not claim the same keys.
///
/// # Errors
/// [`Error::Table`] for a table that is not there or keeps no contract.
pub async fn sources_block(lake: &Arc<Lake>, name: &str) -> Result<String> {
    let missing = |reason: &str| Error::Table { table: format!("silver/{name}"), reason: reason.to_owned() };
    let table = Table::new(lake, &format!("silver/{name}"));
    let snapshot =
        table.load().await?.ok_or_else(|| missing("the lake has no such table; `pintail tables` lists them"))?;
    let text =
        snapshot.properties.get(CONTRACT).ok_or_else(|| missing("it holds a model's rows, not those of a source"))?;
    let contract: Contract = serde_json::from_str(text).map_err(|source| Error::Document {
        path: table.name.clone().into(),
        kind: "contract",
        source,
    })?;
    Ok(block(name, &contract, &patterns(lake, name)?))
}

/// Folders of keys that the table holds, other than the one with its own name.
fn patterns(lake: &Arc<Lake>, name: &str) -> Result<Vec<String>> {
    let mut folders = Vec::new();
    for stored in receipt::all(lake)? {
        let Some(done) = stored.done().filter(|done| done.silver.iter().any(|entry| entry.table == name)) else {
            continue;
        };
        if crate::project::table_of_key(&done.key).as_deref() != Some(name) {
            folders
                .push(done.key.rsplit_once('/').map_or_else(|| done.key.clone(), |(folder, _)| format!("{folder}/*")));
        }
    }
    folders.sort();
    folders.dedup();
    Ok(folders)
}

fn block(name: &str, contract: &Contract, patterns: &[String]) -> String {
    let mut text = format!("version: 2\n\nsources:\n  - name: raw\n    tables:\n      - name: {name}\n");
    if let [pattern] = patterns {
        let _ = write!(text, "        meta:\n          external_location: {}\n", yaml_text(&format!("raw/{pattern}")));
    }
    text.push_str("        columns:\n");
    for column in &contract.columns {
        let _ = writeln!(text, "          - name: {}", yaml_text(&column.name));
        if let Some(data_type) = &column.data_type {
            let _ = writeln!(text, "            data_type: {}", yaml_text(&data_type.to_string().to_lowercase()));
        }
        let mut meta = Vec::new();
        meta.extend(column.format.iter().map(|format| format!("              format: {}", yaml_text(format))));
        meta.extend((!column.required).then(|| "              required: false".to_owned()));
        if !meta.is_empty() {
            let _ = writeln!(text, "            meta:\n{}", meta.join("\n"));
        }
    }
    text
}

/// A YAML scalar: plain where that cannot be misread, else in double quotes (JSON strings are YAML).
fn yaml_text(text: &str) -> String {
    let plain = text.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "_/.".contains(letter))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_lowercase().as_str());
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

//! From what the `.yml` files say about a source table to its contract.

use records::Type;

use super::claim::pattern;
use super::configuration::Config;
use super::error::Errors;
use super::meta::{Meta, refuse_misspelt};
use super::properties::{Column, SourceProperties};
use super::yaml::{Node, Reader, Value};
use super::{ColumnContract, NewColumn, OnDelete, SourceTable, dialect, record_tests};

/// The contract of one source table; its `table` is settled when all names are known.
pub(super) fn contract(properties: &SourceProperties, config: &Config, errors: &mut Errors) -> SourceTable {
    let meta = Meta::of(properties, config, errors);
    let identifier = properties.identifier.as_ref().unwrap_or(&properties.name);
    let mut partition_by = config.texts("partition_by", errors);
    if let Some(given) = meta.read("partition_by", errors, |reader, node| Some(reader.texts(node, "partition_by"))) {
        partition_by = given;
    }
    SourceTable {
        source: properties.source.clone(),
        name: properties.name.clone(),
        table: properties.name.to_lowercase(),
        location: location(properties, config, &meta, errors),
        identifier: super::table_of_key(identifier).unwrap_or_else(|| identifier.to_lowercase()),
        format: dialect::format(&meta, errors),
        compression: dialect::compression(&meta, errors),
        options: dialect::options(&meta, &properties.place, errors),
        on_new_column: meta.word("on_new_column", &NEW_COLUMN, errors).unwrap_or_default(),
        max_rejects: meta.read("max_rejects", errors, share),
        on_delete: meta.word("on_delete", &ON_DELETE, errors).unwrap_or_default(),
        columns: properties.columns.iter().map(|column| promise(column, &properties.place.file, errors)).collect(),
        tests: record_tests::of(properties, errors),
        partition_by,
        place: properties.place.clone(),
    }
}

const NEW_COLUMN: [(&str, NewColumn); 4] = [
    ("add", NewColumn::Add),
    ("ignore", NewColumn::Ignore),
    ("reject", NewColumn::Reject),
    ("rescue", NewColumn::Rescue),
];
const ON_DELETE: [(&str, OnDelete); 2] = [("keep", OnDelete::Keep), ("withdraw", OnDelete::Withdraw)];

fn share(reader: &mut Reader<'_>, node: &Node) -> Option<f64> {
    let share = node.text().and_then(|text| text.parse().ok()).filter(|share| (0.0..=1.0).contains(share));
    if share.is_none() {
        reader.refuse(node.line, "max_rejects must be a share between 0 and 1");
    }
    share
}

/// The key pattern below the raw zone.
fn location(properties: &SourceProperties, config: &Config, meta: &Meta, errors: &mut Errors) -> Option<String> {
    let configured =
        config.setting("external_location").map(|setting| (setting.node.clone(), setting.place.file.clone()));
    let stated = meta.get("external_location").map(|(entry, file)| (entry.node.clone(), file.clone()));
    let (node, file) = stated.or(configured).filter(|(node, _)| node.value != Value::Null)?;
    let mut reader = Reader { file, errors };
    let given = reader.text(&node, "external_location")?;
    match below_raw(&given, properties) {
        Ok(location) => Some(location),
        Err(message) => {
            reader.refuse(node.line, message);
            None
        }
    }
}

fn below_raw(given: &str, properties: &SourceProperties) -> Result<String, String> {
    let identifier = properties.identifier.as_ref().unwrap_or(&properties.name);
    let expanded = given
        .replace("{name}", &properties.name)
        .replace("{identifier}", identifier)
        .replace("{schema}", &properties.schema);
    if given.contains('(') {
        return Err(format!(
            "external_location \"{given}\": a function call; write the pattern of the keys and its format under meta"
        ));
    }
    let plain = expanded.trim_start_matches("./");
    let outside =
        plain.starts_with(['/', '~', '\\']) || plain.contains(':') || plain.split('/').any(|part| part == "..");
    if outside || plain.is_empty() {
        return Err(format!("external_location \"{given}\" leads out of the raw zone"));
    }
    if let Some(start) = plain.find('{') {
        let name = plain[start..].split_inclusive('}').next().unwrap_or_default();
        return Err(format!("external_location \"{given}\": unknown placeholder {name}"));
    }
    let location = plain.strip_prefix("raw/").unwrap_or(plain);
    match pattern(location) {
        Ok(_) => Ok(location.to_owned()),
        Err(error) => Err(format!("external_location \"{given}\" is no pattern: {}", error.kind())),
    }
}

fn promise(column: &Column, file: &std::path::Path, errors: &mut Errors) -> ColumnContract {
    let mut reader = Reader { file: file.to_owned(), errors };
    let mut contract = ColumnContract {
        name: column.name.clone(),
        data_type: data_type(column, &mut reader),
        format: None,
        required: true,
    };
    for entry in &column.meta {
        match entry.key.as_str() {
            "required" => contract.required = reader.bool(&entry.node, "required").unwrap_or(true),
            "format" => {
                contract.format = reader.text(&entry.node, "format");
                check_format(&contract, entry.line, column.data_type.is_some(), &mut reader);
            }
            _ => refuse_misspelt(entry, &["format", "required"], &mut reader),
        }
    }
    contract
}

/// The declared type of a column.
pub(super) fn data_type(column: &Column, reader: &mut Reader<'_>) -> Option<Type> {
    let (text, line) = column.data_type.as_ref()?;
    match text.parse() {
        Ok(data_type) => Some(data_type),
        Err(error) => {
            reader.refuse(*line, format!("data_type of column \"{}\": {error}", column.name));
            None
        }
    }
}

fn check_format(contract: &ColumnContract, line: usize, typed: bool, reader: &mut Reader<'_>) {
    match (&contract.format, &contract.data_type) {
        (Some(format), Some(data_type)) => {
            if let Err(error) = records::check_format(format, data_type) {
                reader.refuse(line, format!("format of column \"{}\": {error}", contract.name));
            }
        }
        (Some(_), None) if !typed => {
            reader.refuse(line, format!("format of column \"{}\" needs a data_type", contract.name));
        }
        _ => {}
    }
}

//! From what the `.yml` files say about a source table to its contract.

use std::collections::BTreeMap;
use std::path::PathBuf;

use records::{Format, Type};

use super::claim::pattern;
use super::configuration::Config;
use super::error::{Errors, nearest};
use super::properties::{Column, SourceProperties};
use super::record_tests;
use super::yaml::{Entry, Node, Reader, Value};
use super::{ColumnContract, NewColumn, OnDelete, SourceTable};

/// Our own keys under `meta`, and those of dbt-duckdb that matter here.
const META: [&str; 16] = [
    "format",
    "delimiter",
    "quote",
    "escape",
    "encoding",
    "header",
    "preamble",
    "null_tokens",
    "on_new_column",
    "max_rejects",
    "on_delete",
    "external_location",
    "partition_by",
    "formatter",
    "plugin",
    "required",
];

/// Words that each stand for a value.
type Words<T> = [(&'static str, T)];

/// What a source's `meta` says: by key, the nearest only, with the file it stands in.
struct Meta(BTreeMap<String, (Entry, PathBuf)>);

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
        format: meta.word(
            "format",
            &[("csv", Format::Csv), ("json", Format::Json), ("parquet", Format::Parquet)],
            errors,
        ),
        delimiter: meta.read("delimiter", errors, |reader, node| character(reader, node, "delimiter")),
        quote: meta.read("quote", errors, |reader, node| character(reader, node, "quote")),
        escape: meta.read("escape", errors, |reader, node| character(reader, node, "escape")),
        encoding: meta.read("encoding", errors, encoding),
        header: meta.read("header", errors, |reader, node| reader.bool(node, "header")).unwrap_or(true),
        preamble: meta.read("preamble", errors, preamble).unwrap_or(0),
        null_tokens: meta.read("null_tokens", errors, |reader, node| Some(reader.texts(node, "null_tokens"))),
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

impl Meta {
    fn of(properties: &SourceProperties, config: &Config, errors: &mut Errors) -> Self {
        let mut entries = BTreeMap::new();
        let outer = config.setting("meta").map(|setting| (setting.node.entries(), &setting.place.file));
        for (given, file) in outer.into_iter().chain([(properties.meta.as_slice(), &properties.place.file)]) {
            for entry in given {
                entries.insert(entry.key.clone(), (entry.clone(), file.clone()));
            }
        }
        let meta = Self(entries);
        for (key, reason) in
            [("plugin", "plugins read outside of the raw zone"), ("required", "it belongs to a column")]
        {
            if let Some((entry, file)) = meta.0.get(key) {
                let mut reader = Reader { file: file.clone(), errors };
                reader.refuse(entry.line, format!("meta key \"{key}\" is not supported here: {reason}"));
            }
        }
        meta.word("formatter", &[("newstyle", ())], errors);
        for (entry, file) in meta.0.values() {
            refuse_misspelt(entry, &META, &mut Reader { file: file.clone(), errors });
        }
        meta
    }

    /// The value of a key, if it is there and not null.
    fn read<T>(
        &self,
        key: &str,
        errors: &mut Errors,
        read: impl FnOnce(&mut Reader<'_>, &Node) -> Option<T>,
    ) -> Option<T> {
        let (entry, file) = self.0.get(key).filter(|(entry, _)| entry.node.value != Value::Null)?;
        read(&mut Reader { file: file.clone(), errors }, &entry.node)
    }

    /// The value that a word stands for.
    fn word<T: Copy>(&self, key: &str, words: &Words<T>, errors: &mut Errors) -> Option<T> {
        self.read(key, errors, |reader, node| {
            let given = node.text().unwrap_or_default();
            let found = words.iter().find(|(word, _)| *word == given.to_lowercase());
            if found.is_none() {
                let allowed: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                reader.refuse(node.line, format!("{key} must be {}, not \"{given}\"", allowed.join(" or ")));
            }
            found.map(|(_, value)| *value)
        })
    }
}

/// Foreign keys are welcome under `meta`; a key that is nearly one of ours is a mistake.
fn refuse_misspelt(entry: &Entry, own: &[&str], reader: &mut Reader<'_>) {
    if !own.contains(&entry.key.as_str())
        && let Some(near) = nearest(&entry.key, own.iter().copied())
    {
        reader.refuse(entry.line, format!("unknown meta key \"{}\"; did you mean \"{near}\"?", entry.key));
    }
}

fn character(reader: &mut Reader<'_>, node: &Node, key: &str) -> Option<u8> {
    let text = reader.text(node, key)?;
    match text.as_bytes() {
        b"\\t" => Some(b'\t'),
        [byte] if byte.is_ascii() => Some(*byte),
        _ => {
            reader.refuse(node.line, format!("{key} must be one ASCII character, not \"{text}\""));
            None
        }
    }
}

fn encoding(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let label = reader.text(node, "encoding")?;
    if records::check_encoding(&label).is_err() {
        reader.refuse(node.line, format!("encoding \"{label}\" is unknown"));
    }
    Some(label)
}

fn preamble(reader: &mut Reader<'_>, node: &Node) -> Option<u64> {
    let lines = node.text().and_then(|text| text.parse().ok());
    if lines.is_none() {
        reader.refuse(node.line, "preamble must be a number of lines");
    }
    lines
}

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
    let stated = meta.0.get("external_location").map(|(entry, file)| (entry.node.clone(), file.clone()));
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

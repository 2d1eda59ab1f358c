//! The configuration of one model, seed, source or test: what `dbt_project.yml`, the `.yml` files and the text itself
//! say, the nearer one wins.

use std::collections::BTreeMap;

use minijinja::Value as TemplateValue;

use super::error::{Errors, Place, suggestion};
use super::template::yaml_value;
use super::yaml::{Node, Reader, Value};

/// What is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Resource {
    Models,
    Seeds,
    Sources,
    Tests,
}

/// Keys that every resource may have and that change no result.
const COMMON: [&str; 9] = ["enabled", "tags", "meta", "docs", "group", "database", "schema", "alias", "quoting"];
const MODELS: [&str; 34] = [
    "materialized",
    "partition_by",
    "access",
    "persist_docs",
    "grants",
    "contract",
    "unique_key",
    "incremental_strategy",
    "incremental_predicates",
    "on_schema_change",
    "full_refresh",
    "on_configuration_change",
    "merge_update_columns",
    "merge_exclude_columns",
    "merge_on_using_columns",
    "indexes",
    "event_time",
    "begin",
    "lookback",
    "batch_size",
    "concurrent_batches",
    "pre_hook",
    "post_hook",
    "sql_header",
    "packages",
    "column_types",
    "transient",
    "static_analysis",
    "freshness",
    "store_failures",
    "description",
    "submission_method",
    "on_error",
    "latest_version",
];
const SEEDS: [&str; 8] =
    ["column_types", "quote_columns", "delimiter", "full_refresh", "persist_docs", "grants", "pre_hook", "post_hook"];
const SOURCES: [&str; 6] =
    ["freshness", "loaded_at_field", "loaded_at_query", "event_time", "external_location", "partition_by"];
const TESTS: [&str; 11] = [
    "severity",
    "where",
    "limit",
    "error_if",
    "warn_if",
    "fail_calc",
    "store_failures",
    "store_failures_as",
    "name",
    "description",
    "sql_header",
];

/// Keys that would change what is done and that Pintail does not do.
const REFUSED: [&str; 3] = ["pre_hook", "post_hook", "sql_header"];

impl Resource {
    /// The keys that a resource's configuration may have.
    pub(super) fn keys(self) -> impl Iterator<Item = &'static str> + Clone {
        let own: &'static [&'static str] = match self {
            Self::Models => &MODELS,
            Self::Seeds => &SEEDS,
            Self::Sources => &SOURCES,
            Self::Tests => &TESTS,
        };
        COMMON.iter().chain(own).copied()
    }

    /// What a person calls one of them.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Models => "model",
            Self::Seeds => "seed",
            Self::Sources => "source",
            Self::Tests => "test",
        }
    }
}

/// A value and who said it.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) node: Node,
    pub(super) place: Place,
}

/// The configuration of one resource.
#[derive(Clone, Debug, Default)]
pub(super) struct Config(BTreeMap<String, Setting>);

impl Config {
    /// Sets a key, after what is said further away. Maps under `meta` are joined, as in dbt.
    pub(super) fn set(&mut self, key: &str, mut node: Node, place: Place) {
        if let ("meta", Some(known)) = (key, self.0.get("meta")) {
            let nearer = node.entries().to_vec();
            let mut entries = known.node.entries().to_vec();
            entries.retain(|entry| !nearer.iter().any(|other| other.key == entry.key));
            entries.extend(nearer);
            node.value = Value::Map(entries);
        }
        self.0.insert(key.to_owned(), Setting { node, place });
    }

    /// Adds the keys of a `config:` map (or of `config()`), and refuses those that the resource does not have.
    pub(super) fn add(&mut self, node: &Node, resource: Resource, reader: &mut Reader<'_>) {
        for entry in node.entries() {
            if let Some(key) = accept(resource, &entry.key, &entry.node, (entry.line, reader)) {
                self.set(&key, entry.node.clone(), reader.place(entry.line));
            }
        }
    }

    /// Adds what a nearer configuration says.
    pub(super) fn join(&mut self, nearer: &Self) {
        for (key, setting) in &nearer.0 {
            self.set(key, setting.node.clone(), setting.place.clone());
        }
    }

    /// What is said about a key, null aside.
    pub(super) fn setting(&self, key: &str) -> Option<&Setting> {
        self.0.get(key).filter(|setting| setting.node.value != Value::Null)
    }

    /// A text.
    pub(super) fn text(&self, key: &str, errors: &mut Errors) -> Option<String> {
        let setting = self.setting(key)?;
        Self::reader(setting, errors).text(&setting.node, key)
    }

    /// A text or a list of texts.
    pub(super) fn texts(&self, key: &str, errors: &mut Errors) -> Vec<String> {
        self.setting(key).map(|setting| Self::reader(setting, errors).texts(&setting.node, key)).unwrap_or_default()
    }

    /// Whether the resource is switched on.
    pub(super) fn enabled(&self, errors: &mut Errors) -> bool {
        let setting = self.setting("enabled");
        setting.and_then(|setting| Self::reader(setting, errors).bool(&setting.node, "enabled")).unwrap_or(true)
    }

    /// The configuration as `config.get` sees it.
    pub(super) fn values(&self) -> BTreeMap<String, TemplateValue> {
        self.0.iter().map(|(key, setting)| (key.clone(), yaml_value(&setting.node))).collect()
    }

    fn reader<'e>(setting: &Setting, errors: &'e mut Errors) -> Reader<'e> {
        Reader { file: setting.place.file.clone(), errors }
    }
}

/// The plain form of a key, if the resource has it and Pintail does it.
pub(super) fn accept(
    resource: Resource,
    key: &str,
    node: &Node,
    (line, reader): (usize, &mut Reader<'_>),
) -> Option<String> {
    let plain = key.trim_start_matches('+').trim().replace('-', "_");
    if !resource.keys().any(|known| known == plain) {
        let hint = suggestion(&plain, resource.keys());
        reader.refuse(line, format!("unknown key \"{plain}\" in the config of a {}{hint}", resource.noun()));
        return None;
    }
    if REFUSED.contains(&plain.as_str()) && !node.is_empty() {
        reader.refuse(line, format!("{plain} is not supported"));
        return None;
    }
    Some(plain)
}

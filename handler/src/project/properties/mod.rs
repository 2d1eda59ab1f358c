//! The `.yml` files below the model, seed and test paths: what they say about models, seeds and sources, key by key.

mod sources;
mod tests;

use std::collections::BTreeMap;

use super::configuration::{Config, Resource};
use super::document;
use super::error::{Errors, Place};
use super::files::SourceFile;
use super::settings::Settings;
use super::template::{Subject, Templates, is_template};
use super::yaml::{Entry, Node, Reader, Value};
pub(super) use sources::SourceProperties;
pub(super) use tests::TestEntry;

/// Top-level keys of a properties file. What only describes is accepted.
const KEYS: [&str; 19] = [
    "version",
    "sources",
    "models",
    "seeds",
    "macros",
    "exposures",
    "metrics",
    "semantic_models",
    "groups",
    "snapshots",
    "unit_tests",
    "saved_queries",
    "analyses",
    "data_tests",
    "tests",
    "anchors",
    "functions",
    "config",
    "meta",
];
const MODEL_KEYS: [&str; 19] = [
    "name",
    "description",
    "docs",
    "latest_version",
    "deprecation_date",
    "access",
    "config",
    "constraints",
    "tests",
    "data_tests",
    "columns",
    "time_spine",
    "versions",
    "meta",
    "group",
    "tags",
    "primary_key",
    "data_type",
    "freshness",
];
const COLUMN_KEYS: [&str; 13] = [
    "name",
    "description",
    "data_type",
    "meta",
    "tests",
    "data_tests",
    "quote",
    "tags",
    "config",
    "constraints",
    "granularity",
    "docs",
    "policy_tags",
];

/// All that the properties files say.
#[derive(Debug, Default)]
pub(super) struct Properties {
    pub(super) sources: Vec<SourceProperties>,
    pub(super) models: BTreeMap<String, Patch>,
    pub(super) seeds: BTreeMap<String, Patch>,
    /// The configuration of singular tests.
    pub(super) tests: BTreeMap<String, Config>,
}

/// What is said about one model or seed.
#[derive(Debug)]
pub(super) struct Patch {
    pub(super) place: Place,
    pub(super) config: Config,
    pub(super) description: Option<String>,
    pub(super) columns: Vec<Column>,
    pub(super) tests: Vec<TestEntry>,
}

/// What is said about one column.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) data_type: Option<(String, usize)>,
    pub(super) meta: Vec<Entry>,
    pub(super) tests: Vec<TestEntry>,
}

/// A file that is being read.
struct Parser<'a, 't> {
    reader: Reader<'a>,
    templates: &'a Templates<'t>,
    folders: &'a [String],
    settings: &'a Settings,
}

impl Properties {
    /// Reads all properties files.
    pub(super) fn read(
        files: &[SourceFile],
        (settings, templates): (&Settings, &Templates<'_>),
        errors: &mut Errors,
    ) -> Self {
        let mut properties = Self::default();
        for file in files {
            let Some(node) = document::read(&file.path, &file.text, templates, errors) else { continue };
            let reader = Reader { file: file.path.clone(), errors };
            let mut parser = Parser { reader, templates, folders: &file.folders, settings };
            parser.read(&node, &mut properties);
        }
        properties
    }
}

impl Parser<'_, '_> {
    fn read(&mut self, node: &Node, properties: &mut Properties) {
        self.reader.keys(node, "a properties file", &KEYS);
        for entry in node.entries() {
            match entry.key.as_str() {
                "sources" => {
                    for source in self.reader.list(&entry.node, "sources") {
                        properties.sources.extend(self.source(source));
                    }
                }
                "models" => self.patches(&entry.node, Resource::Models, &mut properties.models),
                "seeds" => self.patches(&entry.node, Resource::Seeds, &mut properties.seeds),
                "tests" | "data_tests" => self.singular(&entry.node, &mut properties.tests),
                "snapshots" if !entry.node.is_empty() => self.reader.refuse(entry.line, "snapshots are not supported"),
                _ => {}
            }
        }
    }

    /// What is said about singular tests: only their configuration matters here.
    fn singular(&mut self, node: &Node, tests: &mut BTreeMap<String, Config>) {
        for element in self.reader.list(node, "data_tests") {
            self.reader.keys(element, "a singular test", &["name", "description", "config", "docs", "meta"]);
            let Some(name) = self.reader.name(element, "a singular test") else { continue };
            self.description(element);
            let mut config = Config::default();
            if let Some(given) = element.key("config") {
                config.add(given, Resource::Tests, &mut self.reader);
            }
            tests.insert(name, config);
        }
    }

    fn patches(&mut self, node: &Node, resource: Resource, patches: &mut BTreeMap<String, Patch>) {
        for element in self.reader.list(node, &format!("{}s", resource.noun())) {
            let what = format!("a {}", resource.noun());
            self.reader.keys(element, &what, &MODEL_KEYS);
            let Some(name) = self.reader.name(element, &what) else { continue };
            if let Some(versions) = element.key("versions").filter(|node| !node.is_empty()) {
                self.reader.refuse(versions.line, "versions of models are not supported");
            }
            let patch = self.patch(element, resource);
            if let Some(other) = patches.get(&name) {
                let message = format!("{} \"{name}\" is described twice, first at {}", resource.noun(), other.place);
                self.reader.refuse(element.line, message);
            } else {
                patches.insert(name, patch);
            }
        }
    }

    fn patch(&mut self, node: &Node, resource: Resource) -> Patch {
        let mut config = Config::default();
        for key in ["meta", "tags"] {
            if let Some(value) = node.key(key) {
                config.set(key, value.clone(), self.reader.place(value.line));
            }
        }
        if let Some(given) = node.key("config") {
            config.add(given, resource, &mut self.reader);
        }
        Patch {
            place: self.reader.place(node.line),
            config,
            description: self.description(node),
            columns: self.columns(node),
            tests: self.tests(node, None),
        }
    }

    /// The description, with its `doc()` calls replaced.
    fn description(&mut self, node: &Node) -> Option<String> {
        let node = node.key("description").filter(|node| !node.is_empty())?;
        let text = self.reader.text(node, "description")?;
        if !is_template(&text) {
            return Some(text);
        }
        let subject = Subject { place: self.reader.place(node.line), ..Subject::default() };
        match self.templates.render(&text, &subject) {
            Ok(rendered) => Some(rendered.text),
            Err(error) => {
                self.reader.errors.0.push(error);
                None
            }
        }
    }

    fn columns(&mut self, node: &Node) -> Vec<Column> {
        let Some(list) = node.key("columns") else { return Vec::new() };
        let mut columns: Vec<Column> = Vec::new();
        for element in self.reader.list(list, "columns") {
            self.reader.keys(element, "a column", &COLUMN_KEYS);
            let Some(name) = self.reader.name(element, "a column") else { continue };
            if columns.iter().any(|column| column.name == name) {
                self.reader.refuse(element.line, format!("column \"{name}\" is listed twice"));
            }
            self.description(element);
            columns.push(self.column(element, name));
        }
        columns
    }

    fn column(&mut self, node: &Node, name: String) -> Column {
        let data_type = node.key("data_type").filter(|node| !node.is_empty());
        let data_type = data_type.and_then(|node| Some((self.reader.text(node, "data_type")?, node.line)));
        let config = node.key("config").cloned().unwrap_or(Node { line: node.line, value: Value::Null });
        self.reader.keys(&config, "the config of a column", &["meta", "tags"]);
        let metas = [node.key("meta"), config.key("meta")];
        let meta = metas.into_iter().flatten().flat_map(|meta| meta.entries().to_vec()).collect();
        let quoted = node.key("quote").and_then(|quote| self.reader.bool(quote, "quote")) == Some(true);
        let in_sql = if quoted { format!("\"{name}\"") } else { name.clone() };
        Column { tests: self.tests(node, Some(&in_sql)), name, data_type, meta }
    }
}

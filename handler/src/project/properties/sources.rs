//! `sources:`: each table with what its source says for all of its tables.

use super::{Column, Parser, TestEntry};
use crate::project::configuration::{Config, Resource};
use crate::project::document;
use crate::project::error::Place;
use crate::project::yaml::{Entry, Node};

const SOURCE_KEYS: [&str; 15] = [
    "name",
    "description",
    "database",
    "schema",
    "loader",
    "loaded_at_field",
    "loaded_at_query",
    "meta",
    "tags",
    "config",
    "tables",
    "quoting",
    "freshness",
    "overrides",
    "docs",
];
const TABLE_KEYS: [&str; 16] = [
    "name",
    "description",
    "identifier",
    "meta",
    "tags",
    "config",
    "columns",
    "tests",
    "data_tests",
    "loader",
    "loaded_at_field",
    "loaded_at_query",
    "freshness",
    "quoting",
    "external",
    "docs",
];

/// What is said about one source table.
#[derive(Debug)]
pub(in crate::project) struct SourceProperties {
    pub(in crate::project) source: String,
    pub(in crate::project) name: String,
    pub(in crate::project) identifier: Option<String>,
    /// The schema that the source names; its own name, if none.
    pub(in crate::project) schema: String,
    /// The folders of the file it stands in.
    pub(in crate::project) folders: Vec<String>,
    /// `config`, without `meta`.
    pub(in crate::project) config: Config,
    /// `meta` and `config.meta`: the table's after the source's.
    pub(in crate::project) meta: Vec<Entry>,
    pub(in crate::project) columns: Vec<Column>,
    pub(in crate::project) tests: Vec<TestEntry>,
    pub(in crate::project) place: Place,
}

impl Parser<'_, '_> {
    pub(super) fn source(&mut self, node: &Node) -> Vec<SourceProperties> {
        self.reader.keys(node, "a source", &SOURCE_KEYS);
        let Some(source) = self.reader.name(node, "a source") else { return Vec::new() };
        self.description(node);
        let Some(tables) = node.key("tables") else { return Vec::new() };
        let schema = node.key("schema").and_then(Node::text).unwrap_or_else(|| source.clone());
        let tables = self.reader.list(tables, "tables").iter();
        tables.filter_map(|table| self.table(node, table, (&source, &schema))).collect()
    }

    fn table(&mut self, source: &Node, table: &Node, (name, schema): (&str, &str)) -> Option<SourceProperties> {
        self.reader.keys(table, "a source table", &TABLE_KEYS);
        let table_name = self.reader.name(table, "a source table")?;
        self.description(table);
        if let Some(external) = table.key("external").filter(|node| !node.is_empty()) {
            self.reader.refuse(external.line, "external is not supported; use meta: external_location");
        }
        let mut config = Config::default();
        let mut meta = Vec::new();
        for level in [source, table] {
            for given in [level.key("meta"), level.key("config").and_then(|config| config.key("meta"))] {
                meta.extend(given.into_iter().flat_map(|given| given.entries().to_vec()));
            }
            if let Some(given) = level.key("config") {
                config.add(given, Resource::Sources, &mut self.reader);
            }
        }
        let identifier = table.key("identifier").and_then(|node| self.reader.text(node, "identifier"));
        let (mut columns, mut tests) = (self.columns(table), self.tests(table, None));
        let of_columns = columns.iter_mut().flat_map(|column| &mut column.tests);
        for test in of_columns.chain(&mut tests) {
            for (_, argument) in &mut test.arguments {
                document::render(argument, &self.reader.file, self.templates, self.reader.errors);
            }
        }
        Some(SourceProperties {
            source: name.to_owned(),
            name: table_name,
            identifier,
            schema: schema.to_owned(),
            folders: self.folders.to_vec(),
            config,
            meta,
            columns,
            tests,
            place: self.reader.place(table.line),
        })
    }
}

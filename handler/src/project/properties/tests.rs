//! Generic tests in every form that dbt accepts.

use super::Parser;
use crate::project::configuration::{Config, Resource, accept};
use crate::project::error::Place;
use crate::project::yaml::{Entry, Node, Value};

/// Keys of a test's configuration that may stand beside its arguments.
const CONFIG_KEYS: [&str; 14] = [
    "severity",
    "tags",
    "enabled",
    "where",
    "limit",
    "warn_if",
    "error_if",
    "fail_calc",
    "store_failures",
    "store_failures_as",
    "meta",
    "database",
    "schema",
    "alias",
];

/// A generic test as the project states it.
#[derive(Clone, Debug)]
pub(in crate::project) struct TestEntry {
    /// The test that is called: `not_null`.
    pub(in crate::project) test: String,
    /// The name that the project gives this use of it.
    pub(in crate::project) name: Option<String>,
    /// The column it stands with, as SQL names it.
    pub(in crate::project) column: Option<String>,
    pub(in crate::project) arguments: Vec<(String, Node)>,
    pub(in crate::project) config: Config,
    pub(in crate::project) place: Place,
}

impl TestEntry {
    /// An argument.
    pub(in crate::project) fn argument(&self, name: &str) -> Option<&Node> {
        self.arguments.iter().find(|(known, _)| known == name).map(|(_, node)| node)
    }

    /// The test as a person would say it: `not_null(id)`.
    pub(in crate::project) fn title(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let about = self.condition().or_else(|| self.column.clone());
        format!("{}({})", self.test, about.unwrap_or_default())
    }

    /// The whole condition of a test `expression`: the expression of a column may go on from the column's name.
    pub(in crate::project) fn condition(&self) -> Option<String> {
        let expression = self.argument("expression").and_then(Node::text)?;
        Some(match &self.column {
            Some(column) if begins_with_operator(&expression) => format!("{column} {expression}"),
            _ => expression,
        })
    }
}

/// Whether an expression of a column goes on from its name (`>= 0`, `in (1, 2)`), or is a whole condition.
fn begins_with_operator(expression: &str) -> bool {
    let text = expression.trim_start().to_lowercase();
    text.starts_with(['<', '>', '=', '!', '~'])
        || ["in", "not", "is", "between", "like", "ilike", "similar"].iter().any(|word| {
            text.strip_prefix(word).is_some_and(|rest| rest.starts_with([' ', '(', '\n']))
                && (*word != "not" || follows_not(&text))
        })
}

/// `not in (..)`, `not like ..`: an operator; `not (..)`: a condition of its own.
fn follows_not(text: &str) -> bool {
    let next = text.trim_start_matches("not").trim_start();
    ["in ", "in(", "like ", "ilike ", "between ", "similar "].iter().any(|word| next.starts_with(word))
}

impl Parser<'_, '_> {
    /// The tests under `tests` and `data_tests`.
    pub(super) fn tests(&mut self, node: &Node, column: Option<&str>) -> Vec<TestEntry> {
        let mut tests = Vec::new();
        for key in ["tests", "data_tests"] {
            if let Some(list) = node.key(key) {
                for element in self.reader.list(list, key) {
                    tests.extend(self.test(element, column));
                }
            }
        }
        tests
    }

    fn test(&mut self, node: &Node, column: Option<&str>) -> Option<TestEntry> {
        let (called, arguments): (String, &[Entry]) = match (&node.value, node.entries()) {
            (Value::Text(name), _) => (name.clone(), &[]),
            (_, entries) if node.key("test_name").is_some() => {
                (node.key("test_name").and_then(Node::text).unwrap_or_default(), entries)
            }
            (_, [entry]) => {
                self.reader.keys_of_test(&entry.node);
                (entry.key.clone(), entry.node.entries())
            }
            _ => {
                self.reader.refuse(node.line, "a test must be a name, or one name with its arguments");
                return None;
            }
        };
        let mut entry = TestEntry {
            test: self.unpackaged(&called, node.line)?,
            name: None,
            column: column.map(str::to_owned),
            arguments: Vec::new(),
            config: self.settings.configure(Resource::Tests, self.folders),
            place: self.reader.place(node.line),
        };
        for argument in arguments {
            self.argument(&mut entry, argument);
        }
        Some(entry)
    }

    fn argument(&mut self, test: &mut TestEntry, entry: &Entry) {
        match entry.key.as_str() {
            "test_name" | "description" | "docs" => {}
            "name" => test.name = self.reader.text(&entry.node, "name"),
            "config" => test.config.add(&entry.node, Resource::Tests, &mut self.reader),
            "arguments" => {
                let arguments = entry.node.entries().iter();
                test.arguments.extend(arguments.map(|entry| (entry.key.clone(), entry.node.clone())));
            }
            "column_name" => test.column = self.reader.text(&entry.node, "column_name"),
            key if CONFIG_KEYS.contains(&key) => {
                if let Some(key) = accept(Resource::Tests, key, &entry.node, (entry.line, &mut self.reader)) {
                    test.config.set(&key, entry.node.clone(), self.reader.place(entry.line));
                }
            }
            _ => test.arguments.push((entry.key.clone(), entry.node.clone())),
        }
    }

    /// A test's name without the project's or dbt's own name before it.
    fn unpackaged(&mut self, called: &str, line: usize) -> Option<String> {
        match called.split_once('.') {
            None => Some(called.to_owned()),
            Some((package, name)) if package == self.settings.name || package == "dbt" => Some(name.to_owned()),
            Some((package, _)) => {
                let message =
                    format!("test \"{called}\": package \"{package}\" is not there, packages are not supported");
                self.reader.refuse(line, message);
                None
            }
        }
    }
}

impl crate::project::yaml::Reader<'_> {
    /// Refuses a test whose arguments are no map.
    fn keys_of_test(&mut self, node: &Node) {
        if !matches!(node.value, Value::Map(_) | Value::Null) {
            self.refuse(node.line, "the arguments of a test must be a map of keys");
        }
    }
}

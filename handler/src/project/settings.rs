//! `dbt_project.yml`: the name, the paths, the variables, and the configuration of folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path};

use minijinja::Value as TemplateValue;

use super::configuration::{Config, Resource, accept};
use super::document;
use super::error::{Errors, Place};
use super::files::Role;
use super::template::{Templates, yaml_value};
use super::yaml::{Entry, Node, Reader, Value};

/// The file's name.
const FILE: &str = "dbt_project.yml";

/// Keys that are read or that only steer dbt itself.
const KEYS: [&str; 40] = [
    "name",
    "version",
    "config-version",
    "profile",
    "model-paths",
    "seed-paths",
    "test-paths",
    "analysis-paths",
    "macro-paths",
    "snapshot-paths",
    "docs-paths",
    "asset-paths",
    "function-paths",
    "target-path",
    "log-path",
    "packages-install-path",
    "clean-targets",
    "query-comment",
    "require-dbt-version",
    "flags",
    "dbt-cloud",
    "on-run-start",
    "on-run-end",
    "dispatch",
    "models",
    "seeds",
    "sources",
    "tests",
    "data_tests",
    "snapshots",
    "exposures",
    "metrics",
    "semantic-models",
    "saved-queries",
    "unit_tests",
    "vars",
    "quoting",
    "restrict-access",
    "packages",
    "functions",
];

/// The folders of each kind of file, relative to the root.
#[derive(Clone, Debug)]
pub(super) struct Paths(Vec<(String, Role)>);

impl Paths {
    /// Each folder with what its files are.
    pub(super) fn roles(&self) -> impl Iterator<Item = (&str, Role)> {
        self.0.iter().map(|(path, role)| (path.as_str(), *role))
    }
}

/// What `dbt_project.yml` says.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) paths: Paths,
    pub(super) variables: BTreeMap<String, TemplateValue>,
    folders: BTreeMap<Resource, Node>,
}

impl Settings {
    /// Reads the file. None: there is nothing to go on with.
    pub(super) fn read(root: &Path, templates: &Templates<'_>, errors: &mut Errors) -> Option<Self> {
        let text = match fs::read_to_string(root.join(FILE)) {
            Ok(text) => text,
            Err(error) => {
                errors.add(&Place::file(Path::new(FILE)), format!("cannot be read: {error}"));
                return None;
            }
        };
        let node = document::read(Path::new(FILE), &text, templates, errors)?;
        let mut reader = Reader { file: FILE.into(), errors };
        reader.keys(&node, "dbt_project.yml", &KEYS);
        refuse_unsupported(&node, &mut reader);
        let name = reader.name(&node, "a project")?;
        let variables = variables(&node, &name, &mut reader);
        let paths = paths(&node, &mut reader);
        let mut folders = BTreeMap::new();
        for (resource, keys) in [
            (Resource::Models, ["models", ""]),
            (Resource::Seeds, ["seeds", ""]),
            (Resource::Sources, ["sources", ""]),
            (Resource::Tests, ["tests", "data_tests"]),
        ] {
            for folder in keys.iter().filter_map(|key| node.key(key)) {
                check(folder, resource, &mut reader);
                folders.insert(resource, folder.clone());
            }
        }
        Some(Self { name, paths, variables, folders })
    }

    /// What the file says about one resource: `names` are its folders and its own name.
    pub(super) fn configure(&self, resource: Resource, names: &[String]) -> Config {
        let mut config = Config::default();
        let mut level = self.folders.get(&resource);
        let mut names = std::iter::once(&self.name).chain(names);
        while let Some(node) = level {
            for entry in node.entries().iter().filter(|entry| is_setting(entry)) {
                let key = entry.key.trim_start_matches('+').trim().replace('-', "_");
                config.set(&key, entry.node.clone(), Place::new(FILE, entry.line));
            }
            level = names.next().and_then(|name| node.key(name));
        }
        config
    }

    /// Says which folders of the configuration are about nothing: `known` are all names that `configure` was asked.
    pub(super) fn unused(&self, resource: Resource, known: &[Vec<String>]) -> Vec<String> {
        let node = self.folders.get(&resource);
        node.map(|node| self.idle(node, &mut Vec::new(), known)).unwrap_or_default()
    }

    fn idle(&self, node: &Node, path: &mut Vec<String>, known: &[Vec<String>]) -> Vec<String> {
        let mut warnings = Vec::new();
        for entry in node.entries().iter().filter(|entry| !is_setting(entry)) {
            path.push(entry.key.clone());
            let begins =
                |names: &Vec<String>| path.first() == Some(&self.name) && names.get(..path.len() - 1) == path.get(1..);
            if known.iter().any(begins) {
                warnings.extend(self.idle(&entry.node, path, known));
            } else {
                let what = path.join(".");
                warnings.push(format!("{FILE}:{}: the configuration of \"{what}\" is about nothing", entry.line));
            }
            path.pop();
        }
        warnings
    }
}

/// As dbt decides it: a key with `+`, or one whose value is no map.
fn is_setting(entry: &Entry) -> bool {
    entry.key.starts_with('+') || !matches!(entry.node.value, Value::Map(_) | Value::Null)
}

fn check(node: &Node, resource: Resource, reader: &mut Reader<'_>) {
    for entry in node.entries() {
        if is_setting(entry) {
            accept(resource, &entry.key, &entry.node, (entry.line, reader));
        } else {
            check(&entry.node, resource, reader);
        }
    }
}

/// Refuses what would change results and is not done.
fn refuse_unsupported(node: &Node, reader: &mut Reader<'_>) {
    for key in ["on-run-start", "on-run-end", "packages"] {
        if let Some(entry) = node.entries().iter().find(|entry| entry.key == key && !entry.node.is_empty()) {
            reader.refuse(entry.line, format!("{key} is not supported"));
        }
    }
    let own = node.key("name").and_then(Node::text).unwrap_or_default();
    for dispatch in node.key("dispatch").into_iter().flat_map(Node::elements) {
        for package in dispatch.key("search_order").into_iter().flat_map(Node::elements) {
            let name = package.text().unwrap_or_default();
            if name != own && name != "dbt" {
                reader.refuse(package.line, format!("dispatch to package \"{name}\": packages are not supported"));
            }
        }
    }
}

/// The variables: those under the project's name win over those for all.
fn variables(node: &Node, name: &str, reader: &mut Reader<'_>) -> BTreeMap<String, TemplateValue> {
    let Some(vars) = node.key("vars") else { return BTreeMap::new() };
    if !matches!(vars.value, Value::Map(_) | Value::Null) {
        reader.refuse(vars.line, "vars must be a map of keys");
    }
    let own = vars.key(name).filter(|node| matches!(node.value, Value::Map(_)));
    let all = vars.entries().iter().filter(|entry| own.is_none() || entry.key != name);
    let own = own.into_iter().flat_map(Node::entries);
    all.chain(own).map(|entry| (entry.key.clone(), yaml_value(&entry.node))).collect()
}

fn paths(node: &Node, reader: &mut Reader<'_>) -> Paths {
    let mut paths = Vec::new();
    for (key, default, role) in [
        ("model-paths", "models", Role::Models),
        ("seed-paths", "seeds", Role::Seeds),
        ("test-paths", "tests", Role::Tests),
        ("macro-paths", "macros", Role::Macros),
        ("snapshot-paths", "snapshots", Role::Snapshots),
        ("analysis-paths", "analyses", Role::Documents),
        ("docs-paths", "docs", Role::Documents),
    ] {
        let Some(given) = node.key(key) else {
            paths.push((default.to_owned(), role));
            continue;
        };
        for path in reader.texts(given, key) {
            let inside =
                Path::new(&path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
            if inside {
                paths.push((path, role));
            } else {
                reader.refuse(given.line, format!("{key}: \"{path}\" leads out of the project"));
            }
        }
    }
    Paths(paths)
}

//! A `.yml` file of the project: parsed, its Jinja rendered, refused as a whole only where it is no YAML.

use std::path::Path;

use super::error::{Errors, Place};
use super::template::{Subject, Templates, is_template, value_node};
use super::yaml::{self, Node, Value};

/// Keys whose texts are rendered later, with what they are about, or never.
const LATER: [&str; 9] = [
    "description",
    "tests",
    "data_tests",
    "vars",
    "on-run-start",
    "on-run-end",
    "query-comment",
    "pre-hook",
    "post-hook",
];

/// Reads a file's text. None: it is no YAML, and that has been noted.
pub(super) fn read(path: &Path, text: &str, templates: &Templates<'_>, errors: &mut Errors) -> Option<Node> {
    match yaml::parse(text) {
        Ok(mut node) => {
            render(&mut node, path, templates, errors);
            Some(node)
        }
        Err((line, message)) => {
            errors.add(&Place::new(path, line.max(1)), message);
            None
        }
    }
}

/// Renders all texts of a node.
pub(super) fn render(node: &mut Node, path: &Path, templates: &Templates<'_>, errors: &mut Errors) {
    match &mut node.value {
        Value::Text(text) if is_template(text) => {
            let subject = Subject { place: Place::new(path, node.line), ..Subject::default() };
            match templates.render_value(text, &subject) {
                Ok((value, _)) => node.value = value_node(&value, node.line).value,
                Err(error) => errors.0.push(error),
            }
        }
        Value::List(elements) => {
            for element in elements {
                render(element, path, templates, errors);
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                // A map under `tests` in dbt_project.yml is configuration, and rendered; a list is tests.
                let later = LATER.contains(&entry.key.as_str());
                if !later || (entry.key.ends_with("tests") && matches!(entry.node.value, Value::Map(_))) {
                    render(&mut entry.node, path, templates, errors);
                }
            }
        }
        _ => {}
    }
}

//! YAML with places: every key and value knows its line, so that every refusal can name one.

use std::path::PathBuf;

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

use super::error::{Errors, Place, suggestion};

/// A value and the line it begins on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

/// What YAML can say, as `PyYAML` (and so dbt) reads it: `yes` and `off` are booleans.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) node: Node,
}

impl Node {
    /// The value of a key, if this is a map that has it.
    pub(super) fn key(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The entries; none if this is no map.
    pub(super) fn entries(&self) -> &[Entry] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The elements; none if this is no list.
    pub(super) fn elements(&self) -> &[Self] {
        if let Value::List(elements) = &self.value { elements } else { &[] }
    }

    /// Whether nothing is said: null, or an empty list, map or text.
    pub(super) fn is_empty(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Text(text) => text.trim().is_empty(),
            Value::List(elements) => elements.is_empty(),
            Value::Map(entries) => entries.is_empty(),
            _ => false,
        }
    }

    /// A scalar as Python prints it; none for null, lists and maps.
    pub(super) fn text(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(text.clone()),
            Value::Bool(yes) => Some(if *yes { "True" } else { "False" }.to_owned()),
            Value::Integer(number) => Some(number.to_string()),
            Value::Float(number) => Some(format!("{number:?}")),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }
}

/// Reads the one document of a file; an empty file is null. The error is a line and what is wrong there.
pub(super) fn parse(text: &str) -> Result<Node, (usize, String)> {
    let documents = MarkedYaml::load_from_str(text)
        .map_err(|error| (error.marker().line(), format!("invalid YAML: {}", error.info())))?;
    let lines: Vec<&str> = text.lines().collect();
    match documents.as_slice() {
        [] => Ok(Node { line: 1, value: Value::Null }),
        [document] => convert(document, &lines),
        [_, second, ..] => Err((second.span.start.line(), "a second YAML document".to_owned())),
    }
}

fn convert(node: &MarkedYaml<'_>, lines: &[&str]) -> Result<Node, (usize, String)> {
    let line = node.span.start.line().max(1);
    let value = match &node.data {
        YamlData::Value(scalar) => convert_scalar(scalar, node, lines),
        YamlData::Sequence(elements) => {
            Value::List(elements.iter().map(|element| convert(element, lines)).collect::<Result<_, _>>()?)
        }
        YamlData::Mapping(entries) => {
            let mut converted = Vec::new();
            for (key, node) in entries {
                add_entry(&mut converted, key, convert(node, lines)?)?;
            }
            Value::Map(converted)
        }
        YamlData::Tagged(_, _) => return Err((line, "a YAML tag".to_owned())),
        YamlData::BadValue | YamlData::Representation(..) | YamlData::Alias(_) => Value::Null,
    };
    Ok(Node { line, value })
}

/// Adds a key, or for `<<` the keys of another map that are not there yet.
fn add_entry(entries: &mut Vec<Entry>, key: &MarkedYaml<'_>, node: Node) -> Result<(), (usize, String)> {
    let line = key.span.start.line().max(1);
    let name = match &key.data {
        YamlData::Value(scalar) => match scalar {
            Scalar::String(text) => text.to_string(),
            Scalar::Integer(number) => number.to_string(),
            Scalar::Boolean(yes) => yes.to_string(),
            Scalar::FloatingPoint(number) => number.to_string(),
            Scalar::Null => "null".to_owned(),
        },
        _ => return Err((line, "a key that is no text".to_owned())),
    };
    if name != "<<" {
        entries.retain(|entry| entry.key != name);
        entries.push(Entry { key: name, line, node });
        return Ok(());
    }
    let merged: Vec<&Node> = match &node.value {
        Value::List(maps) => maps.iter().collect(),
        _ => vec![&node],
    };
    for entry in merged.iter().flat_map(|map| map.entries()) {
        if !entries.iter().any(|known| known.key == entry.key) {
            entries.push(entry.clone());
        }
    }
    Ok(())
}

fn convert_scalar(scalar: &Scalar<'_>, node: &MarkedYaml<'_>, lines: &[&str]) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(yes) => Value::Bool(*yes),
        Scalar::Integer(number) => Value::Integer(*number),
        Scalar::FloatingPoint(number) => Value::Float(**number),
        Scalar::String(text) => match text.as_ref() {
            "yes" | "Yes" | "YES" | "on" | "On" | "ON" if is_plain(node, lines) => Value::Bool(true),
            "no" | "No" | "NO" | "off" | "Off" | "OFF" if is_plain(node, lines) => Value::Bool(false),
            text => Value::Text(text.to_owned()),
        },
    }
}

/// Whether a scalar stands without quotes.
fn is_plain(node: &MarkedYaml<'_>, lines: &[&str]) -> bool {
    let (line, column) = (node.span.start.line(), node.span.start.col());
    let first = lines.get(line.wrapping_sub(1)).and_then(|text| text.chars().nth(column));
    first.is_some_and(|letter| letter.is_ascii_alphabetic())
}

/// Reads typed values of one file, and notes what is not of the expected type.
pub(super) struct Reader<'a> {
    pub(super) file: PathBuf,
    pub(super) errors: &'a mut Errors,
}

impl Reader<'_> {
    /// A line of this file.
    pub(super) fn place(&self, line: usize) -> Place {
        Place::new(self.file.clone(), line)
    }

    /// Notes a problem.
    pub(super) fn refuse(&mut self, line: usize, message: impl Into<String>) {
        let place = self.place(line);
        self.errors.add(&place, message);
    }

    /// Refuses every key of a map that is not known, and a value that is no map.
    pub(super) fn keys(&mut self, node: &Node, what: &str, known: &[&str]) {
        if !matches!(node.value, Value::Map(_) | Value::Null) {
            self.refuse(node.line, format!("{what} must be a map of keys"));
        }
        for entry in node.entries() {
            if !known.contains(&entry.key.as_str()) {
                let hint = suggestion(&entry.key, known.iter().copied());
                self.refuse(entry.line, format!("unknown key \"{}\" in {what}{hint}", entry.key));
            }
        }
    }

    /// The elements of a list; notes anything else but null.
    pub(super) fn list<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        if !matches!(node.value, Value::List(_) | Value::Null) {
            self.refuse(node.line, format!("{what} must be a list"));
        }
        node.elements()
    }

    /// A text; numbers and booleans count as text.
    pub(super) fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = node.text();
        if text.is_none() && node.value != Value::Null {
            self.refuse(node.line, format!("{what} must be a text"));
        }
        text
    }

    /// The text of a key that must be there, as the name of something.
    pub(super) fn name(&mut self, node: &Node, what: &str) -> Option<String> {
        let Some(name) = node.key("name").filter(|name| !name.is_empty()) else {
            self.refuse(node.line, format!("{what} without a name"));
            return None;
        };
        self.text(name, "name")
    }

    /// A boolean; a text `true` or `false` (as Jinja renders one) counts.
    pub(super) fn bool(&mut self, node: &Node, what: &str) -> Option<bool> {
        match (&node.value, node.text().unwrap_or_default().to_lowercase().as_str()) {
            (Value::Null, _) => None,
            (Value::Bool(yes), _) => Some(*yes),
            (Value::Text(_), "true") => Some(true),
            (Value::Text(_), "false") => Some(false),
            (_, text) => {
                self.refuse(node.line, format!("{what} must be true or false, not \"{text}\""));
                None
            }
        }
    }

    /// A text or a list of texts.
    pub(super) fn texts(&mut self, node: &Node, what: &str) -> Vec<String> {
        match &node.value {
            Value::Null => Vec::new(),
            Value::List(elements) => elements.iter().filter_map(|element| self.text(element, what)).collect(),
            _ => self.text(node, what).into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_knows_its_line() {
        let node = parse("a: 1\nb:\n  - c: yes\n    d: 'yes'\n").unwrap();
        let element = &node.key("b").unwrap().elements()[0];
        assert_eq!(element.entries().iter().map(|entry| entry.line).collect::<Vec<_>>(), [3, 4]);
        assert_eq!(element.key("c").unwrap().value, Value::Bool(true));
        assert_eq!(element.key("d").unwrap().value, Value::Text("yes".to_owned()));
    }

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        let (line, message) = parse("a: 1\na: 2\n").unwrap_err();
        assert_eq!(line, 2, "{message}");
    }

    #[test]
    fn merge_keys_add_what_is_missing() {
        let node = parse("x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\n").unwrap();
        let merged = node.key("y").unwrap();
        assert_eq!(merged.key("a").unwrap().value, Value::Integer(1));
        assert_eq!(merged.key("b").unwrap().value, Value::Integer(3));
    }
}

//! JSON in templates, written as Python's `json.dumps` writes it, and YAML values as template values.

use minijinja::value::ValueKind;
use minijinja::{Error, Value};

use super::collection::{Dict, List};
use super::scope::refused;
use crate::project::yaml;

/// `tojson`.
pub(super) fn to_json(value: &Value) -> Result<String, Error> {
    Ok(match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            let elements = value.try_iter()?.map(|element| to_json(&element)).collect::<Result<Vec<_>, _>>()?;
            format!("[{}]", elements.join(", "))
        }
        ValueKind::Map => {
            let mut pairs = Vec::new();
            for key in value.try_iter()? {
                let text = serde_json::Value::String(key.to_string());
                pairs.push(format!("{text}: {}", to_json(&value.get_item(&key)?)?));
            }
            format!("{{{}}}", pairs.join(", "))
        }
        ValueKind::None | ValueKind::Bool | ValueKind::Number | ValueKind::String => {
            serde_json::to_string(value).map_err(|error| refused(format!("tojson: {error}")))?
        }
        kind => return Err(refused(format!("tojson of a {kind}"))),
    })
}

/// `fromjson`.
pub(super) fn from_json(text: &str, default: Option<Value>) -> Result<Value, Error> {
    match (serde_json::from_str::<serde_json::Value>(text), default) {
        (Ok(json), _) => Ok(json_value(&json)),
        (Err(_), Some(default)) => Ok(default),
        (Err(error), None) => Err(refused(format!("fromjson: {error}"))),
    }
}

fn json_value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Array(elements) => List::value(elements.iter().map(json_value).collect()),
        serde_json::Value::Object(pairs) => {
            Dict::value(pairs.iter().map(|(key, value)| (Value::from(key.as_str()), json_value(value))).collect())
        }
        scalar => Value::from_serialize(scalar),
    }
}

/// A value of a `.yml` file.
pub(in crate::project) fn yaml_value(node: &yaml::Node) -> Value {
    match &node.value {
        yaml::Value::Null => Value::from(()),
        yaml::Value::Bool(yes) => Value::from(*yes),
        yaml::Value::Integer(number) => Value::from(*number),
        yaml::Value::Float(number) => Value::from(*number),
        yaml::Value::Text(text) => Value::from(text.as_str()),
        yaml::Value::List(elements) => List::value(elements.iter().map(yaml_value).collect()),
        yaml::Value::Map(entries) => Dict::value(
            entries.iter().map(|entry| (Value::from(entry.key.as_str()), yaml_value(&entry.node))).collect(),
        ),
    }
}

/// A value that a template gave, as if it stood in a `.yml` file on that line.
pub(in crate::project) fn value_node(value: &Value, line: usize) -> yaml::Node {
    let converted = match value.kind() {
        ValueKind::Undefined | ValueKind::None => yaml::Value::Null,
        ValueKind::Bool => yaml::Value::Bool(value.is_true()),
        ValueKind::Number => match (value.as_i64(), f64::try_from(value.clone())) {
            (Some(number), _) => yaml::Value::Integer(number),
            (None, Ok(number)) => yaml::Value::Float(number),
            (None, Err(_)) => yaml::Value::Text(value.to_string()),
        },
        ValueKind::Seq | ValueKind::Iterable => {
            let elements = value.try_iter().into_iter().flatten();
            yaml::Value::List(elements.map(|element| value_node(&element, line)).collect())
        }
        ValueKind::Map => {
            let keys = value.try_iter().into_iter().flatten();
            let entry = |key: Value| {
                let node = value_node(&value.get_item(&key).unwrap_or_default(), line);
                yaml::Entry { key: key.to_string(), line, node }
            };
            yaml::Value::Map(keys.map(entry).collect())
        }
        _ => yaml::Value::Text(value.to_string()),
    };
    yaml::Node { line, value: converted }
}

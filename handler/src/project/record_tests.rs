//! Tests on sources: each must be answerable by one record (or, for `unique`, one object).

use super::error::{Errors, suggestion};
use super::properties::{SourceProperties, TestEntry};
use super::template::is_template;
use super::yaml::{Node, Reader, Value};
use super::{RecordCheck, RecordTest, Severity};

/// The tests that a source may have.
const TESTS: [&str; 4] = ["not_null", "unique", "accepted_values", "expression"];
/// Configuration that counts failures, which one record cannot.
const COUNTING: [&str; 3] = ["error_if", "warn_if", "fail_calc"];

/// The record tests of a source table.
pub(super) fn of(properties: &SourceProperties, errors: &mut Errors) -> Vec<RecordTest> {
    let columns = properties.columns.iter().flat_map(|column| &column.tests);
    columns.chain(&properties.tests).filter_map(|entry| test(entry, errors)).collect()
}

fn test(entry: &TestEntry, errors: &mut Errors) -> Option<RecordTest> {
    if !entry.config.enabled(errors) {
        return None;
    }
    for key in COUNTING {
        if let Some(setting) = entry.config.setting(key) {
            errors.add(&setting.place, format!("{key} is not supported on a source: each record is tested by itself"));
        }
    }
    let severity = severity(entry, errors);
    let check = check(entry, errors)?;
    let check = match entry.config.text("where", errors) {
        Some(condition) if is_template(&condition) => {
            errors.add(&entry.place, "where of a test on a source cannot hold Jinja");
            return None;
        }
        Some(condition) => conditional(check, &condition, entry, errors)?,
        None => check,
    };
    Some(RecordTest { name: entry.title(), severity, check, place: entry.place.clone() })
}

/// What a failure does: `severity`, in any case, dbt's default is `error`.
pub(super) fn severity(entry: &TestEntry, errors: &mut Errors) -> Severity {
    severity_of(&entry.config, errors)
}

/// The severity that a test's configuration states.
pub(super) fn severity_of(config: &super::configuration::Config, errors: &mut Errors) -> Severity {
    let Some(setting) = config.setting("severity") else { return Severity::Error };
    match setting.node.text().unwrap_or_default().to_lowercase().as_str() {
        "error" => Severity::Error,
        "warn" => Severity::Warn,
        other => {
            errors.add(&setting.place, format!("severity must be error or warn, not \"{other}\""));
            Severity::Error
        }
    }
}

fn check(entry: &TestEntry, errors: &mut Errors) -> Option<RecordCheck> {
    let mut reader = Reader { file: entry.place.file.clone(), errors };
    let allowed: &[&str] = match entry.test.as_str() {
        "accepted_values" => &["values", "quote"],
        "expression" => &["expression"],
        _ => &[],
    };
    for (name, node) in &entry.arguments {
        if !allowed.contains(&name.as_str()) && TESTS.contains(&entry.test.as_str()) {
            let hint = suggestion(name, allowed.iter().copied());
            reader.refuse(node.line, format!("unknown argument \"{name}\" of test {}{hint}", entry.test));
        }
    }
    match (entry.test.as_str(), entry.column.clone()) {
        ("expression", _) => expression(entry, &mut reader),
        ("not_null", Some(column)) => Some(RecordCheck::NotNull { column }),
        ("unique", Some(column)) => Some(RecordCheck::Unique { column }),
        ("accepted_values", Some(column)) => {
            let values = accepted_values(entry, &mut reader)?;
            Some(RecordCheck::AcceptedValues { column, values })
        }
        ("not_null" | "unique" | "accepted_values", None) => {
            reader.refuse(entry.place.line, format!("test {} needs a column", entry.test));
            None
        }
        (other, _) => {
            let hint = suggestion(other, TESTS);
            let message = format!(
                "test \"{other}\" on a source is not supported{hint}: a source takes {}; what looks at other tables \
                 belongs to a gold model",
                TESTS.join(", ")
            );
            reader.refuse(entry.place.line, message);
            None
        }
    }
}

fn expression(entry: &TestEntry, reader: &mut Reader<'_>) -> Option<RecordCheck> {
    let Some(node) = entry.argument("expression") else {
        reader.refuse(entry.place.line, "test expression needs an expression");
        return None;
    };
    reader.text(node, "expression")?;
    entry.condition().map(|sql| RecordCheck::Expression { sql })
}

/// The values as SQL literals: quoted, unless `quote: false`.
fn accepted_values(entry: &TestEntry, reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let Some(values) = entry.argument("values").filter(|node| !node.is_empty()) else {
        reader.refuse(entry.place.line, "test accepted_values needs values");
        return None;
    };
    let quote = entry.argument("quote").and_then(|node| reader.bool(node, "quote")).unwrap_or(true);
    let literal = |node: &Node| match (&node.value, node.text()) {
        (_, Some(text)) if quote => format!("'{}'", text.replace('\'', "''")),
        (Value::Null, _) => "null".to_owned(),
        (_, text) => text.unwrap_or_default(),
    };
    Some(reader.list(values, "values").iter().map(literal).collect())
}

/// The check where a condition holds.
fn conditional(check: RecordCheck, condition: &str, entry: &TestEntry, errors: &mut Errors) -> Option<RecordCheck> {
    let holds = match check {
        RecordCheck::NotNull { column } => format!("{column} is not null"),
        RecordCheck::AcceptedValues { column, values } => {
            format!("coalesce({column} in ({}), true)", values.join(", "))
        }
        RecordCheck::Expression { sql } => format!("coalesce(({sql}), true)"),
        RecordCheck::Unique { .. } => {
            errors.add(&entry.place, "where is not supported for unique on a source");
            return None;
        }
    };
    Some(RecordCheck::Expression { sql: format!("({condition}) is not true or {holds}") })
}

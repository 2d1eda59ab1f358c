//! The guard: SQL of a project (or of `query`) is one SELECT that names nothing but its own relations.
//!
//! `DuckDB`'s own sandbox closes the doors to the machine; this one looks at the syntax tree before anything runs, and also
//! keeps out what would make a result depend on more than its inputs.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::engine::Engine;
use crate::error::{Error, Result};

/// Table functions that read nothing.
const TABLE_FUNCTIONS: [&str; 4] = ["unnest", "range", "generate_series", "repeat_row"];

/// Functions whose value is not a function of their arguments (checked against `duckdb_functions()` in a test).
pub const VOLATILE: [&str; 35] = [
    "now",
    "ago",
    "today",
    "current_date",
    "get_current_time",
    "get_current_timestamp",
    "transaction_timestamp",
    "random",
    "uuid",
    "gen_random_uuid",
    "uuidv4",
    "uuidv7",
    "nextval",
    "currval",
    "setseed",
    "txid_current",
    "current_setting",
    "getvariable",
    "getenv",
    "version",
    "current_database",
    "current_catalog",
    "current_schema",
    "current_schemas",
    "in_search_path",
    "current_query",
    "current_query_id",
    "current_connection_id",
    "current_transaction_id",
    "write_log",
    "sleep_ms",
    "pg_sleep",
    "pg_conf_load_time",
    "pg_postmaster_start_time",
    "stats",
];

/// Column names that `DuckDB` takes for a volatile function where no such column exists.
const VOLATILE_WORDS: [&str; 5] = ["current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"];

/// Said of everything else.
const NO_SELECT: &str = "one SELECT is expected, this is another statement";

/// What a statement may name, and whether it must always give the same.
pub struct Rules<'a> {
    /// Relations as `zone.name`, lower case.
    pub relations: &'a BTreeSet<String>,
    /// Refuse volatile functions and samples.
    pub stable: bool,
}

/// Refuses everything but one SELECT over the given relations; returns its syntax tree.
///
/// # Errors
/// [`Error::Refused`] names what is refused; [`Error::Sql`] when the text is no SQL.
pub fn admit(engine: &Engine, what: &str, sql: &str, rules: &Rules<'_>) -> Result<Arc<Value>> {
    let tree = engine.syntax_tree(what, sql)?;
    if tree.get("error").and_then(Value::as_bool) == Some(true) {
        let message = tree.get("error_message").and_then(Value::as_str).unwrap_or(NO_SELECT);
        return Err(refused(what, if message.starts_with("Only SELECT statements") { NO_SELECT } else { message }));
    }
    let statements = tree.get("statements").and_then(Value::as_array).map_or(0, Vec::len);
    if statements != 1 {
        return Err(refused(what, &format!("one SELECT is expected, here are {statements} statements")));
    }
    Walk { what, rules }.node(&tree, &BTreeSet::new())?;
    Ok(tree)
}

fn refused(what: &str, reason: &str) -> Error {
    Error::Refused { what: what.to_owned(), reason: reason.to_owned() }
}

/// The names that WITH gives at a node. A name that could be a file's is none: `DuckDB` would look for the file where the
/// WITH does not reach.
fn common_tables(fields: &serde_json::Map<String, Value>) -> Vec<String> {
    let entries = fields.get("cte_map").and_then(|map| map.get("map")).and_then(Value::as_array);
    let keys = entries.into_iter().flatten().filter_map(|entry| entry.get("key"));
    // A recursive one is a node of its own.
    let all = keys.chain(fields.get("ctename").or(fields.get("cte_name"))).filter_map(Value::as_str);
    all.filter(|name| !name.contains(['.', '/', ':'])).map(str::to_lowercase).collect()
}

struct Walk<'a> {
    what: &'a str,
    rules: &'a Rules<'a>,
}

impl Walk<'_> {
    /// `scope` holds the names that WITH gives around the node.
    fn node(&self, node: &Value, scope: &BTreeSet<String>) -> Result<()> {
        match node {
            Value::Array(items) => items.iter().try_for_each(|item| self.node(item, scope)),
            Value::Object(fields) => {
                match fields.get("type").and_then(Value::as_str) {
                    Some("BASE_TABLE") => self.base_table(node, scope)?,
                    Some("TABLE_FUNCTION") => self.table_function(node)?,
                    Some("FUNCTION") => self.function(node)?,
                    Some("SHOW_REF") if self.rules.stable => {
                        return Err(refused(self.what, "DESCRIBE, SHOW and SUMMARIZE are for `query`"));
                    }
                    Some("COLUMN_REF") => self.column(node)?,
                    _ => {}
                }
                if self.rules.stable && fields.get("sample").is_some_and(|sample| !sample.is_null()) {
                    return Err(refused(self.what, "a sample gives other rows each time"));
                }
                let given = common_tables(fields);
                let inner: BTreeSet<String> = scope.iter().cloned().chain(given).collect();
                fields.values().try_for_each(|value| self.node(value, &inner))
            }
            _ => Ok(()),
        }
    }

    fn base_table(&self, node: &Value, scope: &BTreeSet<String>) -> Result<()> {
        let text = |field: &str| node.get(field).and_then(Value::as_str).unwrap_or_default().to_lowercase();
        let (catalog, zone, name) = (text("catalog_name"), text("schema_name"), text("table_name"));
        let full = format!("{zone}.{name}");
        let known = match zone.as_str() {
            // A person may leave the zone out; in a project only WITH gives bare names.
            "" if !self.rules.stable => {
                let zones = ["silver", "gold", "seeds"];
                scope.contains(&name)
                    || zones.iter().any(|zone| self.rules.relations.contains(&format!("{zone}.{name}")))
            }
            "" => scope.contains(&name),
            _ => self.rules.relations.contains(&full),
        };
        if known && catalog.is_empty() {
            return Ok(());
        }
        let full = [catalog, zone, name].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".");
        let reason = if self.rules.stable {
            format!("{full:?} is none of its relations; name tables with ref() and source()")
        } else {
            format!("{full:?} is none of its relations; `pintail tables` lists those of the lake")
        };
        Err(refused(self.what, &reason))
    }

    fn table_function(&self, node: &Value) -> Result<()> {
        let name = function_name(node.get("function").unwrap_or(&Value::Null));
        if TABLE_FUNCTIONS.contains(&name.as_str()) {
            return Ok(());
        }
        Err(refused(self.what, &format!("table function {name} is refused: SQL reads nothing but its own relations")))
    }

    fn function(&self, node: &Value) -> Result<()> {
        let name = function_name(node);
        // With one argument it counts from today.
        let since_today =
            name == "age" && node.get("children").and_then(Value::as_array).is_some_and(|children| children.len() == 1);
        self.volatile(&name, if since_today { &["age"] } else { &VOLATILE })
    }

    fn column(&self, node: &Value) -> Result<()> {
        match node.get("column_names").and_then(Value::as_array).map(Vec::as_slice) {
            Some([Value::String(name)]) => self.volatile(&name.to_lowercase(), &VOLATILE_WORDS),
            _ => Ok(()),
        }
    }

    fn volatile(&self, name: &str, list: &[&str]) -> Result<()> {
        if self.rules.stable && list.contains(&name) {
            let reason =
                format!("{name} gives another value each time; use {{{{ run_started_at }}}}, the time of the refresh");
            return Err(refused(self.what, &reason));
        }
        Ok(())
    }
}

fn function_name(node: &Value) -> String {
    node.get("function_name").and_then(Value::as_str).unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::VOLATILE;
    use crate::engine::Engine;
    use crate::lake::{Address, Lake, Scratch};
    use crate::settings::Settings;

    #[test]
    fn every_volatile_function_of_duckdb_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::open(
            &Lake::open(&Address::folder(folder.path()), &Scratch::default(), None).unwrap(),
            &Settings::default(),
            1,
        )
        .unwrap();
        let known: Vec<String> = VOLATILE.iter().map(|name| format!("'{name}'")).collect();
        // `error` fails with the same text each time.
        let sql = format!(
            "SELECT coalesce(string_agg(DISTINCT function_name), '') FROM duckdb_functions() WHERE function_type IN ('scalar', 'macro') \
             AND (stability <> 'CONSISTENT' OR macro_definition SIMILAR TO '.*(current_timestamp|current_date|now\\().*') \
             AND function_name NOT IN ('error', {})",
            known.join(", ")
        );
        let (_, batches) = engine.collect("volatile functions", &sql).unwrap();
        let found = arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string();
        assert_eq!(found.lines().nth(3).map(|line| line.trim_matches(['|', ' '])), Some(""), "{found}");
    }
}

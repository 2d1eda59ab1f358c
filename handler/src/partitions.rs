//! Which partitions of a gold table have to be computed anew, where its SQL is of a shape that proves that they do not
//! depend on each other; else all of it.
//!
//! The shape: one SELECT whose rows come from one partitioned input (alone, or joined so that each of its rows stays
//! in its partition), where the gold partition columns are that input's partition columns, and groups include them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::error::Result;
use crate::inputs::{Inputs, Pinned, Upstream, full_name};
use crate::snapshot::Snapshot;

type Partition = BTreeMap<String, Option<String>>;

/// The partitions of one input, and of the gold table, that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The input, as `zone.name`.
    pub table: String,
    /// Gold partition column to the input's.
    pub columns: BTreeMap<String, String>,
    /// The changed values of the input's columns.
    pub partitions: BTreeSet<Partition>,
}

impl Scope {
    /// Whether a file of the input belongs to the scope.
    pub fn holds(&self, partition: &Partition) -> bool {
        self.partitions.contains(&pick(partition, self.columns.values()))
    }

    /// Whether a file of the gold table belongs to the scope.
    pub fn covers(&self, partition: &Partition) -> bool {
        let of_input =
            self.columns.iter().map(|(gold, input)| (input.clone(), partition.get(gold).cloned().flatten())).collect();
        self.partitions.contains(&of_input)
    }
}

fn pick<'a>(partition: &Partition, columns: impl Iterator<Item = &'a String>) -> Partition {
    columns.map(|column| (column.clone(), partition.get(column).cloned().flatten())).collect()
}

/// What has to be computed anew; `None` for everything.
///
/// # Errors
/// As [`crate::table::Table::touched`].
pub async fn scope(
    upstream: &Upstream<'_>,
    tree: &Value,
    (former, recorded, pinned): (&Snapshot, Option<Inputs>, &Pinned),
) -> Result<Option<Scope>> {
    let Some(recorded) = recorded else { return Ok(None) };
    let same_sql = recorded.sql == pinned.inputs.sql && recorded.seeds == pinned.inputs.seeds;
    // A model that names the time of the refresh has another text each time.
    let timeless = upstream.model.sql == upstream.model.stable_sql;
    if !same_sql
        || !timeless
        || upstream.model.partition_by.is_empty()
        || former.partition_by != upstream.model.partition_by
    {
        return Ok(None);
    }
    let changed: Vec<&String> = pinned
        .inputs
        .tables
        .iter()
        .filter(|(name, now)| recorded.tables.get(*name) != Some(now))
        .map(|(name, _)| name)
        .collect();
    let ([name], true) = (changed.as_slice(), recorded.tables.len() == pinned.inputs.tables.len()) else {
        return Ok(None);
    };
    let (Some(Some((old_id, from))), Some((table, Some(now)))) = (recorded.tables.get(*name), pinned.tables.get(*name))
    else {
        return Ok(None);
    };
    if now.id != *old_id || now.version < *from {
        return Ok(None);
    }
    // Behind a view the whole input is wanted.
    if upstream.views.iter().flat_map(|view| &view.relations).any(|read| full_name(read) == **name) {
        return Ok(None);
    }
    let Some(columns) = independent(tree, name, (&upstream.model.partition_by, &now.partition_by)) else {
        return Ok(None);
    };
    let Some(touched) = table.touched(*from, now.version).await? else { return Ok(None) };
    // Before the input was partitioned by these columns, its log does not tell; and 0.0 and -0.0 are one group.
    let told = touched.iter().all(|partition| columns.values().all(|column| partition.contains_key(column)));
    let is_float =
        |column: &String| now.schema.field_with_name(column).is_ok_and(|field| field.data_type().is_floating());
    if !told || columns.values().any(is_float) {
        return Ok(None);
    }
    let partitions = touched.iter().map(|partition| pick(partition, columns.values())).collect();
    Ok(Some(Scope { table: (*name).clone(), columns, partitions }))
}

/// The input's column of each gold partition column, if the SQL proves that partitions are independent.
fn independent(tree: &Value, table: &str, (gold, input): (&[String], &[String])) -> Option<BTreeMap<String, String>> {
    let select = tree.get("statements")?.get(0)?.get("node")?;
    // The table must stand once in the whole statement, at a place that keeps its rows.
    if occurrences(tree, table) != 1 || !is_plain_select(select) {
        return None;
    }
    let alias = preserved(select.get("from_table")?, table)?;
    let columns: Option<BTreeMap<String, String>> =
        gold.iter().map(|column| Some((column.clone(), input_column(select, column, (&alias, input))?))).collect();
    let columns = columns?;
    groups_include(select, &columns).then_some(columns)
}

fn is_plain_select(select: &Value) -> bool {
    let empty = |field: &str| {
        select.get(field).is_none_or(|value| value.is_null() || value.as_array().is_some_and(Vec::is_empty))
    };
    let only_order = select.get("modifiers").and_then(Value::as_array).is_none_or(|modifiers| {
        modifiers.iter().all(|modifier| modifier.get("type").and_then(Value::as_str) == Some("ORDER_MODIFIER"))
    });
    let common_tables = select
        .get("cte_map")
        .and_then(|map| map.get("map"))
        .and_then(Value::as_array)
        .is_some_and(|map| !map.is_empty());
    select.get("type").and_then(Value::as_str) == Some("SELECT_NODE")
        && only_order
        && !common_tables
        && empty("qualify")
        && empty("sample")
        && !contains(select.get("select_list"), "STAR")
        && !contains(select.get("select_list"), "WINDOW")
        && !contains(select.get("select_list"), "SUBQUERY")
}

fn contains(node: Option<&Value>, class: &str) -> bool {
    match node {
        Some(Value::Object(fields)) => {
            fields.get("class").and_then(Value::as_str) == Some(class)
                || fields.values().any(|value| contains(Some(value), class))
        }
        Some(Value::Array(items)) => items.iter().any(|item| contains(Some(item), class)),
        _ => false,
    }
}

fn base_table(node: &Value) -> Option<String> {
    let text = |field: &str| node.get(field).and_then(Value::as_str);
    (text("type") == Some("BASE_TABLE"))
        .then(|| format!("{}.{}", text("schema_name").unwrap_or(""), text("table_name").unwrap_or("")))
}

/// How often a table is read, under any spelling of its name.
pub fn occurrences(node: &Value, table: &str) -> usize {
    match node {
        Value::Object(fields) => {
            let spelled = |full: &String| {
                full.eq_ignore_ascii_case(table)
                    || full
                        .strip_prefix('.')
                        .is_some_and(|name| table.to_lowercase().ends_with(&format!(".{}", name.to_lowercase())))
            };
            usize::from(base_table(node).as_ref().is_some_and(spelled))
                + fields.values().map(|value| occurrences(value, table)).sum::<usize>()
        }
        Value::Array(items) => items.iter().map(|item| occurrences(item, table)).sum(),
        _ => 0,
    }
}

/// The name under which the table's rows are seen, if every row of the FROM clause belongs to one of them.
pub fn preserved(from: &Value, table: &str) -> Option<String> {
    let text = |node: &Value, field: &str| node.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    if base_table(from).as_deref() == Some(table) {
        if from.get("column_name_alias").and_then(Value::as_array).is_some_and(|names| !names.is_empty()) {
            return None;
        }
        let alias = text(from, "alias");
        return Some(if alias.is_empty() { text(from, "table_name") } else { alias });
    }
    if text(from, "type") != "JOIN" || !matches!(text(from, "ref_type").as_str(), "REGULAR" | "CROSS") {
        return None;
    }
    let (left, right) = (from.get("left")?, from.get("right")?);
    match text(from, "join_type").as_str() {
        "INNER" => preserved(left, table).or_else(|| preserved(right, table)),
        "LEFT" => preserved(left, table),
        _ => None,
    }
}

/// The input's partition column behind a result column: a bare reference, qualified or the only one of that name.
fn input_column(select: &Value, column: &str, (alias, input): (&str, &[String])) -> Option<String> {
    let mut found =
        select.get("select_list")?.as_array()?.iter().filter(|item| result_name(item).eq_ignore_ascii_case(column));
    let item = found.next().filter(|_| found.next().is_none())?;
    let name = referenced(item, alias, is_join(select))?;
    input.iter().find(|partition| partition.eq_ignore_ascii_case(&name)).cloned()
}

/// Whether a SELECT reads more than one relation.
pub fn is_join(select: &Value) -> bool {
    select.get("from_table").and_then(|from| from.get("type")).and_then(Value::as_str) == Some("JOIN")
}

fn result_name(item: &Value) -> String {
    let alias = item.get("alias").and_then(Value::as_str).unwrap_or_default();
    if !alias.is_empty() {
        return alias.to_owned();
    }
    let names = item.get("column_names").and_then(Value::as_array);
    names.and_then(|names| names.last()).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The column of `alias` that an expression is; in a join only a qualified name tells.
pub fn referenced(item: &Value, alias: &str, qualified_only: bool) -> Option<String> {
    if item.get("class").and_then(Value::as_str) != Some("COLUMN_REF") {
        return None;
    }
    let names: Vec<&str> = item.get("column_names")?.as_array()?.iter().filter_map(Value::as_str).collect();
    match names.as_slice() {
        [name] if !qualified_only => Some((*name).to_owned()),
        [table, name] if table.eq_ignore_ascii_case(alias) => Some((*name).to_owned()),
        _ => None,
    }
}

/// Without groups and aggregates each row stands for itself; else the groups must include every partition column.
fn groups_include(select: &Value, columns: &BTreeMap<String, String>) -> bool {
    let list = select.get("select_list").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_auto = select.get("aggregate_handling").and_then(Value::as_str) == Some("FORCE_AGGREGATES");
    let groups = select.get("group_expressions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let sets = select.get("group_sets").and_then(Value::as_array).map_or(0, Vec::len);
    if is_auto {
        // GROUP BY ALL groups by every column that is no aggregate; a bare column is none.
        return true;
    }
    if groups.is_empty() {
        return !list.iter().any(|item| contains(Some(item), "FUNCTION"))
            && select.get("having").is_none_or(Value::is_null);
    }
    let is_group = |gold: &String| {
        groups.iter().any(|group| {
            let by_position = group.get("value").and_then(|value| value.get("value")).and_then(Value::as_u64);
            let position = by_position
                .and_then(|position| usize::try_from(position).ok())
                .and_then(|position| list.get(position.checked_sub(1)?));
            let expression = position.unwrap_or(group);
            result_name(expression).eq_ignore_ascii_case(gold)
                || list.iter().any(|item| {
                    result_name(item).eq_ignore_ascii_case(gold)
                        && item.get("column_names") == expression.get("column_names")
                        && item.get("column_names").is_some()
                })
        })
    };
    sets == 1 && columns.keys().all(is_group)
}

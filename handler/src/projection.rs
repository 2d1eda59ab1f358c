//! Projection: which columns of its inputs a SELECT reads, so that no others are fetched. `DuckDB`'s own plan tells, made
//! over empty files of the same columns.

use std::collections::BTreeSet;

use arrow::datatypes::Schema;
use serde_json::Value;

/// Columns by name, of all inputs together: one that is read of one of them is fetched of all that have it.
pub type Columns = BTreeSet<String>;

/// What a plan reads of columns with these schemas; `None` where it does not tell.
///
/// Source: `EXPLAIN (FORMAT json)` of `DuckDB` 1.5: a scan lists what it hands on as `Projections` (a field of a struct with
/// a point), and what it only compares in the text of its `Filters`.
pub fn columns(plan: &Value, schemas: &[&Schema]) -> Option<Columns> {
    let names: BTreeSet<&str> =
        schemas.iter().flat_map(|schema| schema.fields()).map(|field| field.name().as_str()).collect();
    let mut read = Columns::new();
    let mut scans = Vec::new();
    find_scans(plan, &mut scans);
    for scan in scans {
        for projection in texts(scan.get("Projections")?) {
            let is_of = |name: &&&str| {
                projection == **name || projection.strip_prefix(**name).is_some_and(|field| field.starts_with('.'))
            };
            let mut found = names.iter().filter(is_of).peekable();
            // Not a name: it is told in another way than is known here.
            found.peek()?;
            read.extend(found.map(|name| (*name).to_owned()));
        }
        let filters = scan.get("Filters").map(texts).unwrap_or_default().concat();
        read.extend(names.iter().filter(|name| filters.contains(**name)).map(|name| (*name).to_owned()));
    }
    Some(read)
}

/// What is said of each scan of files.
fn find_scans<'p>(plan: &'p Value, scans: &mut Vec<&'p Value>) {
    match plan {
        Value::Array(nodes) => nodes.iter().for_each(|node| find_scans(node, scans)),
        Value::Object(node) => {
            let is_scan = node.get("name").and_then(Value::as_str).is_some_and(|name| name.trim() == "READ_PARQUET");
            scans.extend(node.get("extra_info").filter(|_| is_scan));
            node.get("children").into_iter().for_each(|children| find_scans(children, scans));
        }
        _ => {}
    }
}

/// One text, several of them, or none, which is an empty one.
fn texts(told: &Value) -> Vec<&str> {
    let all = told.as_array().map_or(std::slice::from_ref(told), Vec::as_slice);
    all.iter().filter_map(Value::as_str).filter(|text| !text.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};
    use serde_json::json;

    use super::*;

    const NAMES: [&str; 6] = ["id", "name", "amount", "day", "s", "s.t"];

    fn schema() -> Schema {
        Schema::new(NAMES.map(|name| Field::new(name, DataType::Null, true)).to_vec())
    }

    /// The plan for a table of these columns.
    fn plan(sql: &str) -> Value {
        let folder = tempfile::tempdir().expect("a folder");
        let duckdb = duckdb::Connection::open_in_memory().expect("DuckDB");
        let path = folder.path().join("empty.parquet").display().to_string();
        let values = ["1", "'a'", "1.5", "DATE '2026-01-01'", "{'x': 1, 'y': {'z': 2}}", "2"];
        let values: Vec<String> =
            NAMES.iter().zip(values).map(|(name, value)| format!("{value} AS \"{name}\"")).collect();
        duckdb.execute_batch(&format!("COPY (SELECT {} WHERE false) TO '{path}'", values.join(", "))).expect("a file");
        duckdb.execute_batch(&format!("CREATE VIEW t AS SELECT * FROM read_parquet(['{path}'])")).expect("a view");
        let explain = format!("EXPLAIN (FORMAT json) {sql}");
        let plan: String = duckdb.query_row(&explain, [], |row| row.get(1)).expect(sql);
        serde_json::from_str(&plan).expect("JSON")
    }

    fn read(plan: &Value) -> Option<String> {
        Some(columns(plan, &[&schema()])?.into_iter().collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn what_is_handed_on_or_compared_is_read() {
        for (sql, expected) in [
            ("SELECT count(*) FROM t", ""),
            ("SELECT name FROM t", "name"),
            ("WITH every AS (SELECT * FROM t) SELECT name FROM every WHERE day > DATE '2026-01-01'", "day name"),
            ("SELECT name FROM t WHERE id > 3 AND amount IS NOT NULL ORDER BY day LIMIT 3", "amount day id name"),
            ("SELECT s.y.z FROM t", "s"),
            ("SELECT \"s.t\" FROM t", "s s.t"),
            ("SELECT t FROM t", "amount day id name s s.t"),
            ("SELECT * EXCLUDE (id) FROM t", "amount day name s s.t"),
            ("SELECT 1 FROM t JOIN t AS u USING (day) WHERE EXISTS (SELECT 1 FROM t v WHERE v.id = u.id)", "day id"),
            ("SELECT name FROM t QUALIFY row_number() OVER (PARTITION BY day) = 1", "day name"),
        ] {
            assert_eq!(read(&plan(sql)).as_deref(), Some(expected), "{sql}");
        }
    }

    #[test]
    fn what_is_told_in_another_way_is_no_answer() {
        let told =
            |info: Value| json!([{"name": "PROJECTION", "children": [{"name": "READ_PARQUET ", "extra_info": info}]}]);
        assert_eq!(read(&told(json!({"Projections": ["id", "day"]}))).as_deref(), Some("day id"));
        assert_eq!(read(&told(json!({"Projections": ["#1"]}))), None);
        assert_eq!(read(&told(json!({"Columns": ["id"]}))), None);
    }
}

//! Which files of an input can hold rows that a model wants: by the conditions that its SQL puts on the input, and by the
//! smallest and largest values in the Delta log. What is left out is not fetched.
//!
//! A condition counts where the SQL names the input once, in a FROM clause that hands its rows on (see
//! [`crate::partitions`]), and compares one of its columns with a constant that means the same in each file: whole numbers,
//! texts, and dates and timestamps as ISO 8601 writes them. All other conditions are left to `DuckDB`.

use arrow::datatypes::{DataType, Schema};
use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use serde_json::Value;

use crate::partitions::{is_join, occurrences, preserved, referenced};
use crate::snapshot::File;

/// Conditions that each wanted row of an input meets.
#[derive(Debug, Default, PartialEq)]
pub struct Wanted(Vec<Condition>);

/// The values of a column lie within these bounds.
#[derive(Debug, PartialEq)]
struct Condition {
    column: String,
    low: Option<Bound>,
    high: Option<Bound>,
}

#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum Bound {
    Integer(i64),
    Text(String),
    Moment(NaiveDateTime),
}

impl Wanted {
    /// What the SQL wants of a table (`zone.name`).
    pub fn of(tree: &Value, table: &str, schema: &Schema) -> Self {
        if occurrences(tree, table) != 1 {
            return Self::default();
        }
        let Some((select, alias)) = reading(tree, table) else { return Self::default() };
        let input = Input { schema, alias, qualified_only: is_join(select) };
        Self(select.get("where_clause").map(|clause| input.conditions(clause)).unwrap_or_default())
    }

    /// Whether a file may hold a row that meets all of them.
    pub fn may_hold(&self, file: &File, schema: &Schema) -> bool {
        let Some(statistics) = file.statistics.as_deref().filter(|_| !self.0.is_empty()) else { return true };
        let Ok(statistics) = serde_json::from_str::<Value>(statistics) else { return true };
        self.0.iter().all(|condition| condition.may_hold(&statistics, schema))
    }
}

impl Condition {
    fn may_hold(&self, statistics: &Value, schema: &Schema) -> bool {
        let bound = |which: &str| {
            let data_type = schema.field_with_name(&self.column).ok()?.data_type();
            stated(statistics.get(which)?.get(&self.column)?, data_type)
        };
        let largest = bound("maxValues").map(Bound::at_most);
        let below = largest.zip(self.low.as_ref()).is_some_and(|(largest, low)| largest < *low);
        let above = bound("minValues").zip(self.high.as_ref()).is_some_and(|(smallest, high)| smallest > *high);
        !below && !above
    }
}

impl Bound {
    /// What a value may be whose stated bound was cut to milliseconds, as Delta's protocol allows.
    fn at_most(self) -> Self {
        match self {
            Self::Moment(moment) => Self::Moment(moment + TimeDelta::milliseconds(1)),
            other => other,
        }
    }
}

/// The SELECT whose FROM clause hands the table's rows on, and the name that they have there.
fn reading<'t>(node: &'t Value, table: &str) -> Option<(&'t Value, String)> {
    match node {
        Value::Object(fields) => {
            let from = node.get("from_table").filter(|_| fields.get("type").is_some_and(|kind| kind == "SELECT_NODE"));
            let alias = from.and_then(|from| preserved(from, table));
            alias.map(|alias| (node, alias)).or_else(|| fields.values().find_map(|value| reading(value, table)))
        }
        Value::Array(items) => items.iter().find_map(|item| reading(item, table)),
        _ => None,
    }
}

/// A table as a SELECT sees it.
struct Input<'s> {
    schema: &'s Schema,
    alias: String,
    qualified_only: bool,
}

impl Input<'_> {
    /// The conditions that hold where the expression is true.
    fn conditions(&self, expression: &Value) -> Vec<Condition> {
        let part = |name: &str| expression.get(name).unwrap_or(&Value::Null);
        match part("type").as_str().unwrap_or_default() {
            "CONJUNCTION_AND" => {
                part("children").as_array().into_iter().flatten().flat_map(|child| self.conditions(child)).collect()
            }
            "COMPARE_BETWEEN" => {
                let low = self.compare("COMPARE_GREATERTHANOREQUALTO", part("input"), part("lower"));
                let high = self.compare("COMPARE_LESSTHANOREQUALTO", part("input"), part("upper"));
                low.into_iter().chain(high).collect()
            }
            comparison => {
                let forward = self.compare(comparison, part("left"), part("right"));
                let backward = mirrored(comparison).and_then(|kind| self.compare(kind, part("right"), part("left")));
                forward.or(backward).into_iter().collect()
            }
        }
    }

    fn compare(&self, comparison: &str, column: &Value, constant: &Value) -> Option<Condition> {
        let name = referenced(column, &self.alias, self.qualified_only)?;
        let mut alike = self.schema.fields().iter().filter(|field| field.name().eq_ignore_ascii_case(&name));
        let field = alike.next().filter(|_| alike.next().is_none())?;
        let (column, value) = (field.name().clone(), Some(written(constant, field.data_type())?));
        match comparison {
            "COMPARE_EQUAL" => Some(Condition { column, low: value.clone(), high: value }),
            "COMPARE_GREATERTHAN" | "COMPARE_GREATERTHANOREQUALTO" => {
                Some(Condition { column, low: value, high: None })
            }
            "COMPARE_LESSTHAN" | "COMPARE_LESSTHANOREQUALTO" => Some(Condition { column, low: None, high: value }),
            _ => None,
        }
    }
}

/// The comparison with its sides exchanged.
fn mirrored(comparison: &str) -> Option<&'static str> {
    Some(match comparison {
        "COMPARE_EQUAL" => "COMPARE_EQUAL",
        "COMPARE_GREATERTHAN" => "COMPARE_LESSTHAN",
        "COMPARE_GREATERTHANOREQUALTO" => "COMPARE_LESSTHANOREQUALTO",
        "COMPARE_LESSTHAN" => "COMPARE_GREATERTHAN",
        "COMPARE_LESSTHANOREQUALTO" => "COMPARE_GREATERTHANOREQUALTO",
        _ => return None,
    })
}

/// A constant of the SQL, where comparing it with a column of the type is comparing bounds.
fn written(constant: &Value, data_type: &DataType) -> Option<Bound> {
    if constant.get("type")? == "OPERATOR_CAST" {
        let to = constant.get("cast_type")?.get("id")?.as_str()?;
        let text = text_of(constant.get("child")?)?;
        return match (to, data_type) {
            ("DATE", DataType::Date32 | DataType::Timestamp(_, None)) => date(text),
            ("TIMESTAMP", DataType::Date32 | DataType::Timestamp(_, None)) => date(text).or_else(|| moment(text)),
            _ => None,
        };
    }
    if let Some(text) = text_of(constant) {
        // A text becomes what it is compared with.
        return match data_type {
            DataType::Utf8 => Some(Bound::Text(text.to_owned())),
            DataType::Date32 => date(text),
            DataType::Timestamp(_, None) => date(text).or_else(|| moment(text)),
            _ => None,
        };
    }
    let value = constant.get("value")?;
    let is_whole = value.get("type")?.get("id")?.as_str()?.ends_with("INT") || value["type"]["id"] == "INTEGER";
    let number = value.get("value")?.as_i64().filter(|_| is_whole && is_integer(data_type))?;
    Some(Bound::Integer(number))
}

/// The text that a constant is.
fn text_of(constant: &Value) -> Option<&str> {
    let value = constant.get("value")?;
    value.get("value")?.as_str().filter(|_| value["type"]["id"] == "VARCHAR")
}

/// A bound as the Delta log states it.
fn stated(value: &Value, data_type: &DataType) -> Option<Bound> {
    match data_type {
        DataType::Utf8 => Some(Bound::Text(value.as_str()?.to_owned())),
        DataType::Date32 => date(value.as_str()?),
        DataType::Timestamp(_, None) => moment(value.as_str()?),
        _ if is_integer(data_type) => value.as_i64().map(Bound::Integer),
        _ => None,
    }
}

fn is_integer(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64)
}

fn date(text: &str) -> Option<Bound> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10)?;
    date.and_hms_opt(0, 0, 0).map(Bound::Moment)
}

fn moment(text: &str) -> Option<Bound> {
    // DuckDB cuts what is finer than a microsecond.
    if text.rsplit_once('.').is_some_and(|(_, fraction)| fraction.len() > 6) {
        return None;
    }
    let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
    formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok()).map(Bound::Moment)
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Field, TimeUnit};
    use serde_json::json;

    use super::*;
    fn schema() -> Schema {
        let moment = DataType::Timestamp(TimeUnit::Microsecond, None);
        let columns = [("id", DataType::Int64), ("name", DataType::Utf8), ("day", DataType::Date32), ("seen", moment)];
        Schema::new(columns.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec())
    }

    /// A file with ids 10 to 20, names d to f, days and moments of February 2026.
    fn file() -> File {
        let statistics = json!({
            "numRecords": 2,
            "minValues": {"id": 10, "name": "d", "day": "2026-02-01", "seen": "2026-02-01T00:00:00.000"},
            "maxValues": {"id": 20, "name": "f", "day": "2026-02-28", "seen": "2026-02-28T12:00:00.000"},
        });
        let statistics = Some(statistics.to_string().into());
        File { path: String::new(), partition: std::collections::BTreeMap::new(), size: 1, rows: Some(2), statistics }
    }

    fn tree(sql: &str) -> Value {
        let duckdb = duckdb::Connection::open_in_memory().expect("DuckDB");
        let text: String =
            duckdb.query_row("SELECT json_serialize_sql(?::VARCHAR)::VARCHAR", [sql], |row| row.get(0)).expect(sql);
        serde_json::from_str(&text).expect(sql)
    }

    fn may_hold(sql: &str) -> bool {
        Wanted::of(&tree(sql), "silver.t", &schema()).may_hold(&file(), &schema())
    }

    #[test]
    fn a_file_without_wanted_rows_is_left_out() {
        for clause in [
            "id > 20 + 10 AND id > 30 AND id <= 40",
            "id = 9",
            "9 >= id",
            "NOT id < 100",
            "id BETWEEN 21 AND 30",
            "name = 'a' AND length(name) > 3",
            "name > 'g'",
            "day >= DATE '2026-03-01'",
            "day >= '2026-03-01'",
            "'2026-02-28 12:00:01' <= seen",
            "seen < TIMESTAMP '2026-01-31 23:59:59.5'",
            "day > CAST('2026-02-28 00:00:01' AS TIMESTAMP)",
            "T.\"ID\" > 100 AND upper(name) = 'D'",
        ] {
            assert!(!may_hold(&format!("SELECT name FROM silver.t WHERE {clause}")), "{clause}");
        }
        for sql in [
            "WITH recent AS (SELECT * FROM silver.t WHERE id > 30) SELECT count(*) FROM recent",
            "SELECT * FROM silver.u u LEFT JOIN (SELECT * FROM silver.t WHERE id > 30) t USING (id)",
            "SELECT * FROM silver.t AS x JOIN silver.u AS y ON x.id = y.id WHERE x.id > 30",
            "SELECT * FROM silver.t x LEFT JOIN silver.u y ON x.id = y.id WHERE x.id > 30",
            "SELECT 1 UNION ALL SELECT id FROM silver.t WHERE id > 30",
        ] {
            assert!(!may_hold(sql), "{sql}");
        }
    }

    #[test]
    fn a_file_that_may_hold_wanted_rows_stays() {
        for clause in [
            "id > 19",
            "id = 20",
            "20 <= id",
            "id > 30 OR name = 'd'",
            "NOT id > 100",
            "id > 30.5",
            "id > '31'",
            "id + 1 > 100",
            "id > (SELECT 100)",
            "name >= 'f'",
            "upper(name) = 'A'",
            "day >= '2026-02-28'",
            "day >= CAST('2026-02-28 12:00' AS TIMESTAMP)",
            "day > '2026-02-28 12:00:00'",
            "seen >= '2026-02-28'",
            "seen >= TIMESTAMP '2026-02-28 12:00:00.0000009'",
            "seen >= TIMESTAMPTZ '2027-01-01 00:00:00+00'",
            "id IS NULL",
            "id <> 15",
            "id IS DISTINCT FROM 100",
        ] {
            assert!(may_hold(&format!("SELECT name FROM silver.t WHERE {clause}")), "{clause}");
        }
        for sql in [
            "SELECT * FROM silver.t",
            "SELECT id > 30 FROM silver.t",
            "SELECT * FROM silver.t a, silver.t b WHERE a.id > 30",
            "SELECT * FROM silver.u y LEFT JOIN silver.t x ON x.id = y.id WHERE x.id > 30",
            "SELECT * FROM silver.t x JOIN silver.u y ON true WHERE id > 30",
            "SELECT * FROM silver.t x JOIN silver.u y ON true WHERE y.id > 30",
            "SELECT count(*) FROM silver.t HAVING count(*) > 30",
            "SELECT * FROM silver.t AS x(a, b, c, d) WHERE a > 30",
        ] {
            assert!(may_hold(sql), "{sql}");
        }
    }

    #[test]
    fn a_file_without_statistics_stays() {
        let wanted = Wanted::of(&tree("SELECT * FROM silver.t WHERE id > 30"), "silver.t", &schema());
        let bare = |statistics: Option<&str>| File { statistics: statistics.map(Into::into), ..file() };
        assert!(wanted.may_hold(&bare(None), &schema()));
        assert!(wanted.may_hold(&bare(Some("{\"numRecords\":2}")), &schema()));
        assert!(wanted.may_hold(&bare(Some("")), &schema()));
    }
}

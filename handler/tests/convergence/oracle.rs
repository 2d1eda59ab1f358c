//! The oracle: a simple parser of the dialect that the tests write, and plain SQL over the texts that it takes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::path::Path;

use duckdb::{Connection, appender_params_from_iter};
use flate2::read::GzDecoder;
use serde_json::Value;

use crate::delta::{Table, Tables};
use crate::files::has_extension;

/// Lineage that follows from when and how often a file was sent, not from what is in it.
const OF_THE_WAY: [&str; 3] = ["_source_version", "_source_modified_at", "_ingested_at"];

const SALES: [&str; 5] = ["sale_id", "day", "region", "person_id", "amount"];
const PEOPLE: [&str; 4] = ["person_id", "name", "tier", "level"];
const NOTES: [&str; 3] = ["id", "label", "seen"];

/// What the tables of a folder of raw files must be.
pub(crate) struct Oracle(Connection);

/// The texts of a record by column; none where the record cannot be taken apart.
type Record = Option<Vec<Option<String>>>;

impl Oracle {
    pub(crate) fn new(raw: &Path) -> Self {
        let connection = Connection::open_in_memory().expect("DuckDB opens in memory");
        for (folder, columns) in [("sales", &SALES[..]), ("people", &PEOPLE), ("notes", &NOTES)] {
            let texts: Vec<String> = columns.iter().map(|column| format!("{column} VARCHAR")).collect();
            let create =
                format!("CREATE TABLE raw_{folder} (key VARCHAR, number BIGINT, whole BOOLEAN, {})", texts.join(", "));
            connection.execute_batch(&create).expect("the raw table is made");
            load(&connection, (raw, folder), columns);
        }
        connection.execute_batch(include_str!("oracle.sql")).expect("the oracle's SQL runs");
        Self(connection)
    }

    /// Rows that are missing (-) or too many (+), table by table; empty when all is as it must be.
    pub(crate) fn differences(&self, tables: &Tables) -> String {
        let mut wrong = String::new();
        let sql = "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE schema_name IN ('silver', 'gold') ORDER BY ALL";
        let expected = self.texts(sql);
        for name in tables.0.keys().filter(|name| !expected.contains(name)) {
            let _ = writeln!(wrong, "{name}: nobody asked for this table");
        }
        for name in &expected {
            let absent = Table::default();
            let differing = self.compare(name, tables.0.get(name).unwrap_or(&absent));
            for row in differing {
                let _ = writeln!(wrong, "{name}: {row}");
            }
        }
        wrong
    }

    fn compare(&self, name: &str, table: &Table) -> Vec<String> {
        let columns = self.texts(&format!("SELECT column_name FROM (DESCRIBE {name})"));
        let is_quarantine = name == "silver.quarantine";
        let own: BTreeSet<&str> =
            table.columns.iter().map(String::as_str).filter(|column| !OF_THE_WAY.contains(column)).collect();
        if !is_quarantine && !table.columns.is_empty() && own != columns.iter().map(String::as_str).collect() {
            return vec![format!("has the columns {own:?}, must have {columns:?}")];
        }
        let must = format!("SELECT {} AS row FROM {name}", rendered(&columns, false));
        let Some(files) = files(table) else {
            return self.texts(&format!("SELECT '- ' || row FROM ({must}) ORDER BY ALL"));
        };
        let is = format!("SELECT {} AS row FROM {files}", rendered(&columns, is_quarantine));
        self.texts(&format!(
            "SELECT '- ' || row FROM ({must} EXCEPT ALL {is}) UNION ALL SELECT '+ ' || row FROM ({is} EXCEPT ALL {must}) ORDER BY ALL"
        ))
    }

    fn texts(&self, sql: &str) -> Vec<String> {
        let mut statement = self.0.prepare(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
        let rows = statement.query_map([], |row| row.get(0)).unwrap_or_else(|error| panic!("{error}: {sql}"));
        rows.map(|row| row.unwrap_or_else(|error| panic!("{error}: {sql}"))).collect()
    }
}

fn rendered(columns: &[String], is_quarantine: bool) -> String {
    let texts = columns.iter().map(|column| match column.as_str() {
        "has_reasons" if is_quarantine => "(len(reasons) > 0)::VARCHAR".to_owned(),
        _ => format!("coalesce({column}::VARCHAR, 'NULL')"),
    });
    format!("concat_ws(' | ', {})", texts.collect::<Vec<_>>().join(", "))
}

fn files(table: &Table) -> Option<String> {
    let paths: Vec<String> = table.files.iter().map(|path| format!("'{}'", path.display())).collect();
    (!paths.is_empty())
        .then(|| format!("read_parquet([{}], hive_partitioning = false, union_by_name = true)", paths.join(", ")))
}

fn load(connection: &Connection, (raw, folder): (&Path, &str), columns: &[&str]) {
    let mut appender = connection.appender(&format!("raw_{folder}")).expect("the raw table takes rows");
    for entry in fs::read_dir(raw.join(folder)).into_iter().flatten() {
        let path = entry.expect("raw can be listed").path();
        let key = format!("{folder}/{}", path.file_name().expect("a file has a name").to_string_lossy());
        let bytes = fs::read(&path).expect("a raw file can be read");
        for (index, record) in records(&key, &bytes, columns).into_iter().enumerate() {
            let whole = record.is_some();
            let mut row = vec![Some(key.clone()), Some((index + 1).to_string()), Some(whole.to_string())];
            row.extend(record.unwrap_or_else(|| vec![None; columns.len()]));
            appender.append_row(appender_params_from_iter(row)).expect("the raw table takes rows");
        }
    }
}

/// The records of a file; one that cannot be read as a whole is one record.
fn records(key: &str, bytes: &[u8], columns: &[&str]) -> Vec<Record> {
    let mut text = String::new();
    let read = if has_extension(key, "gz") {
        GzDecoder::new(bytes).read_to_string(&mut text)
    } else {
        (&*bytes).read_to_string(&mut text)
    };
    if read.is_err() || has_extension(key, "xyz") {
        return vec![None];
    }
    if key.starts_with("people/") {
        return text.lines().map(|line| json_record(line, columns)).collect();
    }
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().map(|line| line.split(',').collect()).unwrap_or_default();
    lines.map(|line| csv_record(line, &header, columns)).collect()
}

fn csv_record(line: &str, header: &[&str], columns: &[&str]) -> Record {
    let fields: Vec<&str> = line.split(',').collect();
    if fields.len() != header.len() {
        return None;
    }
    let field = |column: &&str| Some(fields[header.iter().position(|name| name == column)?]);
    let texts: Option<Vec<&str>> = columns.iter().map(field).collect();
    Some(texts?.into_iter().map(|text| Some(text.to_owned()).filter(|text| !text.is_empty())).collect())
}

fn json_record(line: &str, columns: &[&str]) -> Record {
    let Ok(Value::Object(object)) = serde_json::from_str(line) else { return None };
    let text = |column: &&str| match object.get(*column) {
        None | Some(Value::Null) => Some(None),
        Some(Value::String(text)) => Some(Some(text.clone())),
        Some(Value::Number(number)) => Some(Some(number.to_string())),
        Some(_) => None,
    };
    columns.iter().map(text).collect()
}

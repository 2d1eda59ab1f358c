//! The corpus: small files with one defect each, and what the reader must make of them. In each folder of `tests/corpus`:
//! the input, `case.json` (what is wrong, how it is read, and the rows that were meant), `rows.json` (record number and
//! values of each accepted record) and `rejects.json` (where each reject stands, and why), or the reason why the file is
//! refused as a whole.
//!
//! `cargo test -p records --test corpus -- --ignored` writes what the reader makes of them now; look at the difference.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::Array;
use arrow::util::display::array_value_to_string;
use records::{Column, FileInput, Options, Plan, Type, read};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Case {
    options: Options,
    columns: Vec<(String, Type)>,
    truth: Vec<Vec<Option<String>>>,
}

/// What the reader made of a case: its rows, and its rejects or why there are none.
struct Outcome {
    rows: Vec<Value>,
    rejects: Value,
}

fn folders() -> Vec<PathBuf> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut folders: Vec<PathBuf> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn load(folder: &Path) -> (Case, FileInput) {
    let case = serde_json::from_slice(&fs::read(folder.join("case.json")).unwrap()).unwrap();
    let mut files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let input = files.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("input.")).unwrap();
    (case, FileInput::new(fs::File::open(input).unwrap()).unwrap())
}

fn plan_of(case: &Case) -> Plan {
    let column = |(name, data_type): &(String, Type)| Column {
        source: Some(name.clone()),
        name: name.clone(),
        data_type: data_type.clone(),
        format: None,
        not_null: false,
    };
    Plan { columns: case.columns.iter().map(column).collect(), ..Plan::default() }
}

fn run(folder: &Path) -> (Case, Outcome) {
    let (case, input) = load(folder);
    let outcome = match read_rows(&case, &input) {
        Ok(outcome) => outcome,
        Err(error) => Outcome { rows: Vec::new(), rejects: json!(error.to_string()) },
    };
    (case, outcome)
}

fn read_rows(case: &Case, input: &FileInput) -> Result<Outcome, records::Error> {
    let plan = plan_of(case);
    let (mut rows, mut rejects, mut records) = (Vec::new(), Vec::new(), 0);
    for batch in read(input, &case.options, &plan)? {
        let batch = batch?;
        records += batch.records;
        for (row, number) in batch.record_numbers.iter().enumerate() {
            let value = |column: &arrow::array::ArrayRef| {
                column.is_valid(row).then(|| array_value_to_string(column, row).unwrap())
            };
            rows.push(json!([number, batch.rows.columns().iter().map(value).collect::<Vec<_>>()]));
        }
        rejects.extend(batch.rejects.into_iter().map(|reject| {
            json!({"record": reject.record_number, "line": reject.line, "offset": reject.byte_offset,
                "raw": reject.raw, "raw_base64": reject.raw_base64, "reasons": reject.reasons})
        }));
    }
    assert_eq!(records, (rows.len() + rejects.len()) as u64, "rows and rejects are all records");
    Ok(Outcome { rows, rejects: Value::Array(rejects) })
}

/// One value to a line, so that a difference is seen.
fn write_lines(values: &[Value]) -> String {
    let lines: Vec<String> = values.iter().map(Value::to_string).collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

fn write_rejects(rejects: &Value) -> String {
    rejects.as_array().map_or_else(|| format!("{rejects}\n"), |rejects| write_lines(rejects))
}

#[test]
fn every_defect_gives_its_rows_and_rejects() {
    for folder in folders() {
        let (_, outcome) = run(&folder);
        let expected = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        assert_eq!(write_lines(&outcome.rows), expected("rows.json"), "rows of {}", folder.display());
        assert_eq!(write_rejects(&outcome.rejects), expected("rejects.json"), "rejects of {}", folder.display());
    }
}

#[test]
fn every_accepted_row_is_one_that_was_meant() {
    for folder in folders() {
        let (case, outcome) = run(&folder);
        let truth: Vec<Value> = case.truth.iter().map(|row| json!(row)).collect();
        for row in &outcome.rows {
            assert!(truth.contains(&row[1]), "{row} of {} was not meant", folder.display());
        }
    }
}

#[test]
#[ignore = "writes the expectations anew"]
fn write_expectations() {
    for folder in folders() {
        let (_, outcome) = run(&folder);
        fs::write(folder.join("rows.json"), write_lines(&outcome.rows)).unwrap();
        fs::write(folder.join("rejects.json"), write_rejects(&outcome.rejects)).unwrap();
    }
}

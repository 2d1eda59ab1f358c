//! Tests: what the project demands of records, and of tables before they are published.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;

use crate::check;
use crate::contract::{Contract, RECORD_NUMBER};
use crate::engine::{Engine, quoted, text_literal};
use crate::error::Result;
use crate::guard::{self, Rules};
use crate::project::{ModelTest, RecordCheck, RecordTest, Severity};

/// What the tests found in the records of one object.
#[derive(Debug, Default)]
pub struct Findings {
    /// Reasons by record number, of tests that quarantine.
    pub verdicts: BTreeMap<u64, Vec<String>>,
    /// Failing records per test that only warns.
    pub warnings: BTreeMap<String, u64>,
}

/// Runs a source's tests over the typed records behind `"silver"."table"`.
///
/// `unique` looks at the records that pass all other tests; the first of equal ones in the object stays.
///
/// # Errors
/// [`crate::error::Error::Sql`].
pub fn test_records(engine: &Engine, table: &str, tests: &[RecordTest], contract: &Contract) -> Result<Findings> {
    let mut findings = Findings::default();
    let relation = format!("\"silver\".{}", quoted(table));
    let (unique, single): (Vec<_>, Vec<_>) =
        tests.iter().partition(|test| matches!(test.check, RecordCheck::Unique { .. }));
    run_single(engine, table, (&single, contract), &mut findings)?;
    let failed: Vec<String> = findings.verdicts.keys().map(u64::to_string).collect();
    let sound =
        if failed.is_empty() { "true".to_owned() } else { format!("{RECORD_NUMBER} NOT IN ({})", failed.join(", ")) };
    for test in unique {
        let RecordCheck::Unique { column } = &test.check else { continue };
        let column = quoted(&contract.stored_name_of(column));
        let sql = format!(
            "SELECT {RECORD_NUMBER}, 'equals record ' || earlier || ': ' || value FROM (SELECT {RECORD_NUMBER}, {column}::VARCHAR AS value, \
             min({RECORD_NUMBER}) OVER (PARTITION BY {column}) AS earlier FROM {relation} WHERE {column} IS NOT NULL AND {sound}) \
             WHERE earlier < {RECORD_NUMBER}"
        );
        admit(engine, table, (test, &sql))?;
        run(engine, (test, &sql), &mut findings)?;
    }
    Ok(findings)
}

/// Runs the tests that look at one record at a time, in one pass; where that fails, one by one, so that the error
/// names the test.
fn run_single(
    engine: &Engine,
    table: &str,
    (tests, contract): (&[&RecordTest], &Contract),
    findings: &mut Findings,
) -> Result<()> {
    let relation = format!("\"silver\".{}", quoted(table));
    let conditions: Vec<(String, String)> = tests.iter().map(|test| failing(test, contract)).collect();
    let alone = |(detail, condition): &(String, String)| {
        format!("SELECT {RECORD_NUMBER}, {detail} FROM {relation} WHERE {condition}")
    };
    for (test, condition) in tests.iter().zip(&conditions) {
        admit(engine, table, (test, &alone(condition)))?;
    }
    let Some((details, any)) = together(&conditions) else { return Ok(()) };
    let sql = format!("SELECT {RECORD_NUMBER}, {details} FROM {relation} WHERE {any}");
    let mut found = Findings::default();
    let done = engine.select(&format!("tests of {table}"), &sql, |batch| {
        for (index, test) in tests.iter().enumerate() {
            note(&batch, (test, index + 1), &mut found);
        }
        Ok(())
    });
    if done.is_err() {
        return tests.iter().zip(&conditions).try_for_each(|(test, both)| run(engine, (test, &alone(both)), findings));
    }
    *findings = found;
    Ok(())
}

/// The details of all tests, NULL where one passes, and the condition that any fails.
fn together(conditions: &[(String, String)]) -> Option<(String, String)> {
    let details: Vec<String> =
        conditions.iter().map(|(detail, condition)| format!("CASE WHEN {condition} THEN {detail} END")).collect();
    let any: Vec<String> = conditions.iter().map(|(_, condition)| format!("({condition})")).collect();
    (!conditions.is_empty()).then(|| (details.join(", "), any.join(" OR ")))
}

/// What is told of a record that fails a test, and when it does.
fn failing(test: &RecordTest, contract: &Contract) -> (String, String) {
    let shown = |column: &str| {
        let column = quoted(&contract.stored_name_of(column));
        (format!("coalesce({column}::VARCHAR, 'NULL')"), column)
    };
    match &test.check {
        RecordCheck::NotNull { column } => {
            let (detail, column) = shown(column);
            (detail, format!("{column} IS NULL"))
        }
        RecordCheck::AcceptedValues { column, values } => {
            let (detail, column) = shown(column);
            (detail, format!("{column} NOT IN ({})", values.join(", ")))
        }
        RecordCheck::Expression { sql } => (text_literal("is false"), format!("NOT ({sql}\n)")),
        RecordCheck::Unique { .. } => (text_literal(""), "false".to_owned()),
    }
}

fn admit(engine: &Engine, table: &str, (test, sql): (&RecordTest, &str)) -> Result<()> {
    let relations = BTreeSet::from([format!("silver.{}", table.to_lowercase())]);
    let what = format!("test {} ({})", test.name, test.place);
    guard::admit(engine, &what, sql, &Rules { relations: &relations, stable: true }).map(|_| ())
}

fn run(engine: &Engine, (test, sql): (&RecordTest, &str), findings: &mut Findings) -> Result<()> {
    engine.select(&format!("test {}", test.name), sql, |batch| {
        note(&batch, (test, 1), findings);
        Ok(())
    })?;
    Ok(())
}

/// Notes the failing records of a test, whose details stand in a column of the batch.
fn note(batch: &RecordBatch, (test, column): (&RecordTest, usize), findings: &mut Findings) {
    let numbers = batch.column(0).as_primitive::<Int64Type>();
    let details = batch.column(column).as_string::<i32>();
    for (number, detail) in numbers.iter().zip(details) {
        let (Some(Ok(number)), Some(detail)) = (number.map(u64::try_from), detail) else { continue };
        match test.severity {
            Severity::Error => {
                findings.verdicts.entry(number).or_default().push(format!("{}: {detail}", test.name));
            }
            Severity::Warn => *findings.warnings.entry(test.name.clone()).or_default() += 1,
        }
    }
}

/// A test of a model that found failing rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The test.
    pub name: String,
    /// Whether it withholds.
    pub severity: Severity,
    /// How many rows fail.
    pub rows: u64,
}

impl Failure {
    /// As receipts and reports say it.
    pub fn text(&self) -> String {
        format!("test {} found {} failing row{}", self.name, self.rows, if self.rows == 1 { "" } else { "s" })
    }
}

/// Runs the tests of a model, in one statement; returns those that found failing rows. Where that fails, they run one
/// by one, so that the error names the test.
///
/// # Errors
/// [`crate::error::Error::Sql`].
pub fn test_model(engine: &Engine, tests: &[ModelTest]) -> Result<Vec<Failure>> {
    tests.iter().try_for_each(|test| check::admit_test(engine, test))?;
    let alone = |test: &ModelTest| count_failing(engine, &format!("test {}", test.name), std::slice::from_ref(test));
    let one_by_one = || Ok(tests.iter().map(alone).collect::<Result<Vec<_>>>()?.concat());
    let counts: Vec<u64> = count_failing(engine, "tests", tests).or_else(|_| one_by_one())?;
    let failure = |(test, rows): (&ModelTest, u64)| Failure { name: test.name.clone(), severity: test.severity, rows };
    Ok(tests.iter().zip(counts).filter(|(_, rows)| *rows > 0).map(failure).collect())
}

/// How many rows each test finds.
fn count_failing(engine: &Engine, what: &str, tests: &[ModelTest]) -> Result<Vec<u64>> {
    if tests.is_empty() {
        return Ok(Vec::new());
    }
    let counts: Vec<String> = tests.iter().map(|test| format!("(SELECT count(*) FROM ({}\n))", test.sql)).collect();
    let (_, batches) = engine.collect(what, &format!("SELECT {}", counts.join(", ")))?;
    let count = |column: &ArrayRef| u64::try_from(column.as_primitive::<Int64Type>().value(0)).unwrap_or_default();
    let row = batches.iter().find(|batch| batch.num_rows() > 0);
    Ok(row.map(|row| row.columns().iter().map(count).collect()).unwrap_or_default())
}

//! Tests: what the project demands of records, and of tables before they are published.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, AsArray, Int64Array};

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
    for test in single {
        run(engine, table, (test, &failing(test, &relation, contract)), &mut findings)?;
    }
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
        run(engine, table, (test, &sql), &mut findings)?;
    }
    Ok(findings)
}

/// SELECT of number and detail of the failing records.
fn failing(test: &RecordTest, relation: &str, contract: &Contract) -> String {
    let shown = |column: &str| {
        let column = quoted(&contract.stored_name_of(column));
        (format!("coalesce({column}::VARCHAR, 'NULL')"), column)
    };
    let (detail, condition) = match &test.check {
        RecordCheck::NotNull { column } => {
            let (detail, column) = shown(column);
            (detail, format!("{column} IS NULL"))
        }
        RecordCheck::AcceptedValues { column, values } => {
            let (detail, column) = shown(column);
            (detail, format!("{column} NOT IN ({})", values.join(", ")))
        }
        RecordCheck::Expression { sql } => (text_literal("is false"), format!("NOT ({sql})")),
        RecordCheck::Unique { .. } => (text_literal(""), "false".to_owned()),
    };
    format!("SELECT {RECORD_NUMBER}, {detail} FROM {relation} WHERE {condition}")
}

fn run(engine: &Engine, table: &str, (test, sql): (&RecordTest, &str), findings: &mut Findings) -> Result<()> {
    let relations = BTreeSet::from([format!("silver.{}", table.to_lowercase())]);
    guard::admit(
        engine,
        &format!("test {} ({})", test.name, test.place),
        sql,
        &Rules { relations: &relations, stable: true },
    )?;
    engine.select(&format!("test {}", test.name), sql, |batch| {
        let numbers =
            batch.column(0).as_any().downcast_ref::<Int64Array>().cloned().unwrap_or_else(|| Vec::<i64>::new().into());
        let details = batch.column(1).as_string::<i32>();
        for (row, number) in numbers.iter().enumerate() {
            let Some(number) = number.and_then(|number| u64::try_from(number).ok()) else { continue };
            match test.severity {
                Severity::Error => {
                    findings.verdicts.entry(number).or_default().push(format!("{}: {}", test.name, details.value(row)));
                }
                Severity::Warn => *findings.warnings.entry(test.name.clone()).or_default() += 1,
            }
        }
        Ok(())
    })?;
    Ok(())
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

/// Runs the tests of a model; returns those that found failing rows.
///
/// # Errors
/// [`crate::error::Error::Sql`].
pub fn test_model(engine: &Engine, tests: &[ModelTest]) -> Result<Vec<Failure>> {
    let mut failures = Vec::new();
    for test in tests {
        check::admit_test(engine, test)?;
        let what = format!("test {}", test.name);
        let (_, batches) = engine.collect(&what, &format!("SELECT count(*) FROM ({}\n)", test.sql))?;
        let rows = batches
            .first()
            .and_then(|batch| batch.column(0).as_any().downcast_ref::<Int64Array>())
            .filter(|counts| !counts.is_empty());
        let rows = rows.map_or(0, |counts| u64::try_from(counts.value(0)).unwrap_or(0));
        if rows > 0 {
            failures.push(Failure { name: test.name.clone(), severity: test.severity, rows });
        }
    }
    Ok(failures)
}

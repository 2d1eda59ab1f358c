//! Audit: proves a whole lake. Recounts the raw bytes, compares receipts with tables, and gold with its SQL.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array};
use arrow::datatypes::{DataType, Field};
use chrono::{DateTime, Utc};
use records::{Options, Plan};
use serde::Serialize;

use crate::data_file::{DataFileWriter, Target};
use crate::engine::{Engine, Relation, quoted};
use crate::error::{Error, Result};
use crate::gold::{self, recorded};
use crate::inputs::{Needed, Upstream};
use crate::lake::{Lake, RawObject};
use crate::project::Project;
use crate::query;
use crate::receipt::{self, Receipt, Status};
use crate::run::new_engine;
use crate::settings::Settings;
use crate::snapshot::Snapshot;
use crate::source::Source;
use crate::stored::{stored_batch, stored_schema};
use crate::table::{Table, Tables};

/// How far two doubles that come from sums in another order may be apart, as a share of their size.
const TOLERANCE: f64 = 1e-9;

/// What an audit found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Raw objects that were recounted.
    pub objects: u64,
    /// Their records.
    pub records: u64,
    /// Of those, rows.
    pub accepted: u64,
    /// Of those, quarantined.
    pub quarantined: u64,
    /// Gold tables that equal their SQL.
    pub gold: Vec<String>,
    /// Everything that does not agree, each naming its file or table.
    pub differences: Vec<String>,
    /// What is worth knowing and no difference.
    pub notes: Vec<String>,
}

/// The rows that the tables hold of each object.
type Held = BTreeMap<String, HashMap<String, (u64, BTreeSet<String>)>>;

/// Audits the lake; with a project, its gold too. `render` loads the project as of another `run_started_at`.
///
/// # Errors
/// Failures of ours; what does not agree is in the report.
pub async fn audit(
    lake: &Arc<Lake>,
    settings: &Settings,
    project: Option<&Project>,
    render: &dyn Fn(DateTime<Utc>) -> Result<Project>,
) -> Result<Report> {
    let mut report = Report::default();
    let (engine, _) = query::open(lake, settings, None).await?;
    let snapshots = query::snapshots(lake).await?;
    let held = held(&engine, &snapshots)?;
    let receipts = receipt::all(lake)?;
    let mut known = BTreeSet::new();
    for stored in &receipts {
        let Some(state) = &stored.state else { continue };
        known.insert(state.key.clone());
        if state.claim.is_some() {
            report.differences.push(format!("{}: its processing was begun and not finished; run ingest", state.key));
        } else if let Some(done) = &state.done {
            audit_object(lake, done, project, &mut report)?;
            compare_tables(done, &held, &mut report);
        }
    }
    for (table, objects) in &held {
        for key in objects.keys().filter(|key| !known.contains(*key)) {
            report.differences.push(format!("{table}: holds rows of {key}, which has no receipt"));
        }
    }
    let listing = lake.keys()?;
    for key in listing.keys.iter().filter(|key| !known.contains(*key)) {
        report.differences.push(format!("{key}: has no receipt; run ingest"));
    }
    if let Some(project) = project {
        audit_gold(&Tables::new(Arc::clone(lake)), (lake, settings), project, (render, &mut report)).await?;
    }
    Ok(report)
}

/// Counts the rows of every object in every silver table, and in quarantine.
fn held(engine: &Engine, snapshots: &[(&'static str, String, Table, Arc<Snapshot>)]) -> Result<Held> {
    let mut held = Held::new();
    for (_, name, ..) in snapshots.iter().filter(|(zone, ..)| *zone == "silver") {
        let (key, version) =
            if name == crate::quarantine::TABLE { ("key", "version") } else { ("_source_key", "_source_version") };
        let sql = format!("SELECT {key}, {version}, count(*) FROM silver.{} GROUP BY ALL", quoted(name));
        let objects = held.entry(name.clone()).or_default();
        engine.select(&format!("count silver.{name}"), &sql, |batch| {
            let (keys, versions) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
            let counts = batch
                .column(2)
                .as_any()
                .downcast_ref::<Int64Array>()
                .cloned()
                .unwrap_or_else(|| Vec::<i64>::new().into());
            for row in 0..counts.len() {
                let (rows, seen) = objects.entry(keys.value(row).to_owned()).or_default();
                *rows += u64::try_from(counts.value(row)).unwrap_or_default();
                seen.insert(versions.value(row).to_owned());
            }
            Ok(())
        })?;
    }
    Ok(held)
}

/// The bytes against the receipt.
fn audit_object(lake: &Lake, done: &Receipt, project: Option<&Project>, report: &mut Report) -> Result<()> {
    let key = &done.key;
    if done.records != done.accepted + done.quarantined {
        report.differences.push(format!(
            "{key}: its receipt has {} records, {} accepted, {} quarantined",
            done.records, done.accepted, done.quarantined
        ));
    }
    let Some(object) = lake.look(key, None)? else {
        match done.status {
            Status::Withdrawn => {}
            _ => report.notes.push(format!("{key}: the object is gone, its rows are kept")),
        }
        return Ok(());
    };
    if done.version.as_deref() != Some(&object.version) {
        report.differences.push(format!("{key}: the object changed since its receipt; run ingest"));
        return Ok(());
    }
    let present = project.and_then(|project| Some(Source::of_key(project, key).ok()?.fingerprint(project)));
    if present.is_some_and(|present| present != done.contract) {
        report
            .notes
            .push(format!("{key}: was made under an older contract; `ingest --again` brings it under the present one"));
    }
    let counted = count(lake, &object, done.options.as_ref())?;
    if counted != done.records {
        report.differences.push(format!("{key}: has {counted} records, its receipt says {}", done.records));
    }
    report.objects += 1;
    report.records += counted;
    report.accepted += done.accepted;
    report.quarantined += done.quarantined;
    Ok(())
}

/// Counts an object's records without typing them; one that cannot be read as a whole counts as one.
fn count(lake: &Lake, object: &RawObject, options: Option<&Options>) -> Result<u64> {
    let Some(options) = options else { return Ok(1) };
    let input = lake.open_raw(object)?;
    let plan = Plan::default();
    let counted = records::read(&*input, options, &plan).and_then(|reader| {
        let mut count = 0;
        for batch in reader {
            count += batch?.records;
        }
        Ok(count)
    });
    match counted {
        Ok(count) => Ok(count),
        Err(records::Error::Unreadable { .. }) => Ok(1),
        Err(source) => Err(Error::Reader { key: object.key.clone(), source }),
    }
}

/// The receipt against the tables.
fn compare_tables(done: &Receipt, held: &Held, report: &mut Report) {
    let key = &done.key;
    let mut compare = |table: &str, expected: u64| {
        let (rows, versions) = held.get(table).and_then(|objects| objects.get(key)).cloned().unwrap_or_default();
        if rows != expected {
            report.differences.push(format!("silver.{table}: has {rows} rows of {key}, its receipt says {expected}"));
        }
        if versions.iter().any(|version| Some(version) != done.version.as_ref()) {
            report.differences.push(format!("silver.{table}: has rows of another version of {key} than its receipt"));
        }
    };
    for entry in &done.silver {
        compare(&entry.table, entry.rows);
    }
    compare(crate::quarantine::TABLE, done.quarantined);
    let named: BTreeSet<&str> =
        done.silver.iter().map(|entry| entry.table.as_str()).chain([crate::quarantine::TABLE]).collect();
    for (table, objects) in held {
        if !named.contains(table.as_str()) && objects.contains_key(key) {
            report.differences.push(format!("silver.{table}: has rows of {key}, which its receipt does not name"));
        }
    }
}

async fn audit_gold(
    tables: &Tables,
    (lake, settings): (&Lake, &Settings),
    project: &Project,
    (render, report): (&dyn Fn(DateTime<Utc>) -> Result<Project>, &mut Report),
) -> Result<()> {
    let names: Vec<&str> = gold::stored_models(project).map(|model| model.name.as_str()).collect();
    let mut rendered: HashMap<DateTime<Utc>, Project> = HashMap::new();
    for name in names {
        let table = tables.table(&format!("gold/{name}"));
        let Some(snapshot) = table.load().await? else {
            report.differences.push(format!("gold.{name}: was never published"));
            continue;
        };
        // A model that names the time of the refresh is rendered as it was then.
        let time = gold::started_at(&snapshot).unwrap_or_default();
        let project = match rendered.entry(time) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => entry.insert(render(time)?),
        };
        let Some(model) = project.models.iter().find(|model| model.name == name) else { continue };
        let upstream = Upstream::of(project, model);
        let pinned = upstream.pin(tables, project).await?;
        if let Some(reason) = gold::withheld(lake, name, &pinned.inputs)? {
            report.differences.push(format!("gold.{name}: is withheld: {reason}"));
        } else if recorded(&snapshot.properties).as_ref() != Some(&pinned.inputs) {
            report.differences.push(format!("gold.{name}: is older than its inputs; run ingest"));
        } else {
            let engine = new_engine(lake, project, settings, settings.threads)?;
            Upstream::of_sql(project, model).define(&engine, project, (&pinned, Needed::Whole))?;
            match differing_rows(&engine, &model.sql, (&table, &snapshot))? {
                0 => report.gold.push(name.to_owned()),
                rows => report
                    .differences
                    .push(format!("gold.{name}: {rows} rows differ from its SQL over the present inputs")),
            }
        }
    }
    Ok(())
}

/// How many rows the table and its SQL do not share.
fn differing_rows(engine: &Engine, sql: &str, (table, snapshot): (&Table, &Snapshot)) -> Result<u64> {
    let schema = stored_schema(&engine.columns(&table.name, sql)?.as_ref().clone())?;
    if schema != snapshot.schema {
        return Ok(1.max(snapshot.rows().unwrap_or(1)));
    }
    let target = Target {
        folder: engine.scratch().to_owned(),
        name: uuid::Uuid::new_v4().to_string(),
        schema: Arc::clone(&schema),
        partition_by: Vec::new(),
    };
    let mut writer = DataFileWriter::new(target);
    engine.select(&table.name, sql, |batch| {
        writer.write(&stored_batch(&batch, &schema).map_err(Error::columns(&table.name))?)
    })?;
    let paths = writer.finish()?.iter().map(|file| engine.scratch().join(&file.path)).collect();
    engine.define("gold", "audited_sql", &Relation::Files { paths, schema: Arc::clone(&schema) })?;
    let paths = engine.hold(table.fetch(&snapshot.files)?);
    engine.define("gold", "audited_table", &Relation::Files { paths, schema: Arc::clone(&schema) })?;
    let exact = "SELECT count(*) FROM ((FROM gold.audited_sql EXCEPT ALL FROM gold.audited_table) UNION ALL (FROM gold.audited_table EXCEPT ALL FROM gold.audited_sql))";
    let differing = number(engine, exact)?;
    if differing == 0 || !schema.fields().iter().any(|field| is_float(field)) {
        return Ok(differing);
    }
    number(engine, &tolerant(schema.fields()))
}

fn is_float(field: &Field) -> bool {
    matches!(field.data_type(), DataType::Float32 | DataType::Float64)
}

/// Pairs the rows in the order of all columns, floats last, and compares floats within the tolerance.
fn tolerant(fields: &arrow::datatypes::Fields) -> String {
    let (floats, exact): (Vec<_>, Vec<_>) = fields.iter().partition(|field| is_float(field));
    let order: Vec<String> = exact.iter().chain(&floats).map(|field| quoted(field.name())).collect();
    let same = fields.iter().map(|field| {
        let name = quoted(field.name());
        let equal = format!("(a.{name} IS NOT DISTINCT FROM b.{name})");
        if is_float(field) {
            format!("({equal} OR coalesce(abs(a.{name} - b.{name}) <= {TOLERANCE:e} * greatest(abs(a.{name}), abs(b.{name})), false))")
        } else {
            equal
        }
    });
    let numbered = |table: &str| {
        format!("(SELECT *, row_number() OVER (ORDER BY {}) AS _pair FROM gold.{table})", order.join(", "))
    };
    format!(
        "SELECT count(*) FROM {} a FULL JOIN {} b USING (_pair) WHERE NOT ({})",
        numbered("audited_sql"),
        numbered("audited_table"),
        same.collect::<Vec<_>>().join(" AND ")
    )
}

fn number(engine: &Engine, sql: &str) -> Result<u64> {
    let (_, batches) = engine.collect("compare", sql)?;
    let count = batches
        .first()
        .and_then(|batch| batch.column(0).as_any().downcast_ref::<Int64Array>())
        .map_or(0, |counts| counts.value(0));
    Ok(u64::try_from(count).unwrap_or_default())
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{} raw objects: {} records = {} accepted + {} quarantined",
            self.objects, self.records, self.accepted, self.quarantined
        )?;
        if !self.gold.is_empty() {
            writeln!(formatter, "gold equals its SQL: {}", self.gold.join(", "))?;
        }
        for note in &self.notes {
            writeln!(formatter, "note: {note}")?;
        }
        for difference in &self.differences {
            writeln!(formatter, "difference: {difference}")?;
        }
        let verdict = if self.differences.is_empty() {
            "everything agrees".to_owned()
        } else {
            format!("{} differences", self.differences.len())
        };
        write!(formatter, "{verdict}")
    }
}

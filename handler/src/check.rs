//! Check: a project is tried without data. Every relation stands empty, every SQL is bound by `DuckDB`, so that a wrong
//! column name is found before a deploy.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};

use crate::contract::{Contract, is_added, lineage_fields, visible};
use crate::engine::{Engine, Relation as Stands};
use crate::error::{Error, Result};
use crate::guard::{self, Rules};
use crate::lake::{Address, Lake, Scratch};
use crate::project::{Model, ModelTest, Project, Relation, Zone};
use crate::quality;
use crate::run::new_engine;
use crate::settings::Settings;
use crate::stored::stored_schema;

/// Everything that is wrong with a project's SQL; empty when nothing is.
///
/// # Errors
/// Failures of ours: no scratch folder, `DuckDB` does not start.
pub fn check(project: &Project, settings: &Settings, scratch: &Path) -> Result<Vec<Error>> {
    let lake = Lake::open(&Address::folder(scratch), &Scratch::default(), None)?;
    let engine = match new_engine(&lake, project, settings, 1) {
        Ok(engine) => engine,
        Err(error @ Error::Refused { .. }) => return Ok(vec![error]),
        Err(error) => return Err(error),
    };
    let mut wrong = Vec::new();
    for source in &project.sources {
        let contract = Contract::in_force(None, Some(source), false);
        let tested = contract
            .schema()
            .and_then(|schema| engine.define("silver", &source.table, &Stands::Files { paths: Vec::new(), schema }))
            .and_then(|()| quality::test_records(&engine, &source.table, &source.tests, &contract).map(|_| ()));
        wrong.extend(tested.err());
    }
    for model in &project.models {
        match check_model(&engine, project, model) {
            Ok(()) => {}
            Err(error) if error.is_verdict() || matches!(error, Error::Columns { .. }) => wrong.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok(wrong)
}

fn check_model(engine: &Engine, project: &Project, model: &Model) -> Result<()> {
    let schema = model_schema(engine, project, model)?;
    for column in &model.partition_by {
        if schema.field_with_name(column).is_err() {
            let reason = format!("partition_by names {column:?}, which is none of its columns");
            return Err(Error::Refused { what: name_of(model), reason });
        }
    }
    for test in &model.tests {
        let texts = format!("{}\n{}", model.sql, test.sql);
        for relation in test.relations.iter().filter(|relation| **relation != model.relation()) {
            stand_empty(engine, project, (relation, &texts))?;
        }
        engine.define(
            model.relation().schema(),
            &model.name,
            &Stands::Files { paths: Vec::new(), schema: visible(&schema, &texts) },
        )?;
        admit_test(engine, test)?;
        engine.columns(&format!("test {} ({})", test.name, test.place), &test.sql)?;
    }
    Ok(())
}

fn name_of(model: &Model) -> String {
    format!("model {} ({})", model.name, model.place)
}

/// Refuses what a model's SQL may not do; returns its syntax tree.
///
/// # Errors
/// As [`guard::admit`].
pub fn admit(engine: &Engine, model: &Model) -> Result<Arc<serde_json::Value>> {
    guard::admit(engine, &name_of(model), &model.sql, &Rules { relations: &names(&model.relations), stable: true })
}

/// Refuses what a test's SQL may not do.
///
/// # Errors
/// As [`guard::admit`].
pub fn admit_test(engine: &Engine, test: &ModelTest) -> Result<()> {
    let what = format!("test {} ({})", test.name, test.place);
    guard::admit(engine, &what, &test.sql, &Rules { relations: &names(&test.relations), stable: true }).map(|_| ())
}

fn names(relations: &[Relation]) -> std::collections::BTreeSet<String> {
    relations.iter().map(|relation| format!("{}.{}", relation.schema(), relation.name()).to_lowercase()).collect()
}

/// The stored columns of a relation that has no table yet.
///
/// # Errors
/// [`Error::Table`] when the project does not know it; what binding its SQL says.
pub fn schema_of(engine: &Engine, project: &Project, (zone, name): (&str, &str)) -> Result<SchemaRef> {
    if let Some(source) = project.sources.iter().find(|source| zone == "silver" && source.table == name) {
        return Contract::in_force(None, Some(source), false).schema();
    }
    match project.models.iter().find(|model| model.name == name && model.relation().schema() == zone) {
        Some(model) => model_schema(engine, project, model),
        None => Err(Error::Table {
            table: format!("{zone}/{name}"),
            reason: "neither the lake nor the project knows it".to_owned(),
        }),
    }
}

/// The stored columns of a model, found by binding its SQL over empty relations.
///
/// # Errors
/// What the guard refuses and what `DuckDB` says.
pub fn model_schema(engine: &Engine, project: &Project, model: &Model) -> Result<SchemaRef> {
    for relation in &model.relations {
        stand_empty(engine, project, (relation, &model.sql))?;
    }
    admit(engine, model)?;
    let columns = engine.columns(&name_of(model), &model.sql)?;
    if model.zone == Zone::Gold {
        return stored_schema(&columns);
    }
    let own = columns.fields().iter().filter(|field| !is_added(field.name())).cloned();
    let lineage = lineage_fields(false).into_iter().map(Arc::new);
    stored_schema(&Schema::new(own.chain(lineage).collect::<Vec<_>>()))
}

/// Puts an empty relation, with the columns that `sql` sees, behind a name.
fn stand_empty(engine: &Engine, project: &Project, (relation, sql): (&Relation, &str)) -> Result<()> {
    if matches!(relation, Relation::Seed { .. }) {
        return Ok(());
    }
    let (zone, name) = (relation.schema(), relation.name());
    let view =
        project.models.iter().find(|model| model.relation() == *relation && model.zone == Zone::Gold && !model.stored);
    if let Some(view) = view {
        let texts = format!("{sql}\n{}", view.sql);
        view.relations.iter().try_for_each(|relation| stand_empty(engine, project, (relation, &texts)))?;
        return engine.define(zone, name, &Stands::Sql(view.sql.clone()));
    }
    let schema = schema_of(engine, project, (zone, name))?;
    let schema = visible(&schema, sql);
    engine.define(zone, name, &Stands::Files { paths: Vec::new(), schema })
}

//! Tests on models and seeds as SQL: a `SELECT` of failing rows.

use std::collections::BTreeSet;
use std::sync::Arc;

use minijinja::Value as TemplateValue;

use super::configuration::{Config, Resource};
use super::draft::{Clock, own_config};
use super::error::{Error, Errors, Place};
use super::files::SourceFile;
use super::properties::{Properties, TestEntry};
use super::record_tests::{severity, severity_of};
use super::settings::Settings;
use super::template::{Rendered, Subject, Templates, World, is_template, relation_value, yaml_value};
use super::yaml::{Node, Reader, Value};
use super::{ModelTest, Relation, Severity};

/// Renders tests.
pub(super) struct Tester<'a, 't> {
    pub(super) templates: &'a Templates<'t>,
    pub(super) clock: &'a Clock,
    pub(super) world: Arc<World>,
}

impl Tester<'_, '_> {
    /// A generic test on a model or seed.
    pub(super) fn generic(&self, entry: &TestEntry, tested: &Relation, errors: &mut Errors) -> Vec<ModelTest> {
        if !entry.config.enabled(errors) {
            return Vec::new();
        }
        let subject = self.subject(&entry.place, &entry.config, Some(tested.clone()));
        let mut relations = BTreeSet::from([tested.clone()]);
        let result = self.clock.render(&subject, |subject| self.call(entry, tested, subject));
        let severity = severity(entry, errors);
        match result {
            Ok((rendered, stable_sql)) => {
                relations.extend(rendered.relations);
                let test = ModelTest {
                    name: entry.title(),
                    severity,
                    sql: rendered.text,
                    stable_sql,
                    relations: relations.into_iter().collect(),
                    place: entry.place.clone(),
                };
                thresholds(&test, &entry.config, errors)
            }
            Err(error) => {
                errors.0.push(error);
                Vec::new()
            }
        }
    }

    fn call(&self, entry: &TestEntry, tested: &Relation, subject: &Subject) -> Result<Rendered, Error> {
        let model = match entry.config.setting("where").and_then(|setting| setting.node.text()) {
            Some(condition) => {
                let condition = self.templates.render(&condition, subject)?.text;
                TemplateValue::from(format!("(select * from {tested} where {condition}) dbt_subquery"))
            }
            None => relation_value(tested),
        };
        let mut arguments = vec![("model".to_owned(), model)];
        arguments
            .extend(entry.column.iter().map(|column| ("column_name".to_owned(), TemplateValue::from(column.as_str()))));
        let mut relations = BTreeSet::new();
        for (name, node) in &entry.arguments {
            arguments.push((name.clone(), self.argument(node, subject, &mut relations)?));
        }
        let mut rendered = self.templates.render_test((&entry.test, arguments), subject)?;
        rendered.relations.extend(relations);
        Ok(rendered)
    }

    /// An argument's value: `ref('x')` stands for itself even without braces, as in dbt.
    fn argument(
        &self,
        node: &Node,
        subject: &Subject,
        relations: &mut BTreeSet<Relation>,
    ) -> Result<TemplateValue, Error> {
        match &node.value {
            Value::Text(text) if is_template(text) || is_call(text) => {
                let text = if is_template(text) { text.clone() } else { format!("{{{{ {text} }}}}") };
                let (value, rendered) = self.templates.render_value(&text, subject)?;
                relations.extend(rendered.relations);
                Ok(value)
            }
            Value::List(elements) => {
                let values = elements.iter().map(|element| self.argument(element, subject, relations));
                Ok(TemplateValue::from(values.collect::<Result<Vec<_>, _>>()?))
            }
            _ => Ok(yaml_value(node)),
        }
    }

    /// A singular test: the file's own SQL. None: it is switched off or a problem has been noted.
    pub(super) fn singular(
        &self,
        file: &SourceFile,
        (settings, properties): (&Settings, &Properties),
        errors: &mut Errors,
    ) -> Vec<ModelTest> {
        let names: Vec<String> = file.folders.iter().cloned().chain([file.stem()]).collect();
        let mut config = settings.configure(Resource::Tests, &names);
        if let Some(said) = properties.tests.get(&file.stem()) {
            config.join(said);
        }
        if !config.enabled(errors) {
            return Vec::new();
        }
        let place = Place::file(&file.path);
        let subject = self.subject(&place, &config, None);
        let (rendered, stable_sql) =
            match self.clock.render(&subject, |subject| self.templates.render(&file.text, subject)) {
                Ok(rendered) => rendered,
                Err(error) => {
                    errors.0.push(error);
                    return Vec::new();
                }
            };
        config.add(&own_config(&rendered, file), Resource::Tests, &mut Reader { file: file.path.clone(), errors });
        if !config.enabled(errors) {
            return Vec::new();
        }
        if let Some(setting) = config.setting("where") {
            errors.add(&setting.place, "where is not supported in a singular test: write it into its SQL");
        }
        let severity = severity_of(&config, errors);
        let relations = rendered.relations.into_iter().collect();
        let test = ModelTest { name: file.stem(), severity, sql: rendered.text, stable_sql, relations, place };
        thresholds(&test, &config, errors)
    }

    fn subject(&self, place: &Place, config: &Config, this: Option<Relation>) -> Subject {
        Subject {
            place: place.clone(),
            this,
            config: config.values(),
            run_started_at: self.clock.run_started_at,
            world: Some(Arc::clone(&self.world)),
        }
    }
}

/// Whether a text is a call that dbt evaluates without braces.
fn is_call(text: &str) -> bool {
    let text = text.trim();
    let called = text.split('(').next().unwrap_or_default().trim_end();
    ["ref", "source", "var", "env_var"].contains(&called) && text.ends_with(')') && text.contains('(')
}

/// `error_if` and `warn_if`: the test as one or two whose SQL gives a row where the number of failures is too high.
fn thresholds(test: &ModelTest, config: &Config, errors: &mut Errors) -> Vec<ModelTest> {
    let (error_if, warn_if) = (config.text("error_if", errors), config.text("warn_if", errors));
    let calculation = config.text("fail_calc", errors);
    if error_if.is_none() && warn_if.is_none() && calculation.is_none() {
        return vec![test.clone()];
    }
    let limit = config.text("limit", errors).map(|limit| format!("\nlimit {limit}")).unwrap_or_default();
    let calculation = calculation.unwrap_or_else(|| "count(*)".to_owned());
    let counted = |severity: Severity, condition: Option<&String>, suffix: &str| {
        let condition = condition.map_or("!= 0", String::as_str);
        let wrap = |sql: &str| {
            format!(
                "select failures from (\nselect {calculation} as failures from (\n{sql}{limit}\n) dbt_internal_test\n) \
                 counted\nwhere failures {condition}"
            )
        };
        let (sql, stable_sql) = (wrap(&test.sql), wrap(&test.stable_sql));
        ModelTest { name: format!("{}{suffix}", test.name), severity, sql, stable_sql, ..test.clone() }
    };
    match test.severity {
        Severity::Warn => vec![counted(Severity::Warn, warn_if.as_ref(), "")],
        Severity::Error => {
            let mut tests = vec![counted(Severity::Error, error_if.as_ref(), "")];
            if error_if.is_some() {
                tests.push(counted(Severity::Warn, warn_if.as_ref(), " (warn_if)"));
            }
            tests
        }
    }
}

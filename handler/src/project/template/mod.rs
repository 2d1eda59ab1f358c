//! Jinja as dbt evaluates it, without a database: text in, SQL and the relations that it reads out.

mod collection;
mod functions;
mod json;
mod macros;
mod problem;
mod scan;
mod scope;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{AutoEscape, Environment, Error, State, UndefinedBehavior, Value};

use super::Relation;
use super::error::{self, Errors, Place, suggestion};
use super::files::SourceFile;
use collection::{Dict, python_text};
pub(super) use json::{value_node, yaml_value};
use macros::{Adapter, MacroTable, Package};
use scan::blocks;
pub(super) use scope::World;
use scope::{Scope, refused};

/// The templates of a project: its macros, its variables, and dbt's functions.
pub(super) struct Templates<'a> {
    environment: Environment<'static>,
    macros: Arc<MacroTable>,
    answers: functions::Answers,
    ask: &'a dyn Fn(&str) -> Option<String>,
}

/// What a rendering is about.
#[derive(Clone, Default)]
pub(super) struct Subject {
    /// Where the text stands.
    pub(super) place: Place,
    /// The relation that `this` names.
    pub(super) this: Option<Relation>,
    /// The configuration from outside the text.
    pub(super) config: BTreeMap<String, Value>,
    /// What `run_started_at` says.
    pub(super) run_started_at: DateTime<Utc>,
    /// The tables that can be named; none: no tables can be named here.
    pub(super) world: Option<Arc<World>>,
}

/// A rendered text and what the rendering did.
#[derive(Clone, Debug, Default)]
pub(super) struct Rendered {
    pub(super) text: String,
    pub(super) relations: BTreeSet<Relation>,
    pub(super) config: BTreeMap<String, Value>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Templates<'a> {
    /// dbt's functions, without macros and variables: enough for `dbt_project.yml`.
    pub(super) fn new(ask: &'a dyn Fn(&str) -> Option<String>) -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_unknown_method_callback(unknown_method);
        environment.set_formatter(|out, _, value| write_value(out, value));
        environment.set_debug(true);
        functions::add_functions(&mut environment);
        let answers = functions::Answers::default();
        functions::add_environment(&mut environment, Arc::clone(&answers));
        functions::add_variables(&mut environment, BTreeMap::new());
        environment.add_global("target", target(ask("DBT_TARGET")));
        Self { environment, macros: Arc::default(), answers, ask }
    }

    /// Makes the project's variables and macros known.
    pub(super) fn with_project(
        mut self,
        (project, variables): (&str, BTreeMap<String, Value>),
        files: &[SourceFile],
        errors: &mut Errors,
    ) -> Self {
        functions::add_variables(&mut self.environment, variables);
        let mut table = MacroTable::default();
        table.add_builtin(&mut self.environment, errors);
        for file in files {
            table.add_file(&mut self.environment, (&file.path, &file.text), errors);
        }
        for (name, value) in table.builtin.iter().chain(&table.project) {
            self.environment.add_global(name.clone(), value.clone());
        }
        let mut own = table.builtin.clone();
        own.extend(functions::refused_macros().map(|(name, value)| (name.to_owned(), value)));
        let dbt = Package { name: "dbt".to_owned(), macros: own };
        self.environment.add_global("dbt", Value::from_object(dbt));
        let package = Package { name: project.to_owned(), macros: table.project.clone() };
        self.environment.add_global(project.to_owned(), Value::from_object(package));
        self.environment.add_global("project_name", Value::from(project));
        self.macros = Arc::new(table);
        self.environment.add_global("adapter", Value::from_object(Adapter(Arc::clone(&self.macros))));
        self
    }

    /// Makes the doc blocks known to `doc('name')`.
    pub(super) fn with_documents(mut self, documents: BTreeMap<String, String>) -> Self {
        self.environment.add_function("doc", move |first: &str, second: Option<&str>| {
            let name = second.unwrap_or(first);
            documents.get(name).cloned().ok_or_else(|| {
                let hint = suggestion(name, documents.keys().map(String::as_str));
                refused(format!("doc('{name}') names no docs block{hint}"))
            })
        });
        self
    }

    /// Renders a text.
    pub(super) fn render(&self, text: &str, subject: &Subject) -> Result<Rendered, error::Error> {
        let file = subject.place.file.display().to_string();
        let padding = "\n".repeat(subject.place.line.saturating_sub(1));
        let source = scan::changeable(text).map_err(|(line, message)| {
            error::Error::new(Place::new(&subject.place.file, line + padding.len()), message)
        })?;
        let source = format!("{padding}{source}");
        let mut rendered =
            self.evaluate(subject, |environment| environment.template_from_named_str(&file, &source)?.render(()))?;
        rendered.text.drain(..padding.len().min(rendered.text.len()));
        Ok(rendered)
    }

    /// Renders a text of a `.yml` file, where a whole `{{ ... }}` keeps the type of its value.
    pub(super) fn render_value(&self, text: &str, subject: &Subject) -> Result<(Value, Rendered), error::Error> {
        let whole = match scan::pieces(text.trim()).as_deref() {
            Ok([piece]) if piece.kind == scan::Kind::Expression => Some(piece.inner().to_owned()),
            _ => None,
        };
        let Some(expression) = whole else {
            let rendered = self.render(text, subject)?;
            return Ok((Value::from(rendered.text.as_str()), rendered));
        };
        let mut value = Value::UNDEFINED;
        let rendered = self.evaluate(subject, |environment| {
            value = environment.compile_expression_owned(expression.clone())?.eval(())?;
            if value.is_undefined() {
                return Err(refused(format!("\"{expression}\" is undefined")));
            }
            Ok(String::new())
        })?;
        Ok((value, rendered))
    }

    /// Calls the generic test of a name.
    pub(super) fn render_test(
        &self,
        (name, arguments): (&str, Vec<(String, Value)>),
        subject: &Subject,
    ) -> Result<Rendered, error::Error> {
        let Some(test) = self.macros.test(name) else {
            let message = format!("unknown test \"{name}\"{}", suggestion(name, self.macros.tests()));
            return Err(error::Error::new(subject.place.clone(), message));
        };
        self.evaluate(subject, |environment| {
            let arguments = Value::from(arguments.clone().into_iter().collect::<Kwargs>());
            test.call(&environment.empty_state(), &[arguments]).map(|value| python_text(&value))
        })
    }

    /// Evaluates something in a scope of its own; again whenever an environment variable had to be asked for.
    fn evaluate(
        &self,
        subject: &Subject,
        mut run: impl FnMut(&Environment<'static>) -> Result<String, Error>,
    ) -> Result<Rendered, error::Error> {
        loop {
            let scope = Arc::new(Scope {
                world: subject.world.clone().unwrap_or_default(),
                config: subject.config.clone(),
                relations_allowed: subject.world.is_some(),
                trace: Mutex::default(),
            });
            let environment = self.scoped(&scope, subject);
            let result = run(&environment);
            let mut trace = scope.trace();
            if let (Err(_), Some(name)) = (&result, trace.wanted.take()) {
                let answer = (self.ask)(&name);
                self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(name, answer);
                continue;
            }
            let text = result.map_err(|error| problem::problem(&error, &subject.place, ""))?;
            let (relations, config) = (std::mem::take(&mut trace.relations), std::mem::take(&mut trace.config));
            return Ok(Rendered { text, relations, config, warnings: std::mem::take(&mut trace.warnings) });
        }
    }

    /// The environment with what belongs to one rendering.
    fn scoped(&self, scope: &Arc<Scope>, subject: &Subject) -> Environment<'static> {
        let mut environment = self.environment.clone();
        environment.add_global("__scope", Value::from_dyn_object(Arc::clone(scope)));
        environment.add_global("run_started_at", Value::from_object(values::Started(subject.run_started_at)));
        if let Some(this) = &subject.this {
            let entry = |key: &str, value: &str| (Value::from(key), Value::from(value));
            let mut model =
                vec![entry("name", this.name()), entry("alias", this.name()), entry("schema", this.schema())];
            let config = subject.config.iter().map(|(key, value)| (Value::from(key.as_str()), value.clone()));
            model.push((Value::from("config"), Dict::value(config.collect())));
            environment.add_global("model", Dict::value(model));
            environment.add_global("this", functions::relation_value(this.clone()));
        }
        environment
    }
}

/// dbt's `target`. There is no profile; its name is that of the environment variable `DBT_TARGET`, else `prod`.
fn target(name: Option<String>) -> Value {
    let name = name.unwrap_or_else(|| "prod".to_owned());
    let fields = [
        ("name", Value::from(name.as_str())),
        ("target_name", Value::from(name.as_str())),
        ("schema", Value::from("gold")),
        ("database", Value::from("pintail")),
        ("type", Value::from("duckdb")),
        ("profile_name", Value::from("pintail")),
        ("threads", Value::from(1)),
    ];
    Dict::value(fields.map(|(key, value)| (Value::from(key), value)).to_vec())
}

/// Writes a value as Python prints it.
fn write_value(out: &mut minijinja::Output<'_>, value: &Value) -> Result<(), Error> {
    if let Some(name) = value.downcast_object_ref::<values::Refused>() {
        return Err(name.error());
    }
    out.write_str(&python_text(value)).map_err(|_| refused("a value that cannot be printed"))
}

/// Python's methods of texts; a list that a filter made cannot be changed.
fn unknown_method(state: &State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    if value.kind() == ValueKind::Seq && ["append", "extend", "insert", "remove"].contains(&method) {
        return Err(refused(format!("{method}: this list cannot be changed; make one with `| list`")));
    }
    minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)
}

/// The relation as `ref` would give it.
pub(super) fn relation_value(relation: &Relation) -> Value {
    functions::relation_value(relation.clone())
}

/// Whether a text has anything to render.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

/// The doc blocks of a Markdown file.
pub(super) fn doc_blocks(path: &Path, text: &str, errors: &mut Errors) -> Vec<(String, String)> {
    match blocks(text, &["docs"]) {
        Ok(found) => found.into_iter().map(|block| (block.name, block.body.trim().to_owned())).collect(),
        Err((line, message)) => {
            errors.add(&Place::new(path, line), message);
            Vec::new()
        }
    }
}

//! Macros: every `{% macro %}` and `{% test %}` is a template of its own, so that all see each other, `return` can give
//! back any value, and `adapter.dispatch` finds the one for `DuckDB`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use minijinja::value::{Kwargs, Object, from_args};
use minijinja::{Environment, Error, State, Value};

use super::problem::{message, syntax_problem};
use super::scan::{self, Block};
use super::scope::{Scope, refused};
use crate::project::error::{Errors, Place, suggestion};

/// The macro's name inside of its own template.
const INNER: &str = "__macro";

/// All macros by name: the template that holds each.
#[derive(Debug, Default)]
pub(super) struct MacroTable {
    pub(super) project: BTreeMap<String, Value>,
    pub(super) builtin: BTreeMap<String, Value>,
}

impl MacroTable {
    /// Adds dbt's own macros.
    pub(super) fn add_builtin(&mut self, environment: &mut Environment<'static>, errors: &mut Errors) {
        let added = add_file(environment, "", include_str!("dbt.sql"), errors);
        self.builtin.extend(added.into_iter().map(|(name, value, _)| (name, value)));
    }

    /// Adds the macros of one file of the project.
    pub(super) fn add_file(
        &mut self,
        environment: &mut Environment<'static>,
        (path, text): (&Path, &str),
        errors: &mut Errors,
    ) {
        for (name, value, line) in add_file(environment, &path.display().to_string(), text, errors) {
            if self.project.insert(name.clone(), value).is_some() {
                errors.add(&Place::new(path, line), format!("a second macro \"{name}\""));
            }
        }
    }

    /// `adapter.dispatch`: the project's macro before dbt's, `DuckDB`'s before the default.
    fn dispatch(&self, name: &str) -> Result<Value, Error> {
        let candidates = [format!("duckdb__{name}"), format!("default__{name}")];
        let mut found = [&self.project, &self.builtin]
            .into_iter()
            .flat_map(|macros| candidates.iter().filter_map(|candidate| macros.get(candidate)));
        found
            .next()
            .cloned()
            .ok_or_else(|| refused(format!("adapter.dispatch('{name}') finds no macro {}", candidates.join(" or "))))
    }

    /// The macro that a generic test of this name calls.
    pub(super) fn test(&self, name: &str) -> Option<Value> {
        let name = format!("test_{name}");
        self.project.get(&name).or_else(|| self.builtin.get(&name)).cloned()
    }

    /// The names of all generic tests.
    pub(super) fn tests(&self) -> impl Iterator<Item = &str> {
        self.project.keys().chain(self.builtin.keys()).filter_map(|name| name.strip_prefix("test_"))
    }
}

/// Makes a template of each macro and test of a file.
fn add_file(
    environment: &mut Environment<'static>,
    path: &str,
    text: &str,
    errors: &mut Errors,
) -> Vec<(String, Value, usize)> {
    let blocks = match scan::blocks(text, &["macro", "test", "data_test", "materialization", "snapshot"]) {
        Ok(blocks) => blocks,
        Err((line, message)) => {
            errors.add(&Place::new(path, line), message);
            return Vec::new();
        }
    };
    let mut added = Vec::new();
    for block in blocks {
        let name = match block.word.as_str() {
            "macro" => block.name.clone(),
            "test" | "data_test" => format!("test_{}", block.name),
            word => {
                errors.add(&Place::new(path, block.line), format!("{word} \"{}\" is not supported", block.name));
                continue;
            }
        };
        let template = format!("{path}#{name}");
        let source = scan::changeable(&template_of(&block));
        let result = source.and_then(|source| {
            environment.add_template_owned(template.clone(), source).map_err(|error| syntax_problem(&error))
        });
        match result {
            Ok(()) => added.push((name.clone(), Value::from_object(Macro { template, name }), block.line)),
            Err((line, message)) => errors.add(&Place::new(path, line), message),
        }
    }
    added
}

/// The block as a macro of a fixed name, on the line where it stands in its file.
fn template_of(block: &Block) -> String {
    let start = block.opening.find(&block.word).unwrap_or_default();
    let after = &block.opening[start + block.word.len()..];
    let opening = format!("{}macro {}", &block.opening[..start], after.trim_start().replacen(&block.name, INNER, 1));
    let lines = "\n".repeat(block.line - 1);
    let closing = block.closing.replacen(&format!("end{}", block.word), "endmacro", 1);
    format!("{lines}{opening}{}{closing}", block.body)
}

/// A macro that can be called from every template.
#[derive(Debug)]
struct Macro {
    template: String,
    name: String,
}

impl Object for Macro {
    fn call(self: &Arc<Self>, state: &State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let scope = Scope::of(state)?;
        let args = with_rendered_caller(state, args)?;
        scope.enter(&self.name)?;
        let result = self.evaluate(state, &args);
        scope.leave();
        match result {
            Ok(text) => Ok(Value::from(text)),
            Err(error) => match scope.trace().returned.take() {
                Some(value) => Ok(value),
                None if self.template.starts_with('#') => Err(without_place(&error)),
                None => Err(error),
            },
        }
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "<macro {}>", self.name)
    }
}

impl Macro {
    fn evaluate(&self, state: &State<'_, '_>, args: &[Value]) -> Result<String, Error> {
        let template = state.env().get_template(&self.template)?;
        template.render_captured(())?.state().call_macro(INNER, args)
    }
}

/// An error inside of dbt's own macros is shown where the project calls them.
fn without_place(error: &Error) -> Error {
    refused(message(error))
}

/// The arguments, with the body of a `{% call %}` block rendered beforehand: it belongs to the calling template.
fn with_rendered_caller(state: &State<'_, '_>, args: &[Value]) -> Result<Vec<Value>, Error> {
    let Some((last, others)) = args.split_last().filter(|(last, _)| last.is_kwargs()) else {
        return Ok(args.to_vec());
    };
    let kwargs = Kwargs::try_from(last.clone())?;
    let Ok(caller) = kwargs.get::<Value>("caller") else {
        return Ok(args.to_vec());
    };
    if caller.get_attr("arguments").is_ok_and(|arguments| arguments.len().unwrap_or(0) > 0) {
        return Err(refused("a call block with arguments is not supported"));
    }
    let text = caller.call(state, &[])?;
    let mut named = Vec::new();
    for name in kwargs.args() {
        let value = if name == "caller" { Value::from_object(Body(text.clone())) } else { kwargs.get(name)? };
        named.push((name.to_owned(), value));
    }
    let mut args = others.to_vec();
    args.push(Value::from(named.into_iter().collect::<Kwargs>()));
    Ok(args)
}

/// The rendered body of a call block.
#[derive(Debug)]
struct Body(Value);

impl Object for Body {
    fn call(self: &Arc<Self>, _: &State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        Ok(self.0.clone())
    }
}

/// Macros under a name: `dbt.date_trunc`, `my_project.cents_to_dollars`.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) macros: BTreeMap<String, Value>,
}

impl Object for Package {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.macros.get(key.as_str()?).cloned()
    }

    fn call_method(self: &Arc<Self>, state: &State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let found = self.macros.get(method).ok_or_else(|| {
            let hint = suggestion(method, self.macros.keys().map(String::as_str));
            refused(format!("{} has no macro \"{method}\"{hint}", self.name))
        })?;
        found.call(state, args)
    }
}

/// dbt's `adapter`: what needs no database.
#[derive(Debug)]
pub(super) struct Adapter(pub(super) Arc<MacroTable>);

impl Object for Adapter {
    fn call_method(self: &Arc<Self>, _: &State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "dispatch" => {
                let (name, namespace, kwargs): (Option<&str>, Option<Value>, Kwargs) = from_args(args)?;
                let _ = (namespace, kwargs.get::<Option<Value>>("macro_namespace")?);
                let name = match name {
                    Some(name) => name,
                    None => kwargs.get("macro_name")?,
                };
                self.0.dispatch(name)
            }
            "quote" => {
                let (name,): (&str,) = from_args(args)?;
                Ok(Value::from(format!("\"{name}\"")))
            }
            "type" => Ok(Value::from("duckdb")),
            _ => Err(refused(format!("adapter.{method} is not supported: it needs a database"))),
        }
    }
}

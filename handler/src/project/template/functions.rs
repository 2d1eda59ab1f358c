//! dbt's functions that need no database, and by name those that do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{Kwargs, Object, Rest, ValueKind, from_args};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::collection::{Dict, List, python_text};
use super::json::{from_json, to_json};
use super::scope::{Scope, refused};
use super::values::{Named, Refused};
use crate::project::Relation;
use crate::project::error::suggestion;

/// The environment variables that have been asked for, with the answers.
pub(super) type Answers = Arc<Mutex<BTreeMap<String, Option<String>>>>;

/// Why a name is refused.
const DATABASE: &str = "it needs a database while the project is read";
const VOLATILE: &str = "its value changes from run to run; use run_started_at";
const PYTHON: &str = "Python modules are not available";

/// Names of dbt that are refused when they are used.
const REFUSED: [(&str, &str); 22] = [
    ("run_query", DATABASE),
    ("statement", DATABASE),
    ("load_result", DATABASE),
    ("store_result", DATABASE),
    ("store_raw_result", DATABASE),
    ("load_relation", DATABASE),
    ("load_cached_relation", DATABASE),
    ("get_columns_in_query", DATABASE),
    ("get_column_schema_from_query", DATABASE),
    ("create_schema", DATABASE),
    ("drop_relation", DATABASE),
    ("graph", DATABASE),
    ("schemas", DATABASE),
    ("results", DATABASE),
    ("selected_resources", DATABASE),
    ("current_timestamp", VOLATILE),
    ("current_timestamp_backcompat", VOLATILE),
    ("current_timestamp_in_utc_backcompat", VOLATILE),
    ("snapshot_get_time", VOLATILE),
    ("py_current_timestring", VOLATILE),
    ("invocation_id", VOLATILE),
    ("modules", PYTHON),
];

/// Names of dbt's own package that are refused when they are used.
pub(super) fn refused_macros() -> impl Iterator<Item = (&'static str, Value)> {
    REFUSED.into_iter().map(|(name, reason)| (name, Refused::value(name, reason)))
}

/// Adds everything that is the same for all renderings.
pub(super) fn add_functions(environment: &mut Environment<'static>) {
    for (name, value) in refused_macros() {
        environment.add_global(name, value);
    }
    add_relations(environment);
    add_python(environment);
    environment.add_global("execute", Value::from(true));
    environment.add_function("is_incremental", || false);
    environment.add_function("return", give_back);
    environment.add_function("log", |_: Rest<Value>| "");
    environment.add_function("print", |_: Rest<Value>| "");
    environment.add_global("exceptions", Value::from_object(Exceptions));
    environment.add_global("config", Value::from_object(Config));
    environment.add_global("dbt_version", Value::from("1.11.0"));
    let flags = [("FULL_REFRESH", false), ("STORE_FAILURES", false)];
    let flags = flags.map(|(name, value)| (Value::from(name), Value::from(value)));
    environment.add_global("flags", Dict::value(flags.to_vec()));
    let column = Value::from_object(Column);
    let relation = Refused::value("api.Relation", DATABASE);
    let api = [("Column", column), ("Relation", relation)];
    environment.add_global("api", Dict::value(api.map(|(name, value)| (Value::from(name), value)).to_vec()));
}

fn add_relations(environment: &mut Environment<'static>) {
    let reference = Value::from_function(reference);
    let source = Value::from_function(source);
    environment.add_global("ref", reference.clone());
    environment.add_global("source", source.clone());
    let builtins = [("ref", reference), ("source", source), ("config", Value::from_object(Config))];
    let builtins = builtins.map(|(name, value)| (Value::from(name), value)).to_vec();
    environment.add_global("builtins", Dict::value(builtins));
}

/// `[...]`, `{...}`, `zip`, `set`, JSON and the filters that Python's users expect.
fn add_python(environment: &mut Environment<'static>) {
    environment.add_function("__list", |value: Value| list(&value));
    environment.add_function("__dict", |value: Value| dict(&value));
    environment.add_function("dict", |kwargs: Kwargs| dict(&Value::from(kwargs)));
    environment.add_function("set", |value: Value| unique(&value));
    environment.add_function("set_strict", |value: Value| unique(&value));
    environment.add_function("zip", |lists: Rest<Value>| zip(&lists));
    environment.add_function("zip_strict", |lists: Rest<Value>| zip(&lists));
    environment.add_function("tojson", |value: Value, _: Kwargs| to_json(&value));
    environment.add_function("fromjson", |text: &str, default: Option<Value>| from_json(text, default));
    environment.add_filter("tojson", |value: Value, _: Kwargs| to_json(&value));
    environment.add_filter("list", |value: Value| list(&value));
    environment.add_filter("string", |value: Value| python_text(&value));
    environment.add_filter("as_text", |value: Value| python_text(&value));
    environment.add_filter("as_bool", |value: Value| native(&value));
    environment.add_filter("as_number", |value: Value| native(&value));
    environment.add_filter("as_native", |value: Value| native(&value));
}

/// `var`, with the variables of the project.
pub(super) fn add_variables(environment: &mut Environment<'static>, variables: BTreeMap<String, Value>) {
    environment.add_global("var", Value::from_object(Variables(variables)));
}

/// `env_var`: what has not been asked for yet is noted in the scope, and the rendering is tried again.
pub(super) fn add_environment(environment: &mut Environment<'static>, answers: Answers) {
    environment.add_function("env_var", move |state: &State<'_, '_>, name: &str, default: Option<Value>| {
        if !name.starts_with("DBT_") {
            let message = format!("env_var('{name}') is refused: only names that begin with DBT_ can be read");
            return Err(refused(message));
        }
        let known = answers.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        match known {
            None => {
                Scope::of(state)?.trace().wanted = Some(name.to_owned());
                Err(refused(format!("env_var('{name}') has not been read")))
            }
            Some(Some(value)) => Ok(Value::from(value)),
            Some(None) => default.ok_or_else(|| refused(format!("env_var('{name}') is not set and has no default"))),
        }
    });
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that minijinja calls")]
fn reference(state: &State<'_, '_>, args: Rest<Value>) -> Result<Value, Error> {
    let (first, second, kwargs): (&str, Option<&str>, Kwargs) = from_args(&args)?;
    if kwargs.has("v") || kwargs.has("version") {
        return Err(refused(format!("ref('{first}', version=...): versions of models are not supported")));
    }
    kwargs.assert_all_used()?;
    let (package, name) = second.map_or((None, first), |name| (Some(first), name));
    Ok(Value::from_object(Named(Scope::of(state)?.reference(package, name)?)))
}

fn source(state: &State<'_, '_>, source: &str, table: &str) -> Result<Value, Error> {
    Ok(Value::from_object(Named(Scope::of(state)?.source(source, table)?)))
}

/// `return`: leaves the macro with a value, by way of an error that the call of the macro catches.
fn give_back(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    Scope::of(state)?.trace().returned = Some(value);
    Err(refused("return() outside of a macro"))
}

fn list(value: &Value) -> Result<Value, Error> {
    Ok(List::value(value.try_iter()?.collect()))
}

fn dict(value: &Value) -> Result<Value, Error> {
    let mut pairs = Vec::new();
    for key in value.try_iter()? {
        pairs.push((key.clone(), value.get_item(&key)?));
    }
    Ok(Dict::value(pairs))
}

fn unique(value: &Value) -> Result<Value, Error> {
    let mut seen: Vec<Value> = Vec::new();
    for element in value.try_iter()? {
        if !seen.contains(&element) {
            seen.push(element);
        }
    }
    Ok(List::value(seen))
}

fn zip(lists: &[Value]) -> Result<Value, Error> {
    let mut lists = lists.iter().map(Value::try_iter).collect::<Result<Vec<_>, _>>()?;
    let mut rows = Vec::new();
    loop {
        let row: Vec<Value> = lists.iter_mut().map_while(Iterator::next).collect();
        if row.is_empty() || row.len() < lists.len() {
            return Ok(List::value(rows));
        }
        rows.push(List::value(row));
    }
}

/// The value that a text stands for: a number, a boolean, none; else the text.
fn native(value: &Value) -> Value {
    let Some(text) = value.as_str() else { return value.clone() };
    match text.trim() {
        "true" | "True" => Value::from(true),
        "false" | "False" => Value::from(false),
        "none" | "None" => Value::from(()),
        number => match (number.parse::<i64>(), number.parse::<f64>()) {
            (Ok(number), _) => Value::from(number),
            (_, Ok(number)) => Value::from(number),
            _ => value.clone(),
        },
    }
}

/// `exceptions.raise_compiler_error`, `exceptions.warn`.
#[derive(Debug)]
struct Exceptions;

impl Object for Exceptions {
    fn call_method(self: &Arc<Self>, state: &State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let message = args.first().map(python_text).unwrap_or_default();
        match method {
            "raise_compiler_error" => Err(refused(message)),
            "warn" => {
                Scope::of(state)?.trace().warnings.push(message);
                Ok(Value::from(""))
            }
            _ => Err(refused(format!("exceptions.{method} is not supported"))),
        }
    }
}

/// `config(...)`, `config.get(...)`.
#[derive(Debug)]
struct Config;

impl Object for Config {
    fn call(self: &Arc<Self>, state: &State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let (map, kwargs): (Option<Value>, Kwargs) = from_args(args)?;
        let given = map.unwrap_or_else(|| Value::from(kwargs));
        if given.kind() != ValueKind::Map {
            return Err(refused("config() takes named arguments"));
        }
        let scope = Scope::of(state)?;
        for key in given.try_iter()? {
            let value = given.get_item(&key)?;
            scope.trace().config.insert(key.to_string(), value);
        }
        Ok(Value::from(""))
    }

    fn call_method(self: &Arc<Self>, state: &State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let scope = Scope::of(state)?;
        let (key, default, kwargs): (&str, Option<Value>, Kwargs) = from_args(args)?;
        let default = default.or(kwargs.get("default")?);
        let known = scope.trace().config.get(key).cloned().or_else(|| scope.config.get(key).cloned());
        let meta = || scope.config.get("meta").and_then(|meta| meta.get_attr(key).ok());
        match method {
            "get" => Ok(known.or(default).unwrap_or_else(|| Value::from(()))),
            "require" => known.ok_or_else(|| refused(format!("config.require('{key}'): it is not set"))),
            "meta_get" => {
                Ok(meta().filter(|value| !value.is_undefined()).or(default).unwrap_or_else(|| Value::from(())))
            }
            "persist_relation_docs" | "persist_column_docs" => Ok(Value::from(false)),
            _ => Err(refused(format!("config.{method} is not supported"))),
        }
    }
}

/// `api.Column`: the names of types.
#[derive(Debug)]
struct Column;

impl Object for Column {
    fn call_method(self: &Arc<Self>, _: &State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "translate_type" => {
                let (name,): (&str,) = from_args(args)?;
                Ok(Value::from(if name.eq_ignore_ascii_case("string") { "TEXT" } else { name }))
            }
            "numeric_type" => {
                let (name, precision, scale): (&str, Value, Value) = from_args(args)?;
                Ok(Value::from(format!("{name}({precision},{scale})")))
            }
            "string_type" => {
                let (size,): (i64,) = from_args(args)?;
                Ok(Value::from(format!("character varying({size})")))
            }
            _ => Err(refused(format!("api.Column.{method} is not supported"))),
        }
    }
}

/// `var('name')`, `var.has_var('name')`.
#[derive(Debug)]
struct Variables(BTreeMap<String, Value>);

impl Object for Variables {
    fn call(self: &Arc<Self>, _: &State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        let (name, default, kwargs): (&str, Option<Value>, Kwargs) = from_args(args)?;
        let default = default.or(kwargs.get("default")?);
        self.0.get(name).cloned().or(default).ok_or_else(|| {
            let hint = suggestion(name, self.0.keys().map(String::as_str));
            refused(format!("var('{name}') is not set and has no default{hint}"))
        })
    }

    fn call_method(self: &Arc<Self>, _: &State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        if method != "has_var" {
            return Err(Error::new(ErrorKind::UnknownMethod, format!("var has no method {method}")));
        }
        let (name,): (&str,) = from_args(args)?;
        Ok(Value::from(self.0.contains_key(name)))
    }
}

/// A relation as a template value.
pub(super) fn relation_value(relation: Relation) -> Value {
    Value::from_object(Named(relation))
}

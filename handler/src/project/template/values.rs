//! The objects that dbt's templates can hold: a relation, the start of the run, and names that are refused when used.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};
use minijinja::value::{Object, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use super::scope::refused;
use crate::project::Relation;

/// A relation as `ref`, `source` and `this` give it.
#[derive(Debug)]
pub(super) struct Named(pub(super) Relation);

impl Object for Named {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match key.as_str()? {
            "schema" => Some(Value::from(self.0.schema())),
            "name" | "identifier" | "table" => Some(Value::from(self.0.name())),
            "database" => Some(Value::from("pintail")),
            _ => None,
        }
    }

    fn call_method(self: &Arc<Self>, _: &State<'_, '_>, method: &str, _: &[Value]) -> Result<Value, Error> {
        match method {
            "render" => Ok(Value::from(self.0.to_string())),
            "include" | "quote" => Ok(Value::from_dyn_object(Arc::clone(self))),
            _ => Err(Error::new(ErrorKind::UnknownMethod, format!("a relation has no method {method}"))),
        }
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// `run_started_at`, a `datetime` as Python prints it.
#[derive(Debug)]
pub(super) struct Started(pub(super) DateTime<Utc>);

impl Object for Started {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let time = self.0;
        Some(match key.as_str()? {
            "year" => Value::from(time.year()),
            "month" => Value::from(time.month()),
            "day" => Value::from(time.day()),
            "hour" => Value::from(time.hour()),
            "minute" => Value::from(time.minute()),
            "second" => Value::from(time.second()),
            "microsecond" => Value::from(time.timestamp_subsec_micros()),
            _ => return None,
        })
    }

    fn call_method(self: &Arc<Self>, _: &State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "strftime" => strftime(args, |pattern, out| write!(out, "{}", self.0.format(pattern))),
            "date" => Ok(Value::from_object(Day(self.0.date_naive()))),
            "isoformat" => Ok(Value::from(self.text('T'))),
            "timestamp" => Ok(Value::from(micros(self.0))),
            _ => Err(refused(format!("run_started_at.{method}() is not supported"))),
        }
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text(' '))
    }
}

impl Started {
    fn text(&self, between: char) -> String {
        let fraction = if self.0.timestamp_subsec_micros() == 0 { "" } else { "%.6f" };
        self.0.format(&format!("%Y-%m-%d{between}%H:%M:%S{fraction}+00:00")).to_string()
    }
}

/// Seconds since 1970 with their fraction, as Python's `timestamp()`.
fn micros(time: DateTime<Utc>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "Python has the same precision")]
    let micros = time.timestamp_micros() as f64;
    micros / 1_000_000.0
}

/// `run_started_at.date()`.
#[derive(Debug)]
struct Day(NaiveDate);

impl Object for Day {
    fn call_method(self: &Arc<Self>, _: &State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "strftime" => strftime(args, |pattern, out| write!(out, "{}", self.0.format(pattern))),
            "isoformat" => Ok(Value::from(self.0.to_string())),
            _ => Err(refused(format!("run_started_at.date().{method}() is not supported"))),
        }
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

fn strftime(args: &[Value], print: impl Fn(&str, &mut String) -> fmt::Result) -> Result<Value, Error> {
    let (pattern,): (&str,) = from_args(args)?;
    let mut text = String::new();
    print(pattern, &mut text).map_err(|_| refused(format!("strftime does not know \"{pattern}\"")))?;
    Ok(Value::from(text))
}

/// A name that dbt has and Pintail has not: fine as long as it is not used.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) name: String,
    pub(super) reason: &'static str,
}

impl Refused {
    pub(super) fn value(name: impl Into<String>, reason: &'static str) -> Value {
        Value::from_object(Self { name: name.into(), reason })
    }

    pub(super) fn error(&self) -> Error {
        refused(format!("{} is not supported: {}", self.name, self.reason))
    }
}

impl Object for Refused {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(Self::value(format!("{}.{}", self.name, key.as_str()?), self.reason))
    }

    fn call(self: &Arc<Self>, _: &State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        Err(self.error())
    }

    fn call_method(self: &Arc<Self>, _: &State<'_, '_>, method: &str, _: &[Value]) -> Result<Value, Error> {
        Err(refused(format!("{}.{method} is not supported: {}", self.name, self.reason)))
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "<{}>", self.name)
    }
}

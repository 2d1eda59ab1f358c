//! Python's lists and dicts in templates: shared and changeable, and printed as Python prints them.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};

/// A value as Python's `repr` writes it.
pub(super) fn python_repr(value: &Value) -> String {
    match value.as_str() {
        Some(text) if text.contains('\'') && !text.contains('"') => format!("\"{text}\""),
        Some(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        None => python_text(value),
    }
}

/// A value as Python's `str` writes it.
pub(super) fn python_text(value: &Value) -> String {
    match value.kind() {
        ValueKind::None => "None".to_owned(),
        ValueKind::Bool => if value.is_true() { "True" } else { "False" }.to_owned(),
        ValueKind::Seq => match value.try_iter() {
            Ok(elements) => format!("[{}]", elements.map(|value| python_repr(&value)).collect::<Vec<_>>().join(", ")),
            Err(_) => value.to_string(),
        },
        _ => value.to_string(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unknown_method(kind: &str, method: &str) -> Error {
    Error::new(ErrorKind::UnknownMethod, format!("{kind} has no method {method}"))
}

/// A Python list.
#[derive(Debug, Default)]
pub(super) struct List(Mutex<Vec<Value>>);

impl List {
    /// A list of values, as a template value.
    pub(super) fn value(elements: Vec<Value>) -> Value {
        Value::from_object(Self(Mutex::new(elements)))
    }

    /// Where an index points that may count from the end.
    fn position(index: i64, length: usize) -> usize {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        let index = if index < 0 { length + index } else { index };
        usize::try_from(index.clamp(0, length)).unwrap_or_default()
    }

    fn remove_at(&self, index: Option<i64>) -> Result<Value, Error> {
        let mut elements = lock(&self.0);
        let position = Self::position(index.unwrap_or(-1), elements.len());
        if position >= elements.len() {
            return Err(Error::new(ErrorKind::InvalidOperation, "pop from a list that is too short"));
        }
        Ok(elements.remove(position))
    }

    fn find(&self, wanted: &Value) -> Option<usize> {
        lock(&self.0).iter().position(|value| value == wanted)
    }
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        lock(&self.0).get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(lock(&self.0).len())
    }

    fn call_method(self: &Arc<Self>, _: &State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "append" => {
                let (value,): (Value,) = from_args(args)?;
                lock(&self.0).push(value);
            }
            "extend" => {
                let (values,): (Value,) = from_args(args)?;
                let values: Vec<Value> = values.try_iter()?.collect();
                lock(&self.0).extend(values);
            }
            "insert" => {
                let (index, value): (i64, Value) = from_args(args)?;
                let mut elements = lock(&self.0);
                let position = Self::position(index, elements.len());
                elements.insert(position, value);
            }
            "remove" => {
                let (value,): (Value,) = from_args(args)?;
                let position = self.find(&value).ok_or_else(|| {
                    Error::new(ErrorKind::InvalidOperation, format!("{} is not in the list", python_repr(&value)))
                })?;
                lock(&self.0).remove(position);
            }
            "clear" => lock(&self.0).clear(),
            "reverse" => lock(&self.0).reverse(),
            "sort" => lock(&self.0).sort(),
            _ => return self.ask(method, args),
        }
        Ok(Value::from(()))
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elements = lock(&self.0).clone();
        write!(formatter, "[{}]", elements.iter().map(python_repr).collect::<Vec<_>>().join(", "))
    }
}

impl List {
    /// The methods that answer something.
    fn ask(&self, method: &str, args: &[Value]) -> Result<Value, Error> {
        match method {
            "pop" => {
                let (index,): (Option<i64>,) = from_args(args)?;
                self.remove_at(index)
            }
            "copy" => Ok(Self::value(lock(&self.0).clone())),
            "count" => {
                let (value,): (Value,) = from_args(args)?;
                Ok(Value::from(lock(&self.0).iter().filter(|element| **element == value).count()))
            }
            "index" => {
                let (value,): (Value,) = from_args(args)?;
                self.find(&value).map(Value::from).ok_or_else(|| {
                    Error::new(ErrorKind::InvalidOperation, format!("{} is not in the list", python_repr(&value)))
                })
            }
            _ => Err(unknown_method("a list", method)),
        }
    }
}

/// A Python dict: keys keep the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Dict(Mutex<Vec<(Value, Value)>>);

impl Dict {
    /// A dict of pairs, as a template value.
    pub(super) fn value(pairs: Vec<(Value, Value)>) -> Value {
        Value::from_object(Self(Mutex::new(pairs)))
    }

    fn find(&self, key: &Value) -> Option<Value> {
        lock(&self.0).iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
    }

    fn set(&self, key: Value, value: Value) {
        let mut pairs = lock(&self.0);
        match pairs.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => pairs.push((key, value)),
        }
    }
}

impl Object for Dict {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.find(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(lock(&self.0).iter().map(|(key, _)| key.clone()).collect())
    }

    fn call_method(self: &Arc<Self>, _: &State<'_, '_>, method: &str, args: &[Value]) -> Result<Value, Error> {
        let pairs = lock(&self.0).clone();
        match method {
            "items" => Ok(List::value(pairs.into_iter().map(|(key, value)| List::value(vec![key, value])).collect())),
            "keys" => Ok(List::value(pairs.into_iter().map(|(key, _)| key).collect())),
            "values" => Ok(List::value(pairs.into_iter().map(|(_, value)| value).collect())),
            "copy" => Ok(Self::value(pairs)),
            "get" => {
                let (key, default): (Value, Option<Value>) = from_args(args)?;
                Ok(self.find(&key).or(default).unwrap_or_else(|| Value::from(())))
            }
            "setdefault" => {
                let (key, default): (Value, Value) = from_args(args)?;
                let value = self.find(&key).unwrap_or(default);
                self.set(key, value.clone());
                Ok(value)
            }
            "pop" => {
                let (key, default): (Value, Option<Value>) = from_args(args)?;
                lock(&self.0).retain(|(known, _)| *known != key);
                let found = pairs.into_iter().find(|(known, _)| *known == key).map(|(_, value)| value);
                Ok(found.or(default).unwrap_or_else(|| Value::from(())))
            }
            "update" => {
                let (other,): (Value,) = from_args(args)?;
                for key in other.try_iter()? {
                    let value = other.get_item(&key)?;
                    self.set(key, value);
                }
                Ok(Value::from(()))
            }
            _ => Err(unknown_method("a dict", method)),
        }
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = lock(&self.0).clone();
        let pairs = pairs.iter().map(|(key, value)| format!("{}: {}", python_repr(key), python_repr(value)));
        write!(formatter, "{{{}}}", pairs.collect::<Vec<_>>().join(", "))
    }
}

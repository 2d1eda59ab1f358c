//! JSON: one object per line (NDJSON), or one array of objects. Numbers keep their digits until they are converted.

use std::collections::{HashMap, HashSet};

use crate::batch::{Assembly, Batch, Place, Verdict};
use crate::convert::cell::render_object;
use crate::convert::characters::compact;
use crate::error::Error;
use crate::infer::Sketch;
use crate::input::Input;
use crate::object::Object;
use crate::options::Options;
use crate::plan::Plan;
use crate::survey::{Depth, Survey, SurveyedColumn};
use crate::text::escape_bytes;

mod walk;

use walk::Walk;

/// The most keys that the records of an object may have together.
const KEYS: usize = 10_000;

/// Splits a record, if it is one.
fn split_object(bytes: &[u8]) -> Result<(&str, Object<'_>), String> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let position = error.valid_up_to();
        format!("is not valid text: the byte {:#04X} at byte {position} of the record", bytes[position])
    })?;
    let object = Object::parse(text).map_err(|error| format!("is not a JSON object: {error}"))?;
    match object.find_duplicate() {
        Some(key) => Err(format!("has the key {key:?} twice")),
        None => Ok((text, object)),
    }
}

/// Looks at all keys, and at their values if asked to.
pub(crate) fn survey(input: &dyn Input, options: &Options, depth: Depth) -> Result<Survey, Error> {
    let mut walk = Walk::open(input, options)?;
    let mut positions: HashMap<String, usize> = HashMap::new();
    let mut columns: Vec<(String, Sketch)> = Vec::new();
    let mut records = 0;
    while let Some(record) = walk.advance()? {
        records += 1;
        let Ok((_, object)) = split_object(record.bytes) else { continue };
        for (order, (key, value)) in object.0.iter().enumerate() {
            let expected = columns.get(order).is_some_and(|(name, _)| name == key);
            let position = if expected { Some(order) } else { positions.get(key.as_ref()).copied() };
            let position = position.unwrap_or_else(|| {
                positions.insert(key.to_string(), columns.len());
                columns.push((key.to_string(), Sketch::default()));
                columns.len() - 1
            });
            if depth == Depth::Values {
                columns[position].1.add_json(value);
            }
        }
        if columns.len() > KEYS {
            return Err(Error::unreadable(format!("its records have more than {KEYS} different keys")));
        }
    }
    let columns =
        columns.into_iter().map(|(name, sketch)| SurveyedColumn { name, inferred: sketch.conclude() }).collect();
    Ok(Survey { columns, records: Some(records), positional: false })
}

/// The records of a JSON object, typed.
pub(crate) struct JsonReader<'a> {
    walk: Walk,
    assembly: Assembly<'a>,
    mapping: Mapping<'a>,
}

/// Which key goes where.
struct Mapping<'a> {
    /// For each plan column its key, and where among the entries it stood last.
    keys: Vec<(Option<&'a str>, usize)>,
    known: HashSet<&'a str>,
    rescue: bool,
}

impl<'a> Mapping<'a> {
    fn new(plan: &'a Plan) -> Self {
        let keys: Vec<(Option<&str>, usize)> =
            plan.columns.iter().map(|column| (column.source.as_deref(), 0)).collect();
        let known = keys.iter().filter_map(|(key, _)| *key).collect();
        Self { keys, known, rescue: plan.rescue }
    }

    /// Gives each plan column its value, and says what is wrong with them.
    fn convert(&mut self, object: &Object<'_>, assembly: &mut Assembly<'_>) -> Vec<String> {
        let mut reasons = Vec::new();
        for (builder, (key, position)) in assembly.builders.iter_mut().zip(&mut self.keys) {
            let result = match key.and_then(|key| find_value(object, key, position)) {
                Some(value) => builder.append_json(value),
                None => builder.append_null(),
            };
            reasons.extend(result.err());
        }
        reasons
    }

    fn rescue_unknown(&self, object: &Object<'_>) -> Option<String> {
        let unknown = || object.0.iter().filter(|(key, _)| !self.known.contains(key.as_ref()));
        (self.rescue && unknown().next().is_some())
            .then(|| render_object(unknown().map(|(key, value)| (key, compact(value)))))
    }
}

/// The value of a key, looked for first where it stood in the record before.
fn find_value<'o>(object: &Object<'o>, key: &str, position: &mut usize) -> Option<&'o str> {
    if object.0.get(*position).is_none_or(|(other, _)| other != key) {
        *position = object.0.iter().position(|(other, _)| other == key)?;
    }
    object.0.get(*position).map(|(_, value)| *value)
}

impl<'a> JsonReader<'a> {
    pub(crate) fn new(input: &'a dyn Input, options: &Options, plan: &'a Plan) -> Result<Self, Error> {
        Ok(Self { walk: Walk::open(input, options)?, assembly: Assembly::new(plan)?, mapping: Mapping::new(plan) })
    }

    pub(crate) fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        while !self.assembly.is_full() {
            let Some(record) = self.walk.advance()? else { break };
            let place = Place { line: Some(record.line), byte_offset: Some(record.offset) };
            match split_object(record.bytes) {
                Err(reason) => self.assembly.reject(place, escape_bytes(record.bytes), vec![reason]),
                Ok((text, object)) => {
                    let reasons = self.mapping.convert(&object, &mut self.assembly);
                    let rescued = self.mapping.rescue_unknown(&object);
                    self.assembly.close(place, Verdict { reasons, rescued }, text);
                }
            }
        }
        self.assembly.finish()
    }
}

#[cfg(test)]
mod tests;

//! JSON: one object per line (NDJSON), one array of objects, or objects that follow each other. Numbers keep their digits
//! until they are converted.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::StringBuilder;

use crate::batch::{Batch, Reasons, Reject, Sorting, internal};
use crate::block::{Block, Convert, Span, Split as _};
use crate::convert::ColumnBuilder;
use crate::convert::cell::render_object;
use crate::csv::check_text;
use crate::error::Error;
use crate::infer::Sketch;
use crate::input::Input;
use crate::object::Object;
use crate::options::Options;
use crate::plan::Plan;
use crate::survey::{Depth, Survey, SurveyedColumn};
use crate::window::LIMIT;

pub(crate) mod scan;
mod split;

use split::Fault;
pub(crate) use split::Splitter;

/// The most keys that the records of an object may have together.
const KEYS: usize = 10_000;

/// Splits a record, if it is one.
fn split_object<'t>(block: &'t Block<Fault>, span: &Span<Fault>) -> Result<Object<'t>, String> {
    match span.fault {
        Some(Fault::Long) => return Err(format!("is longer than {LIMIT} bytes")),
        Some(Fault::Rest(line)) => return Err(format!("is a part of the damaged record at line {line}")),
        None => {}
    }
    let text = check_text(&block.text[span.start..span.end])?;
    let object = Object::parse(text).map_err(|reason| format!("is not a JSON object: {reason}"))?;
    match object.find_duplicate() {
        Some(key) => Err(format!("has the key {key:?} twice")),
        None => Ok(object),
    }
}

/// Looks at all keys, and at their values if asked to.
pub(crate) fn survey(input: &dyn Input, options: &Options, depth: Depth) -> Result<Survey, Error> {
    let mut splitter = Splitter::open(input, options)?;
    let mut keys = Keys::default();
    let mut records = 0;
    while let Some(block) = splitter.next_block()? {
        records += block.spans.len() as u64;
        for object in block.spans.iter().filter_map(|span| split_object(&block, span).ok()) {
            keys.add(&object, depth);
        }
        if keys.columns.len() > KEYS {
            return Err(Error::unreadable(format!("its records have more than {KEYS} different keys")));
        }
    }
    let column = |(name, sketch): (String, Sketch)| SurveyedColumn { name, inferred: sketch.conclude() };
    let columns = keys.columns.into_iter().map(column).collect();
    Ok(Survey { columns, records: Some(records), positional: false })
}

/// The keys of the records so far, in the order of appearance.
#[derive(Default)]
struct Keys {
    positions: HashMap<String, usize>,
    columns: Vec<(String, Sketch)>,
}

impl Keys {
    fn add(&mut self, object: &Object<'_>, depth: Depth) {
        for (order, (key, value)) in object.0.iter().enumerate() {
            let expected = self.columns.get(order).is_some_and(|(name, _)| name == key);
            let position = if expected { Some(order) } else { self.positions.get(key.as_ref()).copied() };
            let position = position.unwrap_or_else(|| {
                self.positions.insert(key.to_string(), self.columns.len());
                self.columns.push((key.to_string(), Sketch::default()));
                self.columns.len() - 1
            });
            if depth == Depth::Values {
                self.columns[position].1.add_json(value);
            }
        }
    }
}

/// Types the records of a JSON object.
pub(crate) struct Converter {
    plan: Arc<Plan>,
    builders: Vec<ColumnBuilder>,
    /// For each plan column where among the entries its key stood last.
    places: Vec<usize>,
    known: HashSet<String>,
}

impl Converter {
    pub(crate) fn new(plan: &Arc<Plan>) -> Result<Self, Error> {
        let builders = plan.columns.iter().map(|column| ColumnBuilder::new(column, None));
        Ok(Self {
            builders: builders.collect::<Result<_, _>>().map_err(Error::unreadable)?,
            places: vec![0; plan.columns.len()],
            known: plan.columns.iter().filter_map(|column| column.source.clone()).collect(),
            plan: Arc::clone(plan),
        })
    }

    /// Gives each plan column its value, and says what is wrong with them.
    fn fill(&mut self, object: &Object<'_>) -> Vec<String> {
        let mut reasons = Vec::new();
        for ((builder, column), place) in self.builders.iter_mut().zip(&self.plan.columns).zip(&mut self.places) {
            let result = match column.source.as_ref().and_then(|key| find_value(object, key, place)) {
                Some(value) => builder.append_json(value),
                None => builder.append_null(),
            };
            reasons.extend(result.err());
        }
        reasons
    }

    fn rescue(&self, object: &Object<'_>) -> Option<String> {
        let unknown = || object.0.iter().filter(|(key, _)| !self.known.contains(key.as_ref()));
        unknown().next().is_some().then(|| render_object(unknown().map(|(key, value)| (key, value))))
    }
}

/// The value of a key, looked for first where it stood in the record before.
fn find_value<'o>(object: &Object<'o>, key: &str, place: &mut usize) -> Option<&'o str> {
    if object.0.get(*place).is_none_or(|(other, _)| other != key) {
        *place = object.0.iter().position(|(other, _)| other == key)?;
    }
    object.0.get(*place).map(|(_, value)| *value)
}

impl Convert<Fault> for Converter {
    fn convert(&mut self, block: Block<Fault>) -> Result<Batch, Error> {
        let (mut reasons, mut slots) = (Reasons::new(), Vec::with_capacity(block.spans.len()));
        let mut rescued = StringBuilder::new();
        for (record, span) in block.spans.iter().enumerate() {
            let wrong = match split_object(&block, span) {
                Err(reason) => vec![reason],
                Ok(object) => {
                    slots.push(record);
                    if self.plan.rescue {
                        rescued.append_option(self.rescue(&object));
                    }
                    self.fill(&object)
                }
            };
            if !wrong.is_empty() {
                reasons.insert(record, wrong);
            }
        }
        let mut arrays: Vec<_> =
            self.builders.iter_mut().map(ColumnBuilder::finish).collect::<Result<_, _>>().map_err(internal)?;
        if self.plan.rescue {
            arrays.push(Arc::new(rescued.finish()));
        }
        let (before, count, passed) = (block.before, block.spans.len(), block.passed);
        Sorting { plan: &self.plan, before, count, reasons, passed }.settle(arrays, &slots, |record| {
            let span = &block.spans[record];
            Reject::of_bytes(&block.text[span.start..span.end], span.line, block.offset + span.start as u64)
        })
    }
}

#[cfg(test)]
mod tests;

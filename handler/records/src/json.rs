//! JSON: one object per line (NDJSON), one array of objects, or objects that follow each other. Numbers keep their digits
//! until they are converted.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::StringBuilder;

use crate::batch::{Batch, Reasons, Reject, Sorting, internal};
use crate::block::{Block, Convert, Span};
use crate::convert::ColumnBuilder;
use crate::convert::cell::render_object;
use crate::crew::run;
use crate::csv::check_text;
use crate::error::Error;
use crate::infer::Sketch;
use crate::input::Input;
use crate::object::Object;
use crate::options::Options;
use crate::plan::Plan;
use crate::reader::threads_for;
use crate::survey::{Depth, Survey, SurveyedColumn};
use crate::window::LIMIT;

pub(crate) mod scan;
mod split;

use split::Fault;
pub(crate) use split::Splitter;

/// The most keys that the records of an object may have together.
const KEYS: usize = 10_000;

/// The keys of the last record, none of which stands twice: most records have the same ones in the same order.
#[derive(Default)]
struct Shape(Vec<String>);

impl Shape {
    /// Splits a record, if it is one.
    fn split<'t>(&mut self, block: &'t Block<Fault>, span: &Span<Fault>) -> Result<Object<'t>, String> {
        match span.fault {
            Some(Fault::Long) => return Err(format!("is longer than {LIMIT} bytes")),
            Some(Fault::Rest(line)) => return Err(format!("is a part of the damaged record at line {line}")),
            None => {}
        }
        let text = check_text(&block.text[span.start..span.end])?;
        let object = Object::parse(text).map_err(|reason| format!("is not a JSON object: {reason}"))?;
        let keys = || object.0.iter().map(|(key, _)| key.as_ref());
        if keys().eq(self.0.iter().map(String::as_str)) {
            return Ok(object);
        }
        if let Some(key) = object.find_duplicate() {
            return Err(format!("has the key {key:?} twice"));
        }
        self.0 = keys().map(str::to_owned).collect();
        Ok(object)
    }
}

/// Looks at all keys, and at their values if asked to.
pub(crate) fn survey(input: &dyn Input, options: &Options, depth: Depth) -> Result<Survey, Error> {
    let surveyors = (0..threads_for(input)).map(|_| Surveyor { depth, shape: Shape::default() });
    let mut keys = Keys::default();
    let mut records = 0;
    for seen in run(Splitter::open(input, options)?, surveyors.collect())? {
        let (count, seen) = seen?;
        records += count;
        keys.merge(seen);
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
            let sketch = self.sketch_of(key, order);
            if depth == Depth::Values {
                sketch.add_json(value);
            }
        }
    }

    fn merge(&mut self, others: Self) {
        for (order, (key, other)) in others.columns.into_iter().enumerate() {
            let sketch = self.sketch_of(&key, order);
            *sketch = sketch.merge(other);
        }
    }

    /// The sketch of a key, which may be at `order`.
    fn sketch_of(&mut self, key: &str, order: usize) -> &mut Sketch {
        let expected = self.columns.get(order).is_some_and(|(name, _)| name == key);
        let position = if expected { Some(order) } else { self.positions.get(key).copied() };
        let position = position.unwrap_or_else(|| {
            self.positions.insert(key.to_owned(), self.columns.len());
            self.columns.push((key.to_owned(), Sketch::default()));
            self.columns.len() - 1
        });
        &mut self.columns[position].1
    }
}

/// Sees which keys the records of a block have, and of which type their values are.
struct Surveyor {
    depth: Depth,
    shape: Shape,
}

impl Convert<Fault> for Surveyor {
    /// How many records there are, and their keys.
    type Out = (u64, Keys);

    fn convert(&mut self, block: Block<Fault>) -> Result<Self::Out, Error> {
        let mut keys = Keys::default();
        for span in &block.spans {
            if let Ok(object) = self.shape.split(&block, span) {
                keys.add(&object, self.depth);
            }
        }
        Ok((block.spans.len() as u64, keys))
    }
}

/// Types the records of a JSON object.
pub(crate) struct Converter {
    plan: Arc<Plan>,
    builders: Vec<ColumnBuilder>,
    /// For each plan column where among the entries its key stood last.
    places: Vec<usize>,
    known: HashSet<String>,
    shape: Shape,
}

impl Converter {
    pub(crate) fn new(plan: &Arc<Plan>) -> Result<Self, Error> {
        let builders = plan.columns.iter().map(|column| ColumnBuilder::new(column, None));
        Ok(Self {
            builders: builders.collect::<Result<_, _>>().map_err(Error::unreadable)?,
            places: vec![0; plan.columns.len()],
            known: plan.columns.iter().filter_map(|column| column.source.clone()).collect(),
            plan: Arc::clone(plan),
            shape: Shape::default(),
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
    type Out = Batch;

    fn convert(&mut self, block: Block<Fault>) -> Result<Batch, Error> {
        let (mut reasons, mut slots) = (Reasons::new(), Vec::with_capacity(block.spans.len()));
        let mut rescued = StringBuilder::new();
        for (record, span) in block.spans.iter().enumerate() {
            let wrong = match self.shape.split(&block, span) {
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

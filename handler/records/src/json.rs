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
mod shape;
mod split;

use shape::Shapes;
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
    Object::parse(text).map_err(|reason| format!("is not a JSON object: {reason}"))
}

/// Looks at all keys, and at their values if asked to.
pub(crate) fn survey(input: &dyn Input, options: &Options, depth: Depth) -> Result<Survey, Error> {
    let surveyors = (0..threads_for(input)).map(|_| Surveyor { depth, shapes: Shapes::default() });
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
    shapes: Shapes<()>,
}

impl Convert<Fault> for Surveyor {
    /// How many records there are, and their keys.
    type Out = (u64, Keys);

    fn convert(&mut self, block: Block<Fault>) -> Result<Self::Out, Error> {
        let mut keys = Keys::default();
        for span in &block.spans {
            let Ok(object) = split_object(&block, span) else { continue };
            if self.shapes.find(&object, |_| ()).is_ok() {
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
    known: HashSet<String>,
    shapes: Shapes<Places>,
    /// Whether a batch has told of an unknown key.
    told: bool,
}

/// Where the plan finds its columns in records of one shape.
struct Places {
    /// For each plan column the place of its key.
    columns: Vec<Option<usize>>,
    /// A key that no column takes.
    unknown: Option<String>,
}

impl Converter {
    pub(crate) fn new(plan: &Arc<Plan>) -> Result<Self, Error> {
        let builders = plan.columns.iter().map(|column| ColumnBuilder::new(column, None));
        Ok(Self {
            builders: builders.collect::<Result<_, _>>().map_err(Error::unreadable)?,
            known: plan.columns.iter().filter_map(|column| column.source.clone()).collect(),
            plan: Arc::clone(plan),
            shapes: Shapes::default(),
            told: false,
        })
    }

    /// Gives each plan column its value, and says what is wrong with them; notes a key that no column takes.
    fn fill(&mut self, object: &Object<'_>, unknown: &mut Option<String>) -> Result<Vec<String>, String> {
        let (plan, known) = (&self.plan, &self.known);
        let places = self.shapes.find(object, |keys| locate(plan, known, keys))?;
        if unknown.is_none() {
            unknown.clone_from(&places.unknown);
        }
        let mut reasons = Vec::new();
        for (builder, place) in self.builders.iter_mut().zip(&places.columns) {
            let result = match place.and_then(|place| object.0.get(place)) {
                Some((_, value)) => builder.append_json(value),
                None => builder.append_null(),
            };
            reasons.extend(result.err());
        }
        Ok(reasons)
    }

    fn rescue(&self, object: &Object<'_>) -> Option<String> {
        let unknown = || object.0.iter().filter(|(key, _)| !self.known.contains(key.as_ref()));
        unknown().next().is_some().then(|| render_object(unknown().map(|(key, value)| (key, value))))
    }
}

fn locate(plan: &Plan, known: &HashSet<String>, keys: &[String]) -> Places {
    let places: HashMap<&str, usize> = keys.iter().enumerate().map(|(place, key)| (key.as_str(), place)).collect();
    let of = |source: &Option<String>| places.get(source.as_deref()?).copied();
    let columns = plan.columns.iter().map(|column| of(&column.source)).collect();
    Places { columns, unknown: keys.iter().find(|key| !known.contains(*key)).cloned() }
}

impl Convert<Fault> for Converter {
    type Out = Batch;

    fn convert(&mut self, block: Block<Fault>) -> Result<Batch, Error> {
        let (mut reasons, mut slots) = (Reasons::new(), Vec::with_capacity(block.spans.len()));
        let (mut rescued, mut unknown) = (StringBuilder::new(), None);
        for (record, span) in block.spans.iter().enumerate() {
            let object = split_object(&block, span);
            let filled = object.and_then(|object| Ok((self.fill(&object, &mut unknown)?, object)));
            let wrong = match filled {
                Err(reason) => vec![reason],
                Ok((wrong, object)) => {
                    slots.push(record);
                    if self.plan.rescue {
                        rescued.append_option(self.rescue(&object));
                    }
                    wrong
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
        let sorting = Sorting { plan: &self.plan, before, count, reasons, passed };
        let batch = sorting.settle(arrays, &slots, |record| {
            let span = &block.spans[record];
            Reject::of_bytes(&block.text[span.start..span.end], span.line, block.offset + span.start as u64)
        })?;
        let unknown = unknown.filter(|_| !std::mem::replace(&mut self.told, true));
        Ok(Batch { unknown, ..batch })
    }
}

#[cfg(test)]
mod tests;

//! JSON: one object per line (NDJSON), one array of objects, or objects that follow each other. Numbers keep their digits
//! until they are converted.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::StringBuilder;

use crate::batch::{Batch, Reasons, Reject, Sorting, internal};
use crate::block::{Block, Convert, Span};
use crate::convert::ColumnBuilder;
use crate::convert::cell::render_object;
use crate::convert::values::{Place, Values};
use crate::crew::run;
use crate::csv::check_text;
use crate::error::Error;
use crate::infer::{Guess, Sketch};
use crate::input::Input;
use crate::object::part;
use crate::options::Options;
use crate::plan::{Plan, Unforeseen};
use crate::reader::threads_for;
use crate::survey::{Depth, Survey, SurveyedColumn, look};
use crate::text::blank_out;
use crate::window::LIMIT;

mod brackets;
mod damage;
pub(crate) mod scan;
mod shape;
mod split;

use shape::{Record, Shapes};
use split::Fault;
pub(crate) use split::Splitter;

/// The most keys that the records of an object may have together.
const KEYS: usize = 10_000;

/// The texts of a block's records.
struct Texts<'b> {
    block: &'b Block<Fault>,
    /// The whole block. What is no text is blanked out in it.
    whole: Cow<'b, str>,
}

impl<'b> Texts<'b> {
    fn new(block: &'b Block<Fault>) -> Self {
        let whole = check_text(&block.text).map_or_else(|_| Cow::Owned(blank_out(block.text.clone())), Cow::Borrowed);
        Self { block, whole }
    }

    /// The text of a record, if it is one.
    fn get(&self, span: &Span<Fault>) -> Result<&str, String> {
        match span.fault {
            Some(Fault::Long) => return Err(format!("is longer than {LIMIT} bytes")),
            Some(Fault::Rest(line)) => return Err(format!("is a part of the damaged record at line {line}")),
            None => {}
        }
        if matches!(self.whole, Cow::Owned(_)) {
            check_text(&self.block.text[span.start..span.end])?;
        }
        Ok(part(&self.whole, (span.start, span.end)))
    }
}

/// Looks at keys, and at their values if asked to.
pub(crate) fn survey(input: &dyn Input, options: &Options, depth: Depth) -> Result<Survey, Error> {
    let surveyors = (0..threads_for(input)).map(|_| Surveyor { depth, shapes: Shapes::default() });
    let mut keys = Keys::default();
    let mut records = 0;
    let whole = look(depth, run(Splitter::open(input, options, 0)?, surveyors.collect())?, |(count, seen)| {
        records += count;
        keys.merge(seen);
        if keys.columns.len() > KEYS {
            return Err(Error::unreadable(format!("its records have more than {KEYS} different keys")));
        }
        Ok(())
    })?;
    let columns = keys.columns.into_iter().map(|(name, sketch)| SurveyedColumn::new(name, sketch, whole)).collect();
    Ok(Survey { columns, records: whole.then_some(records), positional: false })
}

/// The keys of the records so far, in the order of appearance.
#[derive(Default)]
struct Keys {
    positions: HashMap<String, usize>,
    columns: Vec<(String, Sketch)>,
}

impl Keys {
    fn add(&mut self, record: &Record<'_, ()>, depth: Depth) {
        for (order, (key, value)) in record.entries().enumerate() {
            let sketch = self.sketch_of(key, order);
            if depth != Depth::Names {
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
        let texts = Texts::new(&block);
        for span in &block.spans {
            let Ok(text) = texts.get(span) else { continue };
            if let Ok(record) = self.shapes.read(text, |_| ()) {
                keys.add(&record, self.depth);
            }
        }
        Ok((block.spans.len() as u64, keys))
    }
}

/// Types the records of a JSON object.
pub(crate) struct Converter {
    plan: Arc<Plan>,
    builders: Vec<ColumnBuilder>,
    /// For each plan column the guess at its values, if its type is one.
    guesses: Vec<Option<Guess>>,
    known: HashSet<String>,
    shapes: Shapes<Places>,
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
            guesses: plan.open_guesses(),
            known: plan.columns.iter().filter_map(|column| column.source.clone()).collect(),
            plan: Arc::clone(plan),
            shapes: Shapes::default(),
        })
    }

    /// Finds a record's values, and notes what else there is; the error says why it is no record.
    fn find(&mut self, text: &str, start: usize, found: &mut Found) -> Result<(), String> {
        let (plan, known) = (&self.plan, &self.known);
        let record = self.shapes.read(text, |keys| locate(plan, known, keys))?;
        if found.unforeseen.is_none() && plan.closed {
            found.unforeseen = record.derived.unknown.clone().map(Unforeseen::Column);
        }
        if plan.rescue {
            found.rescued.append_option(rescue(&record, known));
        }
        let place = |place: &Option<usize>| record.place((*place)?).map(|place| place.behind(start));
        found.places.extend(record.derived.columns.iter().map(place));
        Ok(())
    }

    /// Gives each plan column its values, and says what is wrong with them.
    fn fill(&mut self, values: Values<'_>, slots: &[usize], reasons: &mut Reasons) {
        for (position, builder) in self.builders.iter_mut().enumerate() {
            let refuse = |row: usize, reason| reasons.entry(slots[row]).or_default().push(reason);
            builder.append_values(Values { position, ..values }, refuse);
        }
    }

    /// A guess that is wrong.
    fn find_misguessed(&self, values: Values<'_>) -> Option<Unforeseen> {
        let wrong = |(position, guess): (usize, &Option<Guess>)| {
            let guess = (*guess)?;
            let holds = Values { position, ..values }.iter().flatten().all(|value| guess.holds_json(value.json));
            (!holds).then(|| self.plan.misguessed(position))
        };
        self.guesses.iter().enumerate().find_map(wrong)
    }
}

/// What is found in the records of a block.
#[derive(Default)]
struct Found {
    /// For each sound record the places of its values, in the order of the plan's columns.
    places: Vec<Option<Place>>,
    rescued: StringBuilder,
    unforeseen: Option<Unforeseen>,
}

fn rescue(record: &Record<'_, Places>, known: &HashSet<String>) -> Option<String> {
    record.derived.unknown.as_ref()?;
    Some(render_object(record.entries().filter(|(key, _)| !known.contains(*key))))
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
        let (texts, mut found) = (Texts::new(&block), Found::default());
        for (record, span) in block.spans.iter().enumerate() {
            match texts.get(span).and_then(|text| self.find(text, span.start, &mut found)) {
                Ok(()) => slots.push(record),
                Err(reason) => drop(reasons.insert(record, vec![reason])),
            }
        }
        let values = Values { text: &texts.whole, places: &found.places, width: self.builders.len(), position: 0 };
        let unforeseen = found.unforeseen.or_else(|| self.find_misguessed(values));
        self.fill(values, &slots, &mut reasons);
        let mut arrays: Vec<_> =
            self.builders.iter_mut().map(ColumnBuilder::finish).collect::<Result<_, _>>().map_err(internal)?;
        if self.plan.rescue {
            arrays.push(Arc::new(found.rescued.finish()));
        }
        let (before, count, passed) = (block.before, block.spans.len(), block.passed);
        let sorting = Sorting { plan: &self.plan, before, count, reasons, passed };
        let batch = sorting.settle(arrays, &slots, |record| {
            let span = &block.spans[record];
            Reject::of_bytes(&block.text[span.start..span.end], span.line, block.offset + span.start as u64)
        })?;
        Ok(Batch { unforeseen, ..batch })
    }
}

#[cfg(test)]
mod tests;

//! From a block of CSV records to typed columns, one column after the other.

use std::sync::Arc;

use crate::batch::{Batch, Reasons, Reject, Sorting, internal};
use crate::block::{Block, Convert, Span};
use crate::convert::ColumnBuilder;
use crate::convert::cell::{quote, render_object};
use crate::convert::cells::{Cells, Reading};
use crate::csv::head::{Head, check_text, explain_fault};
use crate::csv::scan::Fault;
use crate::csv::split::Shape;
use crate::error::Error;
use crate::infer::{Guess, Sketch};
use crate::options::Options;
use crate::plan::{Plan, Unforeseen};
use crate::text::blank_out;
use crate::window::LIMIT;

use super::reading;

/// What can be said of a block's records before their values are looked at.
pub(crate) struct Glance {
    /// The records that are no text, with the reason, by their position in the block.
    damaged: Vec<(usize, Reject)>,
    /// The positions of the sound records.
    pub(crate) slots: Vec<usize>,
}

impl Glance {
    /// Looks at a block. What is no text is blanked out in it afterwards.
    pub(crate) fn new(block: &mut Block<Shape>) -> Self {
        let mut damaged = Vec::new();
        if check_text(&block.text).is_err() {
            for (record, span) in block.spans.iter().enumerate() {
                if let Err(reason) = check_text(&block.text[span.start..span.end]) {
                    damaged.push((record, Reject { reasons: vec![reason], ..describe(block, span) }));
                }
            }
            block.text = blank_out(std::mem::take(&mut block.text)).into_bytes();
        }
        let sound = |(record, span): (usize, &Span<Shape>)| span.fault.is_none().then_some(record);
        Self { damaged, slots: block.spans.iter().enumerate().filter_map(sound).collect() }
    }

    /// Whether the sound record at `row` is no text.
    pub(crate) fn is_damaged(&self, row: usize) -> bool {
        !self.damaged.is_empty() && self.find(self.slots[row]).is_some()
    }

    fn find(&self, record: usize) -> Option<&Reject> {
        let index = self.damaged.binary_search_by_key(&record, |(record, _)| *record).ok()?;
        Some(&self.damaged[index].1)
    }
}

/// The block's text, after a [`Glance`].
pub(crate) fn text_of(block: &Block<Shape>) -> &str {
    std::str::from_utf8(&block.text).unwrap_or_default()
}

fn describe(block: &Block<Shape>, span: &Span<Shape>) -> Reject {
    Reject::of_bytes(&block.text[span.start..span.end], span.line, block.offset + span.start as u64)
}

/// Types the records of a CSV object.
pub(crate) struct Converter {
    plan: Arc<Plan>,
    builders: Vec<ColumnBuilder>,
    /// For each plan column the guess at its values, if its type is one.
    guesses: Vec<Option<Guess>>,
    /// For each plan column its field; `None` when the file does not have it.
    positions: Vec<Option<usize>>,
    /// Fields that no plan column takes; empty unless they are rescued.
    others: Vec<(usize, String)>,
    reading: Reading,
    width: usize,
    yardstick: &'static str,
}

impl Converter {
    pub(crate) fn new(head: &Head, plan: &Arc<Plan>, options: &Options) -> Result<Self, Error> {
        // An object without a header has no records either.
        let positions = if head.names.is_empty() { vec![None; plan.columns.len()] } else { plan.locate(&head.names)? };
        let free = |(position, _): &(usize, &String)| plan.rescue && !positions.contains(&Some(*position));
        let others =
            head.names.iter().enumerate().filter(free).map(|(position, name)| (position, name.clone())).collect();
        let builders = plan.columns.iter().map(|column| ColumnBuilder::new(column, options.decimal));
        Ok(Self {
            builders: builders.collect::<Result<_, _>>().map_err(Error::unreadable)?,
            guesses: plan.open_guesses(),
            plan: Arc::clone(plan),
            positions,
            others,
            reading: reading(options),
            width: head.names.len(),
            yardstick: head.yardstick,
        })
    }

    /// Gives each plan column its values, and says what is wrong with them.
    fn fill(&mut self, glance: &Glance, cells: Cells<'_>, reasons: &mut Reasons) {
        for (builder, position) in self.builders.iter_mut().zip(&self.positions) {
            let refuse = |row: usize, reason| {
                if !glance.is_damaged(row) {
                    reasons.entry(glance.slots[row]).or_default().push(reason);
                }
            };
            match position {
                Some(position) => builder.append_cells(Cells { position: *position, ..cells }, refuse),
                None => builder.append_nulls(glance.slots.len(), refuse),
            }
        }
    }

    /// What the plan does not foresee of a block.
    fn find_unforeseen(&self, glance: &Glance, cells: Cells<'_>) -> Option<Unforeseen> {
        let guessed = self.guesses.iter().zip(&self.positions).enumerate();
        let wrong = |(index, (guess, position)): (usize, (&Option<Guess>, &Option<usize>))| {
            let (guess, position) = ((*guess)?, (*position)?);
            let mut holds = true;
            Cells { position, ..cells }.for_each(false, |row, value| {
                holds &=
                    value.is_none_or(|value| guess.holds_text(value, self.reading.decimal) || glance.is_damaged(row));
            });
            (!holds).then(|| self.plan.misguessed(index))
        };
        guessed.into_iter().find_map(wrong)
    }

    /// The fields that nobody takes, as a JSON object for each record.
    fn rescue(&self, cells: Cells<'_>, count: usize) -> arrow::array::StringArray {
        let mut scratch = String::new();
        let mut entry = |row: usize, (position, name): &(usize, String)| {
            let field = cells.fields[row * cells.width + position];
            let value = self.reading.value(cells.text, field, (true, &mut scratch));
            (name.clone(), value.map_or_else(|| "null".to_owned(), quote))
        };
        let mut row = |row| render_object(self.others.iter().map(|other| entry(row, other)));
        (0..count).map(|number| (!self.others.is_empty()).then(|| row(number))).collect()
    }

    /// Everything that is wrong with a record's shape.
    fn explain(&self, shape: &Shape) -> Vec<String> {
        if shape.long {
            return vec![format!("is longer than {LIMIT} bytes")];
        }
        let mut reasons: Vec<String> = shape.fault.map(explain_fault).into_iter().collect();
        let open = matches!(shape.fault, Some(Fault::Open(_)));
        if !open && shape.width != self.width {
            let plural = if shape.width == 1 { "" } else { "s" };
            let what = self.yardstick;
            reasons.push(format!("has {} field{plural}, the {what} has {}", shape.width, self.width));
        }
        if let Some(line) = shape.doubt {
            reasons.push(format!("may be the inside of a quoted field: the quotes at line {line} are damaged"));
        }
        reasons
    }
}

/// Sees of which type the values of a block are.
pub(crate) struct Surveyor {
    pub(crate) reading: Reading,
    pub(crate) width: usize,
}

impl Convert<Shape> for Surveyor {
    /// How many records there are, and the type of each field.
    type Out = (u64, Vec<Sketch>);

    fn convert(&mut self, mut block: Block<Shape>) -> Result<Self::Out, Error> {
        let glance = Glance::new(&mut block);
        let (reading, width) = (&self.reading, self.width);
        let see = |position: usize| {
            let mut sketch = Sketch::default();
            let cells = Cells { text: text_of(&block), reading, fields: &block.fields, width, position };
            cells.for_each(false, |row, value| {
                if let Some(value) = value.filter(|_| !glance.is_damaged(row)) {
                    sketch.add_text(value, reading.decimal);
                }
            });
            sketch
        };
        Ok((block.spans.len() as u64, (0..width).map(see).collect()))
    }
}

impl Convert<Shape> for Converter {
    type Out = Batch;

    fn convert(&mut self, mut block: Block<Shape>) -> Result<Batch, Error> {
        let glance = Glance::new(&mut block);
        let mut reasons: Reasons = block
            .spans
            .iter()
            .enumerate()
            .filter_map(|(record, span)| Some((record, self.explain(span.fault.as_ref()?))))
            .collect();
        for (record, reject) in &glance.damaged {
            reasons.entry(*record).or_default().extend(reject.reasons.iter().cloned());
        }
        let reading = self.reading.clone();
        let cells =
            Cells { text: text_of(&block), reading: &reading, fields: &block.fields, width: self.width, position: 0 };
        let unforeseen = self.find_unforeseen(&glance, cells);
        self.fill(&glance, cells, &mut reasons);
        let mut arrays: Vec<_> =
            self.builders.iter_mut().map(ColumnBuilder::finish).collect::<Result<_, _>>().map_err(internal)?;
        if self.plan.rescue {
            arrays.push(Arc::new(self.rescue(cells, glance.slots.len())));
        }
        let (before, count, passed) = (block.before, block.spans.len(), block.passed);
        let sorting = Sorting { plan: &self.plan, before, count, reasons, passed };
        let batch = sorting.settle(arrays, &glance.slots, |record| {
            glance.find(record).cloned().unwrap_or_else(|| describe(&block, &block.spans[record]))
        })?;
        Ok(Batch { unforeseen, ..batch })
    }
}

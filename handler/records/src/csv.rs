//! CSV: records of delimited text, by RFC 4180 and nothing looser.

use crate::batch::{Assembly, Batch, Place, Verdict};
use crate::convert::ColumnBuilder;
use crate::convert::cell::{quote, render_object};
use crate::error::Error;
use crate::infer::Sketch;
use crate::input::Input;
use crate::options::Options;
use crate::plan::Plan;
use crate::survey::{Depth, Survey, SurveyedColumn};
use crate::text::escape_bytes;

mod split;
mod walk;

use walk::{Record, Walk};

/// The columns of an object, as its head names them.
struct Head {
    names: Vec<String>,
    positional: bool,
}

impl Head {
    /// Reads the preamble and the header, or counts the fields of the first sound record where there is no header.
    /// The walk stands before the first record then. `None` when the object ends before either.
    fn read(input: &dyn Input, options: &Options) -> Result<(Walk, Option<Self>), Error> {
        let mut walk = Walk::open(input, options)?;
        let head = match options.width.filter(|_| !options.header) {
            _ if options.header => Self::from_header(&mut walk)?,
            Some(width) => Some(Self::positional(width)),
            None => Self::from_records(&mut walk)?,
        };
        if !options.header {
            walk = Walk::open(input, options)?;
        }
        let yardstick = match options.width {
            _ if options.header => "header",
            Some(_) => "contract",
            None => "first record",
        };
        walk.set_width(head.as_ref().map_or(0, |head| head.names.len()), yardstick);
        Ok((walk, head))
    }

    fn from_header(walk: &mut Walk) -> Result<Option<Self>, Error> {
        while let Some(record) = walk.advance()? {
            if !record.is_blank() {
                let names =
                    record.name_columns().map_err(|reason| Error::unreadable(format!("the header {reason}")))?;
                return Ok(Some(Self { names, positional: false }));
            }
        }
        Ok(None)
    }

    fn from_records(walk: &mut Walk) -> Result<Option<Self>, Error> {
        let mut first = None;
        while let Some(record) = walk.advance()? {
            let width = record.width();
            if record.is_sound() && !record.is_blank() {
                first = Some(width);
                break;
            }
            first = first.or(Some(width));
        }
        Ok(first.map(Self::positional))
    }

    fn positional(width: usize) -> Self {
        Self { names: (0..width).map(|position| format!("column{position}")).collect(), positional: true }
    }
}

/// Looks at the names, and at all values if asked to.
pub(crate) fn survey(input: &dyn Input, options: &Options, depth: Depth) -> Result<Survey, Error> {
    let (mut walk, head) = Head::read(input, options)?;
    let head = head.unwrap_or(Head { names: Vec::new(), positional: !options.header });
    let mut sketches = vec![Sketch::default(); head.names.len()];
    let mut records = 0;
    while depth == Depth::Values
        && let Some(record) = walk.advance_record()?
    {
        records += 1;
        if let Ok(text) = record.check() {
            for (position, sketch) in sketches.iter_mut().enumerate() {
                let field = record.field(text, position);
                if !field.is_null(&options.null_tokens, false) {
                    sketch.add_text(&field.text);
                }
            }
        }
    }
    let column = |(name, sketch): (String, Sketch)| SurveyedColumn { name, inferred: sketch.conclude() };
    let columns = head.names.into_iter().zip(sketches).map(column).collect();
    Ok(Survey { columns, records: (depth == Depth::Values).then_some(records), positional: head.positional })
}

/// The records of a CSV object, typed.
pub(crate) struct CsvReader<'a> {
    walk: Walk,
    assembly: Assembly<'a>,
    mapping: Mapping,
}

/// Which field goes where.
struct Mapping {
    /// For each plan column its field; `None` when the file does not have it.
    fields: Vec<Option<usize>>,
    /// Fields that no plan column takes; empty unless they are rescued.
    others: Vec<(usize, String)>,
    null_tokens: Vec<String>,
}

impl Mapping {
    fn new(head: &Head, plan: &Plan, null_tokens: &[String]) -> Result<Self, Error> {
        let find = |source: &String| {
            let position = head.names.iter().position(|name| name == source);
            position.map(Some).ok_or_else(|| Error::unreadable(format!("the file has no column {source:?}")))
        };
        let fields = plan
            .columns
            .iter()
            .map(|column| column.source.as_ref().map_or(Ok(None), find))
            .collect::<Result<Vec<_>, _>>()?;
        let free = |(position, _): &(usize, &String)| plan.rescue && !fields.contains(&Some(*position));
        let others =
            head.names.iter().enumerate().filter(free).map(|(position, name)| (position, name.clone())).collect();
        Ok(Self { fields, others, null_tokens: null_tokens.to_vec() })
    }

    /// Gives each plan column its value, and says what is wrong with them.
    fn convert(&self, record: &Record<'_>, text: &str, builders: &mut [ColumnBuilder]) -> Vec<String> {
        let mut reasons = Vec::new();
        for (builder, position) in builders.iter_mut().zip(&self.fields) {
            let result = match position.map(|position| record.field(text, position)) {
                Some(field) if !field.is_null(&self.null_tokens, builder.is_text()) => builder.append_text(&field.text),
                _ => builder.append_null(),
            };
            reasons.extend(result.err());
        }
        reasons
    }

    fn rescue(&self, record: &Record<'_>, text: &str) -> Option<String> {
        let entry = |(position, name): &(usize, String)| {
            let field = record.field(text, *position);
            let value = if field.is_null(&self.null_tokens, true) { "null".to_owned() } else { quote(&field.text) };
            (name.clone(), value)
        };
        (!self.others.is_empty()).then(|| render_object(self.others.iter().map(entry)))
    }
}

impl<'a> CsvReader<'a> {
    pub(crate) fn new(input: &'a dyn Input, options: &Options, plan: &'a Plan) -> Result<Self, Error> {
        let (walk, head) = Head::read(input, options)?;
        let mapping = match head {
            Some(head) => Mapping::new(&head, plan, &options.null_tokens)?,
            None => Mapping { fields: vec![None; plan.columns.len()], others: Vec::new(), null_tokens: Vec::new() },
        };
        Ok(Self { walk, assembly: Assembly::new(plan)?, mapping })
    }

    pub(crate) fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        while !self.assembly.is_full() {
            let Some(record) = self.walk.advance_record()? else { break };
            let place = Place { line: Some(record.line), byte_offset: Some(record.offset) };
            match record.check() {
                Err(reasons) => self.assembly.reject(place, escape_bytes(record.bytes), reasons),
                Ok(text) => {
                    let reasons = self.mapping.convert(&record, text, &mut self.assembly.builders);
                    let rescued = self.mapping.rescue(&record, text);
                    self.assembly.close(place, Verdict { reasons, rescued }, text);
                }
            }
        }
        self.assembly.finish()
    }
}

#[cfg(test)]
mod tests;

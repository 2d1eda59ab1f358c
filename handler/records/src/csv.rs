//! CSV: records of delimited text, by RFC 4180 and nothing looser.

use crate::convert::cells::Reading;
use crate::crew::run;
use crate::error::Error;
use crate::infer::Sketch;
use crate::input::Input;
use crate::options::Options;
use crate::reader::threads_for;
use crate::survey::{Depth, Survey, SurveyedColumn, look};
use crate::window::Window;

mod convert;
mod detect;
mod head;
mod scan;
mod scout;
mod split;

pub(crate) use convert::Converter;
pub(crate) use detect::settle;
pub(crate) use head::check_text;
pub(crate) use split::Splitter;

use convert::Surveyor;
use head::Head;
use scan::Dialect;
use scout::Scout;

/// The dialect as the options say; what they leave open is the usual one.
fn dialect(options: &Options) -> Result<Dialect, Error> {
    if let Some(reason) = options.contradiction() {
        return Err(Error::unreadable(reason));
    }
    let quote = options.quote.unwrap_or(b'"');
    let (delimiter, escape) = (options.delimiter.unwrap_or(b','), options.escape.unwrap_or(quote));
    Ok(Dialect { delimiter, quote, escape })
}

/// Opens the object: its head is read, and its records follow.
pub(crate) fn open(input: &dyn Input, options: &Options) -> Result<(Splitter, Head), Error> {
    let window = Window::open(input, options)?;
    let dialect = dialect(options)?;
    let scout = Scout::new(input, options, dialect)?;
    let mut splitter = Splitter::new(window, dialect, options.preamble)?.with_scout(scout);
    let head = Head::read(&mut splitter, options)?;
    Ok((splitter, head))
}

fn reading(options: &Options) -> Reading {
    let quote = options.quote.unwrap_or(b'"');
    Reading {
        quote,
        escape: options.escape.unwrap_or(quote),
        null_tokens: options.null_tokens.clone(),
        trim: options.trim,
        decimal: options.decimal.unwrap_or(b'.'),
    }
}

/// Looks at the names, and at values if asked to.
pub(crate) fn survey(input: &dyn Input, options: &Options, depth: Depth) -> Result<Survey, Error> {
    let options = &settle(input, options)?;
    let (splitter, head) = open(input, options)?;
    let (width, mut records) = (head.names.len(), 0);
    let mut sketches = vec![Sketch::default(); width];
    let whole = match depth {
        Depth::Names => true,
        Depth::Start | Depth::Values => {
            let surveyors = (0..threads_for(input)).map(|_| Surveyor { reading: reading(options), width });
            look(depth, run(splitter, surveyors.collect())?, |(count, seen)| {
                records += count;
                sketches.iter_mut().zip(seen).for_each(|(sketch, seen)| *sketch = sketch.merge(seen));
                Ok(())
            })?
        }
    };
    let columns = head.names.into_iter().zip(sketches);
    let columns = columns.map(|(name, sketch)| SurveyedColumn::new(name, sketch, whole)).collect();
    let records = (whole && depth != Depth::Names).then_some(records);
    Ok(Survey { columns, records, positional: head.positional })
}

#[cfg(test)]
mod tests;

//! A look at an object before it is read: which columns it has, and of what type.

use crate::error::Error;
use crate::infer::{Guess, Sketch};
use crate::input::Input;
use crate::options::{Format, Options};
use crate::types::Type;
use crate::{csv, json, parquet};

/// How far to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// The names: a CSV header (or first record), a Parquet footer. JSON has its names all over the object.
    Names,
    /// The values of the first records, some MiB of them, to guess types: what the guess does not hold is found when the
    /// object is read ([`crate::Plan::guesses`]).
    Start,
    /// All values of all records, to infer types that hold for each of them.
    Values,
}

/// What an object has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Its columns in order; JSON keys in the order of first appearance. Duplicates stand as they are.
    pub columns: Vec<SurveyedColumn>,
    /// How many records it has, where the look went that far.
    pub records: Option<u64>,
    /// Whether the columns have no names and are called `column0`, `column1` ... here.
    pub positional: bool,
}

/// One column of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyedColumn {
    /// Its name in the file.
    pub name: String,
    /// The type that holds every value exactly that was looked at; VARCHAR where only the names were.
    pub inferred: Type,
    /// What is known of its values where only the first ones were looked at ([`Depth::Start`]).
    pub guess: Option<Guess>,
}

impl SurveyedColumn {
    /// A column whose values are known by a sketch; whether they are all of them.
    pub(crate) fn new(name: String, sketch: Sketch, whole: bool) -> Self {
        Self { name, inferred: sketch.conclude(), guess: (!whole).then_some(Guess(sketch)) }
    }
}

/// Blocks that [`Depth::Start`] looks at.
const START: usize = 4;

/// Hands on what was seen of an object's blocks: all of them, or those at its start. Whether they were all of them.
pub(crate) fn look<T>(
    depth: Depth,
    seen: impl Iterator<Item = Result<T, Error>>,
    mut take: impl FnMut(T) -> Result<(), Error>,
) -> Result<bool, Error> {
    let mut seen = seen.fuse();
    let blocks = if depth == Depth::Start { START } else { usize::MAX };
    seen.by_ref().take(blocks).try_for_each(|block| take(block?))?;
    Ok(seen.next().transpose()?.is_none())
}

/// Looks at an object. Records that are no records (the wrong number of fields, bad quoting) are counted, and do not
/// take part in the inference.
///
/// # Errors
/// [`Error::Unreadable`] when the object as a whole is bad, [`Error::Io`] when it could not be fetched.
pub fn survey(input: &dyn Input, options: &Options, depth: Depth) -> Result<Survey, Error> {
    match options.format {
        Format::Csv => csv::survey(input, options, depth),
        Format::Json => json::survey(input, options, depth),
        Format::Parquet => parquet::survey(input),
    }
}

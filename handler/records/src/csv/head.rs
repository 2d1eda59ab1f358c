//! The head of a CSV object: the names of its columns, or how many there are.

use super::reading;
use super::scan::Fault;
use super::split::{COLUMNS, Peeked, SIGHT, Splitter};
use crate::convert::cells::Reading;
use crate::error::Error;
use crate::options::{Options, Ragged};

/// The columns of an object.
pub(crate) struct Head {
    pub(crate) names: Vec<String>,
    pub(crate) positional: bool,
    /// What says how many fields a record has.
    pub(crate) yardstick: &'static str,
}

impl Head {
    /// Reads the header, or counts the fields of the first sound record where there is no header. The splitter stands
    /// before the first record then, and knows what one looks like.
    pub(crate) fn read(splitter: &mut Splitter, options: &Options) -> Result<Self, Error> {
        splitter.rules().comment = options.comment;
        splitter.rules().trim = options.trim;
        let head = match options.width {
            _ if options.header => Self::of_header(splitter, &reading(options))?,
            Some(width) => Self::positional(width, "contract"),
            None => {
                let count = Self::count_fields(splitter)?;
                check_count(count).map_err(|reason| Error::unreadable(format!("the first record {reason}")))?;
                Self::positional(count, "first record")
            }
        };
        splitter.rules().width = head.names.len();
        splitter.rules().ragged = options.ragged == Ragged::Pad;
        Ok(head)
    }

    fn of_header(splitter: &mut Splitter, reading: &Reading) -> Result<Self, Error> {
        let Some(header) = splitter.peek()? else {
            return Ok(Self { names: Vec::new(), positional: false, yardstick: "header" });
        };
        let names = name_columns(&header, reading);
        let written = header.bytes.to_vec();
        splitter.rules().header = Some(written);
        let names = names.map_err(|reason| Error::unreadable(format!("the header {reason}")))?;
        Ok(Self { names, positional: false, yardstick: "header" })
    }

    fn positional(width: usize, yardstick: &'static str) -> Self {
        let names = (0..width).map(|position| format!("column{position}")).collect();
        Self { names, positional: true, yardstick }
    }

    /// The fields of the first sound record, or else of the first one.
    fn count_fields(splitter: &mut Splitter) -> Result<usize, Error> {
        let Some(first) = splitter.peek()? else { return Ok(0) };
        let (width, mut sound) = (first.scan.width, first.scan.fault.is_none());
        let place = first.place;
        let mut count = width;
        while !sound && let Some(record) = splitter.peek()? {
            if record.place.at > SIGHT {
                break;
            }
            sound = record.scan.fault.is_none();
            count = if sound { record.scan.width } else { width };
        }
        splitter.reset(place);
        Ok(count)
    }
}

/// Why there are too many columns.
fn check_count(columns: usize) -> Result<(), String> {
    if columns > COLUMNS { Err(format!("has {columns} columns, more than {COLUMNS}")) } else { Ok(()) }
}

/// The names in a header.
fn name_columns(header: &Peeked<'_>, reading: &Reading) -> Result<Vec<String>, String> {
    if let Some(fault) = header.scan.fault {
        return Err(format!("is damaged: {}", explain_fault(fault)));
    }
    check_count(header.scan.width)?;
    let text = check_text(header.bytes)?;
    let plain = Reading { null_tokens: Vec::new(), ..reading.clone() };
    let name = |field| {
        let mut scratch = String::new();
        plain.value(text, field, (true, &mut scratch)).unwrap_or_default().to_owned()
    };
    Ok(header.fields.iter().map(|field| name(*field)).collect())
}

/// What is wrong with a record's quotes.
pub(crate) fn explain_fault(fault: Fault) -> String {
    match fault {
        Fault::Stray(field) => format!("field {field} has a quote inside, and does not begin with one"),
        Fault::Trailing(field) => format!("field {field} has text after a closing quote"),
        Fault::Open(field) => format!("field {field} begins with a quote, and has no closing one at its end"),
    }
}

/// Why some bytes are no text.
pub(crate) fn check_text(bytes: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let position = error.valid_up_to();
        format!("is not valid text: the byte {:#04X} at byte {position} of the record", bytes[position])
    })?;
    match memchr::memchr(0, bytes) {
        Some(position) => Err(format!("has a NUL at byte {position} of the record")),
        None => Ok(text),
    }
}

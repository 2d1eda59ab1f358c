//! From a value as it is written to a value of the declared type: exactly, or with the reason why not.
//!
//! One file per family of types; each has a [`Slot`], a typed Arrow builder that knows how to take text, JSON and
//! Parquet values.

use arrow::array::ArrayRef;
use arrow::error::ArrowError;

use crate::plan::Column;
use crate::types::Type;

/// What each slot with one Arrow builder does in the same way; the builder's field is given.
macro_rules! appends_to {
    ($builder:tt) => {
        fn skip(&mut self) {
            self.$builder.append_null();
        }

        fn length(&self) -> usize {
            ::arrow::array::ArrayBuilder::len(&self.$builder)
        }

        fn finish(&mut self) -> Result<::arrow::array::ArrayRef, ::arrow::error::ArrowError> {
            Ok(::std::sync::Arc::new(self.$builder.finish()))
        }
    };
}

mod blobs;
pub(crate) mod booleans;
pub(crate) mod cell;
pub(crate) mod cells;
pub(crate) mod characters;
pub(crate) mod comma;
pub(crate) mod decimals;
pub(crate) mod few;
pub(crate) mod floats;
pub(crate) mod integers;
pub(crate) mod intervals;
mod layout;
mod maps;
mod nested;
pub(crate) mod temporal;
pub(crate) mod values;

use cell::Cell;
use cells::Cells;
use layout::Layout;
use values::{Values, Written};

/// Why a value does not convert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// It is not of the type.
    Type,
    /// It is of the type, but: a clause for the brackets after the type's name.
    Because(String),
    /// A rule of its own, that follows the value: `carries a time zone`.
    Rule(String),
}

impl Misfit {
    /// `VALUE is not TYPE`, or the rule that was broken.
    fn explain(&self, value: &str, data_type: &Type) -> String {
        match self {
            Self::Type => format!("{value} is not {data_type}"),
            Self::Because(clause) => format!("{value} is not {data_type} ({clause})"),
            Self::Rule(rule) => format!("{value} {rule}"),
        }
    }
}

/// A typed Arrow builder. A `take` that fails has appended nothing whole: the caller then must [`Slot::skip`] once.
pub(crate) trait Slot: Send {
    /// Appends a NULL.
    fn skip(&mut self);

    /// The number of values so far.
    fn length(&self) -> usize;

    /// Takes a value written as text.
    fn take_text(&mut self, text: &str) -> Result<(), Misfit>;

    /// Takes a value written as JSON, not `null`. Strings are taken as their text, numbers and booleans as they are written.
    fn take_json(&mut self, json: &str) -> Result<(), Misfit> {
        match json.as_bytes().first() {
            Some(b'"') => self.take_text(&characters::parse_string(json)?),
            Some(b'{' | b'[') | None => Err(Misfit::Type),
            Some(_) => self.take_text(json),
        }
    }

    /// Takes a JSON string without escapes, given without its quotes.
    fn take_quoted(&mut self, text: &str) -> Result<(), Misfit> {
        self.take_text(text)
    }

    /// Takes the values of a CSV column, one after the other, with a NULL where one is none of the type.
    fn take_cells(&mut self, cells: Cells<'_>, textual: bool, misfit: &mut dyn FnMut(usize, Misfit)) {
        cells.for_each(textual, |row, text| {
            let taken = text.map(|text| self.take_text(text));
            self.settle_row(row, taken, misfit);
        });
    }

    /// Takes the values of a JSON column, as [`Slot::take_cells`] does those of a CSV column.
    fn take_values(&mut self, values: Values<'_>, misfit: &mut dyn FnMut(usize, Misfit)) {
        for (row, value) in values.iter().enumerate() {
            let taken =
                value.map(
                    |Written { json, plain }| {
                        if plain { self.take_quoted(&json[1..json.len() - 1]) } else { self.take_json(json) }
                    },
                );
            self.settle_row(row, taken, misfit);
        }
    }

    /// Appends a NULL where there was no value, or one that is none of the type.
    fn settle_row(&mut self, row: usize, taken: Option<Result<(), Misfit>>, misfit: &mut dyn FnMut(usize, Misfit)) {
        match taken {
            Some(Ok(())) => {}
            None => self.skip(),
            Some(Err(reason)) => {
                self.skip();
                misfit(row, reason);
            }
        }
    }

    /// Takes a value of a Parquet column.
    fn take_cell(&mut self, cell: &Cell<'_>) -> Result<(), Misfit> {
        match cell {
            Cell::Text(text) => self.take_text(text),
            other => self.take_native(other),
        }
    }

    /// Takes a value of a Parquet column that is no text.
    fn take_native(&mut self, _cell: &Cell<'_>) -> Result<(), Misfit> {
        Err(Misfit::Type)
    }

    /// The values as an array; the builder is empty then.
    fn finish(&mut self) -> Result<ArrayRef, ArrowError>;
}

/// The slot for a type. Only times look at the layout.
fn create_slot(data_type: &Type, layout: Option<Layout>) -> Result<Box<dyn Slot>, String> {
    use arrow::datatypes as native;
    Ok(match data_type {
        Type::Boolean => Box::new(booleans::BooleanSlot::default()),
        Type::TinyInt => Box::new(integers::IntegerSlot::<native::Int8Type>::new()),
        Type::SmallInt => Box::new(integers::IntegerSlot::<native::Int16Type>::new()),
        Type::Integer => Box::new(integers::IntegerSlot::<native::Int32Type>::new()),
        Type::BigInt => Box::new(integers::IntegerSlot::<native::Int64Type>::new()),
        Type::UTinyInt => Box::new(integers::IntegerSlot::<native::UInt8Type>::new()),
        Type::USmallInt => Box::new(integers::IntegerSlot::<native::UInt16Type>::new()),
        Type::UInteger => Box::new(integers::IntegerSlot::<native::UInt32Type>::new()),
        Type::UBigInt => Box::new(integers::IntegerSlot::<native::UInt64Type>::new()),
        Type::HugeInt => Box::new(decimals::DecimalSlot::huge_integer(true).map_err(|error| error.to_string())?),
        Type::UHugeInt => Box::new(decimals::DecimalSlot::huge_integer(false).map_err(|error| error.to_string())?),
        Type::Decimal { precision, scale } => {
            Box::new(decimals::DecimalSlot::new(*precision, *scale).map_err(|error| error.to_string())?)
        }
        Type::Float => Box::new(floats::FloatSlot::default()),
        Type::Double => Box::new(floats::DoubleSlot::default()),
        Type::Varchar => Box::new(characters::VarcharSlot::default()),
        Type::Text(length) => Box::new(characters::TextSlot::of_length(*length)),
        Type::Enum(values) => Box::new(characters::TextSlot::one_of(values)),
        Type::Blob => Box::new(blobs::BlobSlot::new(blobs::Form::Plain)),
        Type::Json => Box::new(characters::JsonSlot::default()),
        Type::Uuid => Box::new(characters::UuidSlot::default()),
        Type::Date => Box::new(temporal::DateSlot::new(layout)),
        Type::Time => Box::new(temporal::TimeSlot::new(layout)),
        Type::Timestamp | Type::TimestampTz | Type::TimestampS | Type::TimestampMs => {
            Box::new(temporal::TimestampSlot::new(layout, data_type))
        }
        Type::Interval => Box::new(intervals::IntervalSlot::default()),
        Type::List(element) => Box::new(nested::ListSlot::new(element)?),
        Type::Struct(fields) => Box::new(nested::StructSlot::new(fields)?),
        Type::Map(key, value) => Box::new(maps::MapSlot::new(key, value)?),
    })
}

/// The slot for a type whose values are written in a declared way.
fn create_formatted(data_type: &Type, format: &str) -> Result<Box<dyn Slot>, String> {
    match data_type {
        Type::Blob => Ok(Box::new(blobs::BlobSlot::new(format.parse()?))),
        _ => create_slot(data_type, Some(Layout::new(format, data_type)?)),
    }
}

/// Checks that a format can write every value of a type, and nothing but it.
///
/// The words for dates and times: `%Y %y %m %b %B %d %j %a %A` for dates, `%H %I %p %M %S %f %g` for times (`%f` 1 to 6
/// digits of a fraction, `%g` 1 to 3), `%z` for the zone (`+HH:MM`, `+HHMM`, `+HH`, `Z`); `%F %D %T %R` for the usual
/// groups; `%%`. A `-` after the percent sign changes nothing: numbers may be short where no other number stands right beside
/// them. For a BLOB: `hex`, `base64`.
///
/// # Errors
/// With what is wrong, for whoever declared it.
pub fn check_format(format: &str, data_type: &Type) -> Result<(), String> {
    create_formatted(data_type, format).map(|_| ())
}

/// The values of one plan column, and the reasons why a value is none of them.
///
/// Every `append` adds exactly one value (NULL where it fails), so that columns stay level.
pub(crate) struct ColumnBuilder {
    name: String,
    data_type: Type,
    not_null: bool,
    slot: Box<dyn Slot>,
}

/// The longest value, in characters, that a reason repeats.
const SHOWN: usize = 200;

impl ColumnBuilder {
    /// An empty column.
    ///
    /// `decimal` is the byte before the fraction of numbers, where it is not a point.
    pub(crate) fn new(column: &Column, decimal: Option<u8>) -> Result<Self, String> {
        let slot = match column.format.as_deref() {
            Some(format) => create_formatted(&column.data_type, format),
            None => create_slot(&column.data_type, None),
        };
        let slot = slot.map_err(|reason| format!("column {:?}: {reason}", column.name))?;
        let slot = match (decimal, &column.data_type) {
            (Some(mark), Type::Decimal { .. } | Type::Float | Type::Double) if mark != b'.' => {
                Box::new(comma::CommaSlot::new(slot, mark))
            }
            _ => slot,
        };
        Ok(Self { name: column.name.clone(), data_type: column.data_type.clone(), not_null: column.not_null, slot })
    }

    /// Whether an empty text is a value of the type, and not a NULL.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.data_type, Type::Varchar | Type::Text(_) | Type::Enum(_) | Type::Blob)
    }

    /// Whether an array of these very values needs no conversion.
    pub(crate) fn is_native(&self, data_type: &arrow::datatypes::DataType) -> bool {
        let nested = matches!(self.data_type, Type::List(_) | Type::Struct(_) | Type::Map(..));
        let text = matches!(self.data_type, Type::Json | Type::Uuid | Type::Text(_) | Type::Enum(_));
        let narrow = matches!(self.data_type, Type::TimestampS | Type::TimestampMs | Type::UHugeInt);
        !nested && !text && !narrow && self.data_type.arrow() == *data_type
    }

    /// Whether NULL is refused.
    pub(crate) fn is_required(&self) -> bool {
        self.not_null
    }

    /// Appends a NULL; the reason where that is not allowed.
    pub(crate) fn append_null(&mut self) -> Result<(), String> {
        self.slot.skip();
        if self.not_null { Err(self.refuse_null()) } else { Ok(()) }
    }

    /// Why a NULL is no value of this column.
    pub(crate) fn refuse_null(&self) -> String {
        format!("column {:?}: NULL is not allowed", self.name)
    }

    /// Appends the values of a CSV column; `refuse` is given the row and the reason of each that is none.
    pub(crate) fn append_cells(&mut self, cells: Cells<'_>, mut refuse: impl FnMut(usize, String)) {
        let textual = self.is_text();
        let mut misfits = Vec::new();
        self.slot.take_cells(cells, textual, &mut |row, misfit| misfits.push((row, misfit)));
        let mut scratch = String::new();
        for (row, misfit) in misfits {
            let field = cells.fields.get(row * cells.width + cells.position).copied().unwrap_or_default();
            let text = cells.reading.value(cells.text, field, (textual, &mut scratch)).unwrap_or_default();
            refuse(row, self.explain(&misfit, &show_text(text)));
        }
        if self.not_null {
            let reason = self.refuse_null();
            cells.for_each(textual, |row, text| {
                if text.is_none() {
                    refuse(row, reason.clone());
                }
            });
        }
    }

    /// Appends NULLs for a column that the file does not have.
    pub(crate) fn append_nulls(&mut self, count: usize, mut refuse: impl FnMut(usize, String)) {
        for row in 0..count {
            if let Err(reason) = self.append_null() {
                refuse(row, reason);
            }
        }
    }

    /// Appends the values of a JSON column; `refuse` is given the row and the reason of each that is none.
    pub(crate) fn append_values(&mut self, values: Values<'_>, mut refuse: impl FnMut(usize, String)) {
        let mut misfits = Vec::new();
        self.slot.take_values(values, &mut |row, misfit| misfits.push((row, misfit)));
        for (row, misfit) in misfits {
            refuse(row, self.explain(&misfit, &shorten(values.at(row))));
        }
        if self.not_null {
            for (row, _) in values.iter().enumerate().filter(|(_, value)| value.is_none()) {
                refuse(row, self.refuse_null());
            }
        }
    }

    /// Appends a value of a Parquet column.
    pub(crate) fn append_cell(&mut self, cell: &Cell<'_>) -> Result<(), String> {
        if matches!(cell, Cell::Null) {
            return self.append_null();
        }
        self.slot.take_cell(cell).map_err(|misfit| self.refuse(&misfit, &shorten(&cell.show())))
    }

    /// Puts a NULL where a value does not fit, and tells why.
    fn refuse(&mut self, misfit: &Misfit, value: &str) -> String {
        self.slot.skip();
        self.explain(misfit, value)
    }

    fn explain(&self, misfit: &Misfit, value: &str) -> String {
        format!("column {:?}: {}", self.name, misfit.explain(value, &self.data_type))
    }

    /// The column as an array; the next batch begins empty.
    pub(crate) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        self.slot.finish()
    }
}

fn show_text(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

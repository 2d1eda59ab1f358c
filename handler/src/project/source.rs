//! A source table: the contract of a family of raw objects, as the project declares it.

use records::{Compression, Format, Options, Type};

use super::Place;

/// What happens with a column that the contract does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NewColumn {
    /// It is added to the table.
    #[default]
    Add,
    /// It is left out.
    Ignore,
    /// The file is refused.
    Reject,
    /// Its value is kept in the JSON column `_rescued`.
    Rescue,
}

/// What happens with the rows of a raw object that is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnDelete {
    /// They stay.
    #[default]
    Keep,
    /// They go, too.
    Withdraw,
}

/// What a failing test does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Severity {
    /// It quarantines the record (sources) or withholds the table (models). dbt's default.
    #[default]
    Error,
    /// It is counted and reported.
    Warn,
}

/// The contract of a family of raw objects: which keys, in which format, with which columns.
#[derive(Clone, Debug)]
pub struct SourceTable {
    /// The source's name.
    pub source: String,
    /// The source table's name.
    pub name: String,
    /// The silver table that stores the plain records: `NAME`, or `SOURCE__NAME` where `NAME` is also another
    /// source table's or a silver model's; lower case.
    pub table: String,
    /// The pattern of the keys, relative to the raw zone; none: keys are taken by the name of their table.
    pub location: Option<String>,
    /// The name that keys without a pattern are matched with: the `identifier`, else the name; lower case.
    pub identifier: String,
    /// How the bytes are read; none: by the key's extension.
    pub format: Option<Format>,
    /// How the bytes are packed; none: by the key's extension.
    pub compression: Option<Compression>,
    /// The rest of how they are written; its format and compression say nothing.
    pub options: Options,
    /// What happens with a column that is not listed.
    pub on_new_column: NewColumn,
    /// The share (0 to 1) of a file's records above which the whole file is quarantined.
    pub max_rejects: Option<f64>,
    /// What happens with the rows of a removed object.
    pub on_delete: OnDelete,
    /// The columns that are promised.
    pub columns: Vec<ColumnContract>,
    /// What every record must hold.
    pub tests: Vec<RecordTest>,
    /// The Delta partition columns of the silver table.
    pub partition_by: Vec<String>,
    /// Where it is declared.
    pub place: Place,
}

/// One promised column.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnContract {
    /// The name in the file.
    pub name: String,
    /// The type; none: inferred.
    pub data_type: Option<Type>,
    /// The pattern of dates or times, in `strptime` words.
    pub format: Option<String>,
    /// Whether a file with a header must have the column.
    pub required: bool,
}

/// A test on every record of a raw object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordTest {
    /// The test as a person would say it: `not_null(id)`.
    pub name: String,
    /// Whether a failing record is quarantined or only counted.
    pub severity: Severity,
    /// What is tested.
    pub check: RecordCheck,
    /// Where it is declared.
    pub place: Place,
}

/// What a record must hold. As in dbt, NULL passes everything but `NotNull`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordCheck {
    /// The column has a value.
    NotNull {
        /// The column, as the project writes it.
        column: String,
    },
    /// No other record of the same object has the value.
    Unique {
        /// The column, as the project writes it.
        column: String,
    },
    /// The value is one of a list.
    AcceptedValues {
        /// The column, as the project writes it.
        column: String,
        /// SQL literals.
        values: Vec<String>,
    },
    /// A condition holds: the record fails where the condition is false (NULL passes, as in a SQL CHECK).
    Expression {
        /// Boolean SQL over the record's columns.
        sql: String,
    },
}

//! The contract of a source: which columns its table has, of which types, and how the columns of one file map to them.
//!
//! Stored with the silver table it belongs to, so that whoever reads a later file reads it the same way.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use records::{Depth, Format, Guess, Plan, Survey, Type};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::project::{NewColumn, SourceTable};
use crate::stored::stored_schema;

/// The JSON column that keeps what `on_new_column: rescue` finds.
pub const RESCUED: &str = "_rescued";

/// The columns that say where a row came from.
pub const LINEAGE: [&str; 5] = ["_source_key", "_source_version", MODIFIED_AT, INGESTED_AT, RECORD_NUMBER];

/// The lineage column with the time of the object.
pub const MODIFIED_AT: &str = "_source_modified_at";

/// The lineage column with the time of its processing.
pub const INGESTED_AT: &str = "_ingested_at";

/// The lineage column that only plain records have.
pub const RECORD_NUMBER: &str = "_record_number";

/// The columns of a source's table, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// The columns that files bring.
    pub columns: Vec<Column>,
    /// Whether the table has the column `_rescued`.
    #[serde(default)]
    pub rescued: bool,
}

/// One column of a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The name in the files.
    pub name: String,
    /// The name in the table.
    pub stored: String,
    /// The type; `None` until a file tells.
    pub data_type: Option<Type>,
    /// The pattern of dates or times, in `strptime` words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Whether a file with a header must have it.
    #[serde(default)]
    pub required: bool,
}

/// How one file maps to a contract.
#[derive(Debug, Default)]
pub struct Mapping {
    /// The name in the file of each contract column, in the contract's order.
    pub sources: Vec<Option<String>>,
    /// Why no record of the file can be accepted, if so.
    pub refused: Option<String>,
    /// Whether the file was not looked at whole: that it has no other columns is assumed then.
    pub assumed: bool,
    /// Guesses at the columns whose type this file's first values told, by position in the contract.
    pub guesses: BTreeMap<usize, Guess>,
}

impl Contract {
    /// The contract in force: the declared columns with the types that are stored, then the columns that are only
    /// stored. With `adopt`, declared types win over stored ones.
    pub fn in_force(stored: Option<&Self>, declared: Option<&SourceTable>, adopt: bool) -> Self {
        let Some(source) = declared else { return stored.cloned().unwrap_or_default() };
        let former = |name: &str| stored.and_then(|contract| contract.column(name));
        let mut columns: Vec<Column> = source
            .columns
            .iter()
            .map(|column| {
                let former = former(&column.name);
                let stored_type = former.and_then(|former| former.data_type.clone());
                let data_type = if adopt {
                    column.data_type.clone().or(stored_type)
                } else {
                    stored_type.or_else(|| column.data_type.clone())
                };
                Column {
                    name: column.name.clone(),
                    stored: former.map_or_else(|| stored_name(&column.name), |former| former.stored.clone()),
                    data_type,
                    format: column.format.clone(),
                    required: column.required,
                }
            })
            .collect();
        let added = stored.into_iter().flat_map(|contract| &contract.columns);
        for column in added {
            if !columns.iter().any(|present| present.stored.eq_ignore_ascii_case(&column.stored)) {
                columns.push(Column { required: false, ..column.clone() });
            }
        }
        let rescued = source.on_new_column == NewColumn::Rescue || stored.is_some_and(|contract| contract.rescued);
        Self { columns, rescued }
    }

    /// The column of that name: exactly, else the one that has the same name in the table but for case.
    fn column(&self, name: &str) -> Option<&Column> {
        let exact = self.columns.iter().find(|column| column.name == name);
        exact.or_else(|| self.columns.iter().find(|column| column.stored.eq_ignore_ascii_case(&stored_name(name))))
    }

    /// The declared columns whose stored type is another one: `name: stored, declared`.
    pub fn differences(&self, declared: Option<&SourceTable>) -> Vec<String> {
        let declared = declared.into_iter().flat_map(|source| &source.columns);
        declared
            .filter_map(|column| {
                let wanted = column.data_type.as_ref()?;
                let stored = self.column(&column.name)?.data_type.as_ref()?;
                (stored != wanted).then(|| format!("{}: stored {stored}, declared {wanted}", column.name))
            })
            .collect()
    }

    /// How a JSON file maps if it brings nothing new: its keys stand all over it, and to look at them costs as much as to
    /// read it. `None` where keys that are new are nothing special.
    pub fn assume(&self, declared: Option<&SourceTable>) -> Option<Mapping> {
        let settled = !self.columns.is_empty() && self.columns.iter().all(|column| column.data_type.is_some());
        let sources = || self.columns.iter().map(|column| Some(column.name.clone())).collect();
        (settled && minds_new_columns(declared)).then(|| Mapping {
            sources: sources(),
            assumed: true,
            ..Mapping::default()
        })
    }

    /// Maps a file's columns, adding new ones where the policy says so. `survey` must have types (`Depth::Values`) where
    /// [`Contract::depth`] says that they are needed.
    pub fn map(&mut self, survey: &Survey, declared: Option<&SourceTable>, format: Format) -> Mapping {
        if survey.positional {
            return self.map_positions(survey, declared);
        }
        let names: Vec<&str> = survey.columns.iter().map(|column| column.name.as_str()).collect();
        if let Some(reason) = clash(&names) {
            let sources = vec![None; self.columns.len()];
            return Mapping { sources, refused: Some(reason), ..Mapping::default() };
        }
        // Any key may still come where not all of a JSON file was looked at.
        let partial = format == Format::Json && survey.records.is_none();
        let source =
            |column: &Column| find(&names, &column.name).or(partial.then_some(&column.name)).map(str::to_owned);
        let mut sources: Vec<Option<String>> = self.columns.iter().map(source).collect();
        let (mut refused, mut guesses) = (None, BTreeMap::new());
        for (index, (column, source)) in self.columns.iter_mut().zip(&sources).enumerate() {
            let seen = source.as_ref().and_then(|name| survey.columns.iter().find(|seen| seen.name == *name));
            if column.data_type.is_none() {
                column.data_type = seen.map(|seen| seen.inferred.clone());
                // A key that was not there may still come.
                let guess = seen.map_or(partial.then(Guess::default), |seen| seen.guess);
                guesses.extend(guess.map(|guess| (index, guess)));
            }
            if source.is_none() && column.required && format != Format::Json && !names.is_empty() {
                refused.get_or_insert_with(|| format!("required column {:?} is missing", column.name));
            }
        }
        let taken: BTreeSet<&str> = sources.iter().flatten().map(String::as_str).collect();
        let new: Vec<_> =
            survey.columns.iter().filter(|column| !taken.contains(column.name.as_str())).cloned().collect();
        let policy = declared.map_or(NewColumn::Add, |source| source.on_new_column);
        for column in new {
            match policy {
                NewColumn::Ignore | NewColumn::Rescue => {}
                NewColumn::Reject => {
                    refused.get_or_insert_with(|| format!("column {:?} is not in the contract", column.name));
                }
                NewColumn::Add => {
                    let (data_type, guess) =
                        if declared.is_some() { (Type::Varchar, None) } else { (column.inferred, column.guess) };
                    match self.add(&column.name, data_type) {
                        Ok(()) => {
                            guesses.extend(guess.map(|guess| (sources.len(), guess)));
                            sources.push(Some(column.name));
                        }
                        Err(reason) => {
                            refused.get_or_insert(reason);
                        }
                    }
                }
            }
        }
        Mapping { sources, refused, assumed: partial, guesses }
    }

    /// A file without a header: by position; with a contract its first record may be the damaged one.
    fn map_positions(&mut self, survey: &Survey, declared: Option<&SourceTable>) -> Mapping {
        if self.columns.is_empty() {
            for column in &survey.columns {
                self.columns.push(Column {
                    name: column.name.clone(),
                    stored: stored_name(&column.name),
                    data_type: None,
                    format: None,
                    required: false,
                });
            }
        }
        let named = declared.map_or(self.columns.len(), |source| {
            if source.columns.is_empty() { self.columns.len() } else { source.columns.len() }
        });
        let mut guesses = BTreeMap::new();
        for (index, (column, seen)) in self.columns.iter_mut().zip(&survey.columns).enumerate() {
            if column.data_type.is_none() {
                column.data_type = Some(seen.inferred.clone());
                guesses.extend(seen.guess.map(|guess| (index, guess)));
            }
        }
        let sources = (0..self.columns.len()).map(|index| (index < named).then(|| format!("column{index}"))).collect();
        Mapping { sources, guesses, ..Mapping::default() }
    }

    fn add(&mut self, name: &str, data_type: Type) -> Result<(), String> {
        let stored = stored_name(name);
        if is_reserved(&stored) {
            return Err(format!("column {name:?} has the name of a column of Pintail's own"));
        }
        if let Some(other) = self.columns.iter().find(|column| column.stored.eq_ignore_ascii_case(&stored)) {
            return Err(format!("columns {:?} and {name:?} have the same name in the table", other.name));
        }
        self.columns.push(Column {
            name: name.to_owned(),
            stored,
            data_type: Some(data_type),
            format: None,
            required: false,
        });
        Ok(())
    }

    /// How deep a file must be surveyed for this contract: types only where one is needed.
    pub fn depth(&self, names: &Survey, declared: Option<&SourceTable>) -> Depth {
        let file: Vec<&str> = names.columns.iter().map(|column| column.name.as_str()).collect();
        let untyped = self.columns.iter().any(|column| column.data_type.is_none());
        let known = |name: &str| self.columns.iter().any(|column| find(&[name], &column.name).is_some());
        let new = declared.is_none() && !names.positional && file.iter().any(|name| !known(name));
        let first = names.positional && self.columns.is_empty();
        if untyped || new || first { Depth::Values } else { Depth::Names }
    }

    /// What the strict reader is to do with one file.
    pub fn plan(&self, mapping: &Mapping, declared: Option<&SourceTable>) -> Plan {
        let columns = self
            .columns
            .iter()
            .enumerate()
            .map(|(index, column)| records::Column {
                source: mapping.sources.get(index).cloned().flatten(),
                name: column.stored.clone(),
                data_type: column.data_type.clone().unwrap_or(Type::Varchar),
                format: column.format.clone(),
                not_null: false,
            })
            .collect();
        Plan {
            columns,
            rescue: declared.is_some_and(|source| source.on_new_column == NewColumn::Rescue),
            closed: mapping.assumed,
            guesses: mapping.guesses.clone(),
            refuse: mapping.refused.clone(),
            ..Plan::default()
        }
    }

    /// The stored schema of the source's table: its columns, `_rescued` where it has one, then the lineage columns.
    ///
    /// # Errors
    /// When a column's type has no place in Delta.
    pub fn schema(&self) -> Result<SchemaRef> {
        let mut fields: Vec<Field> = self
            .columns
            .iter()
            .map(|column| {
                Field::new(&column.stored, column.data_type.as_ref().map_or(DataType::Utf8, Type::arrow), true)
            })
            .collect();
        if self.rescued {
            fields.push(Field::new(RESCUED, DataType::Utf8, true));
        }
        fields.extend(lineage_fields(true));
        stored_schema(&Schema::new(fields))
    }

    /// The name in the table of a column as the project writes it.
    pub fn stored_name_of(&self, name: &str) -> String {
        let names: HashMap<&str, &str> =
            self.columns.iter().map(|column| (column.name.as_str(), column.stored.as_str())).collect();
        names.get(name).map_or_else(|| stored_name(name), |stored| (*stored).to_owned())
    }
}

/// Whether a column that is new changes the contract, or how a file is read.
pub fn minds_new_columns(declared: Option<&SourceTable>) -> bool {
    declared.is_none_or(|source| matches!(source.on_new_column, NewColumn::Add | NewColumn::Reject))
}

/// The lineage columns of a silver table; only plain records have numbers.
pub fn lineage_fields(numbered: bool) -> Vec<Field> {
    let time = DataType::Timestamp(TimeUnit::Microsecond, None);
    let mut fields = vec![
        Field::new(LINEAGE[0], DataType::Utf8, true),
        Field::new(LINEAGE[1], DataType::Utf8, true),
        Field::new(LINEAGE[2], time.clone(), true),
        Field::new(LINEAGE[3], time, true),
    ];
    if numbered {
        fields.push(Field::new(RECORD_NUMBER, DataType::Int64, true));
    }
    fields
}

/// The columns that a SELECT over a silver table sees: lineage columns only where it names them, so that a model that was
/// written without them in mind gives what it gives elsewhere.
pub fn visible(schema: &Schema, sql: &str) -> SchemaRef {
    let sql = sql.to_lowercase();
    let words: BTreeSet<&str> = sql.split(|letter: char| !(letter.is_alphanumeric() || letter == '_')).collect();
    let seen = |field: &&Arc<Field>| !is_lineage(field.name()) || words.contains(field.name().to_lowercase().as_str());
    Arc::new(Schema::new(schema.fields().iter().filter(seen).cloned().collect::<Vec<_>>()))
}

/// Whether a column says where a row came from.
pub fn is_lineage(name: &str) -> bool {
    LINEAGE.iter().any(|lineage| lineage.eq_ignore_ascii_case(name))
}

/// Whether a column is one of those that every silver table gets (`_record_number` is of plain records only).
pub fn is_added(name: &str) -> bool {
    is_lineage(name) && !name.eq_ignore_ascii_case(RECORD_NUMBER)
}

fn is_reserved(stored: &str) -> bool {
    is_lineage(stored) || stored.eq_ignore_ascii_case(RESCUED)
}

/// The name that a column has in its table: Parquet readers and Delta forbid some characters.
pub fn stored_name(name: &str) -> String {
    // What `pandas` writes above its index.
    if name.is_empty() {
        return "unnamed".to_owned();
    }
    name.chars().map(|letter| if " ,;{}()=\t\n".contains(letter) { '_' } else { letter }).collect()
}

/// The file's name for a column: exactly, else the only one that is equal but for case.
fn find<'a>(names: &[&'a str], wanted: &str) -> Option<&'a str> {
    if let Some(name) = names.iter().find(|name| **name == wanted) {
        return Some(name);
    }
    let mut alike = names.iter().filter(|name| name.to_lowercase() == wanted.to_lowercase());
    alike.next().filter(|_| alike.next().is_none()).copied()
}

/// Why the names of a file cannot be the columns of one table.
fn clash(names: &[&str]) -> Option<String> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for name in names {
        let stored = stored_name(name).to_lowercase();
        if is_reserved(&stored) {
            return Some(format!("column {name:?} has the name of a column of Pintail's own"));
        }
        if let Some(other) = seen.insert(stored, name) {
            return Some(format!("columns {other:?} and {name:?} have the same name in the table"));
        }
    }
    None
}

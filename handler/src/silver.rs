//! Silver: the records of one object become rows of its tables. A function of the object's bytes, the contract and
//! the silver models; of nothing else. First the columns are surveyed, then, under a settled contract, the object is
//! staged ([`crate::staging`]).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Utc};
use records::{Depth, Format, Input, Options, Passed, Survey};

use crate::budget::Budget;
use crate::contract::{Contract, Mapping, minds_new_columns};
use crate::data_file::DataFile;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::lake::{Lake, RawObject, parallel};
use crate::snapshot::Definition;
use crate::source::Source;
use crate::staging::Staging;

/// A result that data may refuse: the inner error is the reason, the outer one a failure of ours.
pub type Verdict<T> = Result<std::result::Result<T, String>>;

/// DuckDB, started when it is first needed: an object without tests and models does without.
pub type Lazy<'a> = &'a dyn Fn() -> Result<&'a Engine>;

/// Rows for one table.
#[derive(Debug, Clone)]
pub struct TableRows {
    /// `silver/name`.
    pub table: String,
    /// The table's stored schema as these rows have it.
    pub schema: SchemaRef,
    /// Delta partition columns.
    pub partition_by: Vec<String>,
    /// The files; nothing points at them yet.
    pub files: Vec<DataFile>,
}

/// One object, ready to be published.
#[derive(Debug, Clone)]
pub struct SilverRows {
    /// Records that the reader counted.
    pub records: u64,
    /// Records that are rows.
    pub accepted: u64,
    /// Lines that are no records.
    pub passed: Passed,
    /// Failing records per test that only warns.
    pub warnings: BTreeMap<String, u64>,
    /// Rows for the plain table and for each silver model.
    pub tables: Vec<TableRows>,
    /// Rows for the quarantine.
    pub quarantine: Vec<DataFile>,
    /// Why the object was quarantined as a whole.
    pub refused: Option<String>,
    /// How its bytes were read; `None` where nothing says how.
    pub options: Option<Options>,
}

/// What the silver tables need to know of an object, found before its contract is settled.
pub struct Surveyed {
    /// The object.
    pub object: RawObject,
    /// How its bytes are read; `None` where nothing says how.
    pub options: Option<Options>,
    /// How it maps to the contract; the error says why it cannot be read as a whole.
    pub mapping: std::result::Result<Mapping, String>,
}

impl Surveyed {
    /// Whether how it maps rests on its beginning alone, which counts only when it was read to its end.
    pub fn is_guessed(&self) -> bool {
        self.mapping.as_ref().is_ok_and(|mapping| mapping.assumed || !mapping.guesses.is_empty())
    }
}

/// What looks at an object have found, so that none has to be taken twice.
#[derive(Default)]
pub struct Looked {
    settled: Option<Options>,
    found: BTreeMap<Depth, std::result::Result<Survey, String>>,
}

impl Looked {
    /// The options with what the object itself says of its dialect.
    fn settle(
        &mut self,
        open: impl FnOnce() -> Result<Arc<dyn Input>>,
        (key, options): (&str, &Options),
    ) -> Verdict<Options> {
        if let Some(settled) = &self.settled {
            return Ok(Ok(Options { width: options.width, ..settled.clone() }));
        }
        let settled = judged(key, records::settle(&*open()?, options))?;
        self.settled = settled.as_ref().ok().cloned();
        Ok(settled)
    }

    /// Looks so deep, unless that was done.
    fn look(
        &mut self,
        open: impl FnOnce() -> Result<Arc<dyn Input>>,
        (key, options, depth): (&str, &Options, Depth),
    ) -> Verdict<Survey> {
        if let Some(found) = self.found.get(&depth) {
            return Ok(found.clone());
        }
        let found = judged(key, records::survey(&*open()?, options, depth))?;
        self.found.insert(depth, found.clone());
        Ok(found)
    }
}

/// The work on the objects of one source.
pub struct Work<'a> {
    /// The lake.
    pub lake: &'a Lake,
    /// The source.
    pub source: &'a Source<'a>,
    /// Part of the names of the files that it writes.
    pub attempt: &'a str,
    /// The lineage column `_ingested_at`.
    pub ingested_at: DateTime<Utc>,
    /// The tables as they are stored already, by `silver/name`.
    pub stored: &'a BTreeMap<String, Definition>,
    /// Whether the project's contract and models win over what is stored.
    pub again: bool,
    /// How much time there is.
    pub budget: Budget,
    /// Its objects' bytes.
    pub opened: &'a Opened<'a>,
}

/// Objects that were opened and will be read, perhaps more than once.
pub struct Opened<'a> {
    lake: &'a Lake,
    most: usize,
    inputs: Mutex<HashMap<String, Arc<dyn Input>>>,
}

impl<'a> Opened<'a> {
    /// Opens objects, so that their bytes are on their way when they are read; `most` stay open at once.
    pub fn ahead(lake: &'a Lake, most: usize, objects: &[RawObject]) -> Self {
        let opened = Self { lake, most, inputs: Mutex::default() };
        // What cannot be opened says so when it is read.
        parallel(lake.width(), &objects[..objects.len().min(most)], |object| opened.open(object).ok());
        opened
    }

    /// The object's bytes.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::S3`], [`Error::Key`].
    pub fn open(&self, object: &RawObject) -> Result<Arc<dyn Input>> {
        if let Some(input) = self.locked().get(&object.key) {
            return Ok(Arc::clone(input));
        }
        let input = self.lake.open_raw(object)?;
        let mut inputs = self.locked();
        if !self.lake.is_local() && inputs.len() < self.most {
            inputs.insert(object.key.clone(), Arc::clone(&input));
        }
        Ok(input)
    }

    /// Lets go of an object's bytes.
    pub fn close(&self, object: &RawObject) {
        self.locked().remove(&object.key);
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, Arc<dyn Input>>> {
        self.inputs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work<'_> {
    /// Looks at an object's columns and settles how they map to the contract, which may grow. What is only `assumed` of an
    /// object is found wrong when it is staged ([`Error::Unforeseen`]).
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Reader`]: failures of ours.
    pub fn survey(
        &self,
        object: RawObject,
        contract: &mut Contract,
        (assume, looked): (bool, &mut Looked),
    ) -> Result<Surveyed> {
        let options = match self.options(&object.key, contract) {
            Ok(options) => options,
            Err(reason) => return Ok(Surveyed { object, options: None, mapping: Err(reason) }),
        };
        let options = match looked.settle(|| self.opened.open(&object), (&object.key, &options))? {
            Ok(settled) => settled,
            Err(reason) => return Ok(Surveyed { object, options: Some(options), mapping: Err(reason) }),
        };
        if let Some(mapping) =
            contract.assume(self.source.declared).filter(|_| assume && options.format == Format::Json)
        {
            return Ok(Surveyed { object, options: Some(options), mapping: Ok(mapping) });
        }
        let look = |depth| looked.look(|| self.opened.open(&object), (&object.key, &options, depth));
        let mapping = self.look(look, (options.format, assume), contract)?.map(|survey| {
            if survey.records == Some(0) && survey.columns.is_empty() {
                return Mapping::default();
            }
            let mut grown = contract.clone();
            let mapping = grown.map(&survey, self.source.declared, options.format);
            if mapping.refused.is_none() && survey.records != Some(0) {
                *contract = grown;
            }
            mapping
        });
        Ok(Surveyed { object, options: Some(options), mapping })
    }

    /// Looks at an object as far as the contract needs it: at its first values only where what they do not tell is found
    /// later. JSON has its names all over the object, and so they cost as much as all values.
    fn look(
        &self,
        mut look: impl FnMut(Depth) -> Verdict<Survey>,
        (format, assume): (Format, bool),
        contract: &Contract,
    ) -> Verdict<Survey> {
        let (declared, json) = (self.source.declared, format == Format::Json);
        let guess = assume && (!json || minds_new_columns(declared));
        let deep = if guess { Depth::Start } else { Depth::Values };
        if json && (guess || declared.is_none()) {
            return look(deep);
        }
        match look(Depth::Names)? {
            Ok(names) if contract.depth(&names, declared) == Depth::Values => look(deep),
            other => Ok(other),
        }
    }

    /// Reads the object and writes its rows and rejects to data files.
    ///
    /// # Errors
    /// [`Error::Unforeseen`]; failures of ours. Bad data ends in the quarantine rows.
    pub fn stage(&self, engine: Lazy<'_>, surveyed: &Surveyed, contract: &Contract) -> Result<SilverRows> {
        self.budget.admit(&surveyed.object.key, surveyed.object.stamp.size)?;
        let staging = Staging::new(self, engine, &surveyed.object, contract)?;
        let options = surveyed.options.clone().map(|options| self.with_width(options, contract));
        let rows = match (&options, &surveyed.mapping) {
            (Some(options), Ok(mapping)) => staging.read(options, mapping),
            (_, Err(reason)) => staging.unreadable(reason),
            (None, Ok(_)) => staging.unreadable("nothing says how it is to be read"),
        }?;
        Ok(SilverRows { options, ..rows })
    }

    fn options(&self, key: &str, contract: &Contract) -> std::result::Result<Options, String> {
        Ok(self.with_width(self.source.options(key)?, contract))
    }

    /// Without a header it is the contract that says how many fields a record has.
    fn with_width(&self, mut options: Options, contract: &Contract) -> Options {
        if !options.header && !contract.columns.is_empty() {
            let declared = self.source.declared.map(|source| source.columns.len()).filter(|columns| *columns > 0);
            options.width = Some(declared.unwrap_or(contract.columns.len()));
        }
        options
    }

    /// The table as it is stored, unless the project wins over that.
    pub fn stored(&self, table: &str) -> Option<&Definition> {
        self.stored.get(&format!("silver/{table}")).filter(|_| !self.again)
    }
}

/// Data that cannot be read as a whole is a reason; failures of ours stay errors.
///
/// # Errors
/// [`Error::Reader`].
pub fn judged<T>(key: &str, result: std::result::Result<T, records::Error>) -> Verdict<T> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error @ records::Error::Unreadable { .. }) => Ok(Err(error.to_string())),
        Err(source @ records::Error::Io(_)) => Err(Error::Reader { key: key.to_owned(), source }),
    }
}

//! Every environment variable that Pintail reads, read once at the edge and checked all at once.
//!
//! [`VARIABLES`] is the reference: the README's table is made from it, and a test holds both together.

mod variables;

use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

pub use variables::{VARIABLES, Variable, markdown};

use crate::lake::{Address, Place, Scratch};
use crate::log;

/// Memory of a Lambda function that comes with one more virtual CPU, in MiB.
const MEBIBYTES_PER_CPU: u64 = 1769;

/// The share of a function's memory that `DuckDB` may use, in percent: its limit bounds its buffers, not the process.
const DUCKDB_PERCENT: u64 = 55;

/// What is kept free in the temp folder, in percent.
const TEMP_PERCENT: u64 = 80;

/// The size of `/tmp` where the file system does not tell: what Lambda gives without being asked.
const TEMP_MEBIBYTES: u64 = 512;

/// More is a slip of the hand, and what is counted from it would not fit.
const MOST_THREADS: u64 = 1024;
const MOST_MEBIBYTES: u64 = 1 << 32;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person.
    Text,
    /// One JSON object per line.
    Json,
}

/// The settings of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `PINTAIL_PROJECT`: the project; none for the zero-configuration rules alone.
    pub project: Option<Place>,
    /// `PINTAIL_GENERATION`: which deploy this worker belongs to.
    pub generation: Option<u64>,
    /// `PINTAIL_MEMORY_MB`: memory that `DuckDB` may use, in MiB.
    pub memory_mebibytes: u64,
    /// `PINTAIL_THREADS`: worker threads.
    pub threads: usize,
    /// `PINTAIL_TEMP`: the folder for everything that is written outside of the lake.
    pub temp: PathBuf,
    /// `PINTAIL_TEMP_MB`: how much of it may be used, in MiB; none: a share of what is free there.
    pub temp_limit: Option<u64>,
    /// `PINTAIL_CACHE_MB`: how much of that may keep data files for later reads, in MiB; none: a quarter.
    pub cache_limit: Option<u64>,
    /// `PINTAIL_LOG`: filter of the log on stderr, in `tracing`'s words.
    pub log: String,
    /// `PINTAIL_LOG_FORMAT`: how its lines look.
    pub log_format: LogFormat,
    /// `PINTAIL_PATIENCE_SECONDS`: how long conflicts with other processes are retried.
    pub patience_seconds: u64,
    /// `PINTAIL_FAULT`: the process aborts before its n-th write to the lake; for tests of recovery.
    pub fault: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            project: None,
            generation: None,
            memory_mebibytes: 2048,
            threads: available_parallelism().map_or(1, usize::from),
            temp: std::env::temp_dir(),
            temp_limit: None,
            cache_limit: None,
            log: "error,handler=warn".to_owned(),
            log_format: LogFormat::Text,
            patience_seconds: 90,
            fault: None,
        }
    }
}

impl Settings {
    /// Reads the settings of a command line through `lookup` (the process environment, or a map in tests).
    ///
    /// # Errors
    /// All variables that are wrong, each with its name, value and what is allowed.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let mut reader = Reader { lookup, wrong: Vec::new() };
        let settings = reader.settings(Self::default());
        reader.end(settings)
    }

    /// Reads the settings of a Lambda function, which must name its zones: its size decides the defaults.
    ///
    /// # Errors
    /// As [`Settings::from_lookup`]; zones that are missing or lie in each other.
    pub fn of_function(lookup: impl Fn(&str) -> Option<String>) -> Result<(Self, Address), Vec<String>> {
        let mut reader = Reader { lookup, wrong: Vec::new() };
        let memory = reader.number("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", MOST_MEBIBYTES);
        let defaults = Self::of_size(memory);
        let settings = reader.settings(defaults);
        let zones = reader.zones();
        reader.end(zones).map(|zones| (settings, zones))
    }

    /// The defaults of a function of that memory, in MiB.
    pub fn of_size(memory: Option<u64>) -> Self {
        let command_line = Self::default();
        let cpus = |memory: u64| usize::try_from(memory.div_ceil(MEBIBYTES_PER_CPU).clamp(1, 6)).unwrap_or(1);
        Self {
            memory_mebibytes: memory.map_or(command_line.memory_mebibytes, |memory| memory * DUCKDB_PERCENT / 100),
            threads: memory.map_or(command_line.threads, cpus),
            // What it says of failures is said with their request already.
            log: "error,handler=info,lambda_runtime=off".to_owned(),
            log_format: LogFormat::Json,
            ..command_line
        }
    }

    /// What each of several workers has that do the same side by side.
    #[must_use]
    pub fn shared_by(&self, workers: usize) -> Self {
        let part = |mebibytes: u64| (mebibytes / workers.max(1) as u64).max(1);
        let temp_limit = Some(part(self.temp_mebibytes()));
        let cache_limit = self.cache_limit.map(part);
        Self { memory_mebibytes: part(self.memory_mebibytes), temp_limit, cache_limit, ..self.clone() }
    }

    /// How much of the temp folder may be used, in MiB.
    fn temp_mebibytes(&self) -> u64 {
        self.temp_limit.unwrap_or_else(|| free_mebibytes(&self.temp) * TEMP_PERCENT / 100).max(1)
    }

    /// How much of it `DuckDB` may spill, in MiB: what is neither kept for later reads nor for raw objects.
    pub fn spill_mebibytes(&self) -> u64 {
        (self.temp_mebibytes() - self.cache_mebibytes()).div_ceil(2)
    }

    /// What a lake of buckets may keep in the temp folder.
    pub fn scratch(&self) -> Scratch {
        let raw = self.temp_mebibytes() - self.cache_mebibytes() - self.spill_mebibytes();
        // Silver and gold share what is kept.
        Scratch { folder: self.temp.clone(), raw_bytes: raw << 20, kept_bytes: self.cache_mebibytes() << 19 }
    }

    fn cache_mebibytes(&self) -> u64 {
        let temp = self.temp_mebibytes();
        self.cache_limit.unwrap_or(temp / 4).min(temp)
    }
}

/// What is free in the file system of a folder.
fn free_mebibytes(folder: &Path) -> u64 {
    rustix::fs::statvfs(folder).map_or(TEMP_MEBIBYTES, |system| system.f_bavail * system.f_frsize / (1 << 20))
}

/// Reads variables and notes what is wrong with them.
struct Reader<F> {
    lookup: F,
    wrong: Vec<String>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    fn settings(&mut self, defaults: Settings) -> Settings {
        let threads = self.number("PINTAIL_THREADS", MOST_THREADS).and_then(|threads| usize::try_from(threads).ok());
        Settings {
            project: self.place("PINTAIL_PROJECT"),
            generation: self.number("PINTAIL_GENERATION", u64::MAX),
            memory_mebibytes: self.number("PINTAIL_MEMORY_MB", MOST_MEBIBYTES).unwrap_or(defaults.memory_mebibytes),
            threads: threads.unwrap_or(defaults.threads),
            temp: self.folder("PINTAIL_TEMP").unwrap_or(defaults.temp),
            temp_limit: self.number("PINTAIL_TEMP_MB", MOST_MEBIBYTES),
            cache_limit: self.number("PINTAIL_CACHE_MB", MOST_MEBIBYTES),
            log: self.filter("PINTAIL_LOG").unwrap_or(defaults.log),
            log_format: self.log_format().unwrap_or(defaults.log_format),
            patience_seconds: self.number("PINTAIL_PATIENCE_SECONDS", u64::MAX).unwrap_or(defaults.patience_seconds),
            fault: self.number("PINTAIL_FAULT", u64::MAX),
        }
    }

    fn zones(&mut self) -> Option<Address> {
        let mut zone = |name: &str, example: &str| {
            let text = (self.lookup)(name);
            match text.as_deref().map(Place::parse) {
                None => {
                    self.wrong.push(format!("{name} is not set: it names a zone of the lake, such as s3://{example}"));
                }
                Some(Err(reason)) => self.wrong.push(format!("{name}: {reason}")),
                Some(Ok(_)) => return text,
            }
            None
        };
        let (raw, silver) = (zone("PINTAIL_RAW", "my-raw"), zone("PINTAIL_SILVER", "my-silver"));
        let gold = zone("PINTAIL_GOLD", "my-gold");
        Address::zones(&raw?, &silver?, &gold?).map_err(|reason| self.wrong.push(reason)).ok()
    }

    fn number(&mut self, name: &str, most: u64) -> Option<u64> {
        let text = (self.lookup)(name)?;
        let number = text.parse().ok().filter(|number| (1..=most).contains(number));
        if number.is_none() {
            self.wrong.push(format!("{name}={text:?} is not a whole number from 1 to {most}"));
        }
        number
    }

    /// A place that is read, and so has to be there.
    fn place(&mut self, name: &str) -> Option<Place> {
        let text = (self.lookup)(name)?;
        match Place::parse(&text) {
            Ok(Place::Folder(_)) => self.folder(name).map(Place::Folder),
            Ok(bucket) => Some(bucket),
            Err(reason) => {
                self.wrong.push(format!("{name}: {reason}"));
                None
            }
        }
    }

    fn filter(&mut self, name: &str) -> Option<String> {
        let text = (self.lookup)(name)?;
        if let Err(reason) = log::check(&text) {
            self.wrong.push(format!("{name}={text:?} is no filter of the log: {reason}"));
        }
        Some(text)
    }

    fn folder(&mut self, name: &str) -> Option<PathBuf> {
        let folder = PathBuf::from((self.lookup)(name)?);
        if !folder.is_dir() {
            self.wrong.push(format!("{name}={} is no folder", folder.display()));
        }
        Some(folder)
    }

    fn log_format(&mut self) -> Option<LogFormat> {
        match (self.lookup)("PINTAIL_LOG_FORMAT")?.as_str() {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            other => {
                self.wrong.push(format!("PINTAIL_LOG_FORMAT={other:?} is neither text nor json"));
                None
            }
        }
    }

    fn end<T>(self, value: impl Into<Option<T>>) -> Result<T, Vec<String>> {
        match value.into() {
            Some(value) if self.wrong.is_empty() => Ok(value),
            _ => Err(self.wrong),
        }
    }
}

#[cfg(test)]
mod tests;

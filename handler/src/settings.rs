//! Every environment variable that Pintail reads, read once at the edge.

use std::thread::available_parallelism;

/// The settings of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `PINTAIL_LOG`: filter of the log on stderr, in `tracing`'s words. Default: what `handler` warns of, and errors.
    pub log: String,
    /// `PINTAIL_MEMORY_MB`: memory that `DuckDB` may use, in MiB. Default: 2048.
    pub memory_mebibytes: u64,
    /// `PINTAIL_THREADS`: worker threads. Default: the machine's cores.
    pub threads: usize,
    /// `PINTAIL_FAULT`: the process aborts before its n-th write to the lake; for tests of recovery. Default: never.
    pub fault: Option<u64>,
    /// `PINTAIL_PATIENCE_SECONDS`: how long conflicts with other processes are retried. Default 90, at least 60 outside of tests.
    pub patience_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            log: "error,handler=warn".to_owned(),
            memory_mebibytes: 2048,
            threads: available_parallelism().map_or(1, usize::from),
            fault: None,
            patience_seconds: 90,
        }
    }
}

impl Settings {
    /// Reads the settings through `lookup` (the process environment, or a map in tests).
    ///
    /// # Errors
    /// All variables that are wrong, each with its name, value and what is allowed.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let default = Self::default();
        let mut wrong = Vec::new();
        let mut number = |name: &str, otherwise: u64| match lookup(name) {
            None => otherwise,
            Some(text) => match text.parse() {
                Ok(value) if value > 0 => value,
                _ => {
                    wrong.push(format!("{name}={text:?} is not a whole number above 0"));
                    otherwise
                }
            },
        };
        let memory_mebibytes = number("PINTAIL_MEMORY_MB", default.memory_mebibytes);
        let threads = number("PINTAIL_THREADS", default.threads as u64);
        let fault = number("PINTAIL_FAULT", u64::MAX);
        let patience_seconds = number("PINTAIL_PATIENCE_SECONDS", default.patience_seconds);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Self {
            log: lookup("PINTAIL_LOG").unwrap_or(default.log),
            memory_mebibytes,
            threads: usize::try_from(threads).unwrap_or(default.threads),
            fault: (fault != u64::MAX).then_some(fault),
            patience_seconds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;

    #[test]
    fn an_empty_environment_gives_the_defaults() {
        assert_eq!(Settings::from_lookup(|_| None), Ok(Settings::default()));
    }

    #[test]
    fn every_wrong_variable_is_named_at_once() {
        let lookup = |name: &str| match name {
            "PINTAIL_THREADS" => Some("two".to_owned()),
            "PINTAIL_MEMORY_MB" => Some("0".to_owned()),
            _ => None,
        };
        assert_eq!(
            Settings::from_lookup(lookup),
            Err(vec![
                "PINTAIL_MEMORY_MB=\"0\" is not a whole number above 0".to_owned(),
                "PINTAIL_THREADS=\"two\" is not a whole number above 0".to_owned(),
            ])
        );
    }
}

//! The reference of the environment variables, one entry each.

use std::fmt::Write;

/// One environment variable.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it decides.
    pub meaning: &'static str,
    /// What holds without it.
    pub default: &'static str,
}

const fn variable(name: &'static str, meaning: &'static str, default: &'static str) -> Variable {
    Variable { name, meaning, default }
}

/// All variables that Pintail reads, in the order in which a person meets them.
pub const VARIABLES: [Variable; 14] = [
    variable(
        "PINTAIL_RAW",
        "the raw zone: `s3://bucket`, `s3://bucket/prefix` or a folder",
        "required by the function; the command line has `--lake`",
    ),
    variable("PINTAIL_SILVER", "the silver zone", "as above"),
    variable("PINTAIL_GOLD", "the gold zone", "as above"),
    variable(
        "PINTAIL_PROJECT",
        "the project of the function: a folder of its image or `s3://bucket/prefix`, looked at anew with each event",
        "none: types are inferred",
    ),
    variable(
        "PINTAIL_GENERATION",
        "which deploy the function belongs to: a higher one puts its project in force, a lower one publishes nothing",
        "none: the project is put in force as the command line does",
    ),
    variable("PINTAIL_MEMORY_MB", "memory that DuckDB may use, in MiB", "55 % of a function's memory, else 2048"),
    variable(
        "PINTAIL_THREADS",
        "worker threads",
        "the virtual CPUs of a function of that memory, else the machine's cores",
    ),
    variable("PINTAIL_TEMP", "the folder for everything that is written outside of the lake", "the system's: `/tmp`"),
    variable("PINTAIL_TEMP_MB", "how much of it may be used, in MiB", "80 % of what is free there"),
    variable("PINTAIL_CACHE_MB", "how much of that may keep data files for later reads, in MiB", "a quarter"),
    variable(
        "PINTAIL_LOG",
        "filter of the log on stderr, in `tracing`'s words",
        "`error,handler=info,lambda_runtime=off` in a function, else `error,handler=warn`",
    ),
    variable("PINTAIL_LOG_FORMAT", "`text` or `json`", "`json` in a function, else `text`"),
    variable("PINTAIL_PATIENCE_SECONDS", "how long conflicts with other processes are retried", "90"),
    variable("PINTAIL_FAULT", "for tests: the process dies before its n-th write", "never"),
];

/// The reference as the README shows it.
pub fn markdown() -> String {
    let mut text = "| environment variable | meaning | default |\n| --- | --- | --- |\n".to_owned();
    for Variable { name, meaning, default } in VARIABLES {
        let _ = writeln!(text, "| `{name}` | {meaning} | {default} |");
    }
    text
}

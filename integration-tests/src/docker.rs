//! The Docker engine, as far as testcontainers does not speak to it.

use std::process::Command;

use crate::{Error, tools::run};

/// Whether an engine answers.
///
/// # Errors
/// With what to start, when none does.
pub fn engine() -> Result<(), Error> {
    match docker(&["info", "--format", "{{.ServerVersion}}"]) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Engine { said: error.to_string() }),
    }
}

/// What docker answers, without the line break at its end.
///
/// # Errors
/// When it refuses.
pub fn docker(arguments: &[&str]) -> Result<String, Error> {
    run(Command::new("docker").args(arguments)).map(|answer| answer.trim().to_owned())
}

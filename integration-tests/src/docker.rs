//! The Docker engine, as far as testcontainers does not speak to it: is it there, and what others started through it.

use std::process::Command;

use crate::{Error, tools::run};

/// Whether an engine answers.
///
/// # Errors
/// With what to start, when none does.
pub fn engine() -> Result<(), Error> {
    match run(Command::new("docker").args(["info", "--format", "{{.ServerVersion}}"])) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Engine { said: error.to_string() }),
    }
}

/// Removes the containers on a network, except one.
///
/// # Errors
/// When docker refuses.
pub fn remove_containers(network: &str, except: &str) -> Result<(), Error> {
    let on_network = format!("network={network}");
    let list = run(Command::new("docker").args(["ps", "--all", "--quiet", "--no-trunc", "--filter", &on_network]))?;
    list.lines()
        .filter(|id| *id != except)
        .try_for_each(|id| run(Command::new("docker").args(["rm", "--force", id])).map(drop))
}

/// Removes the images whose name matches.
///
/// # Errors
/// When docker refuses.
pub fn remove_images(pattern: &str) -> Result<(), Error> {
    let matching = format!("reference={pattern}");
    let list =
        run(Command::new("docker").args(["images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", &matching]))?;
    list.lines().try_for_each(|name| run(Command::new("docker").args(["rmi", "--force", name])).map(drop))
}

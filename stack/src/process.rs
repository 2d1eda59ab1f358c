//! Another program: started, awaited, and quoted with what it said when it fails.

use std::{
    io::{ErrorKind, Write},
    process::{Command, Stdio},
};

use crate::error::Error;

/// Runs the command to its end; gives what it wrote to its output.
///
/// # Errors
/// When it cannot be started or fails.
pub(crate) fn run(command: &mut Command) -> Result<String, Error> {
    run_with(command, "")
}

/// Like [`run`], with `input` to read: secrets and long texts do not stand in argument lists.
///
/// # Errors
/// When it cannot be started or fails.
pub(crate) fn run_with(command: &mut Command, input: &str) -> Result<String, Error> {
    let start = |source, command: &Command| {
        let program = command.get_program().to_string_lossy().into_owned();
        Error::Start { program, command: line(command), source }
    };
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|source| start(source, command))?;
    // What is written fits the pipe, or the program reads all of it before it writes.
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().map_err(|source| start(source, command))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::Failed { command: line(command), status: output.status, stderr });
    }
    match written {
        // A program that does well without its input may close it.
        Err(source) if source.kind() != ErrorKind::BrokenPipe => Err(start(source, command)),
        _ => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
    }
}

/// The command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(|word| {
        let word = word.to_string_lossy();
        let plain = |char: char| char.is_alphanumeric() || "-_./:=,@+%".contains(char);
        if !word.is_empty() && word.chars().all(plain) { word.into_owned() } else { format!("'{word}'") }
    });
    words.collect::<Vec<_>>().join(" ")
}

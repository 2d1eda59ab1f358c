//! Programs that stories run: with their output, or with an error that quotes all of it.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::Error;

/// The aws CLI of the stories. Not the machine's own, whose version nobody knows.
const AWS_CLI: &str = "awscli==1.46.3";

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Runs the command to its end; gives what it wrote.
///
/// # Errors
/// When it cannot be started or fails.
pub fn run(command: &mut Command) -> Result<String, Error> {
    let line = format!("{command:?}");
    let output = command.output().map_err(|source| Error::Start { command: line.clone(), source })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let (stderr, stdout) = (text(&output.stderr), text(&output.stdout));
    Err(Error::Failed { command: line, status: output.status, stderr, stdout })
}

/// The aws CLI from Python's package index, in an environment below the target folder that is made once.
///
/// # Errors
/// When it cannot be made.
pub fn aws_cli() -> Result<PathBuf, Error> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    MADE.get_or_init(|| make_aws_cli().map_err(|error| error.to_string())).clone().map_err(Error::Stack)
}

fn make_aws_cli() -> Result<PathBuf, Error> {
    let target = target()?;
    let folder = target.join("venv-awscli-1");
    let complete = folder.join("complete");
    if !complete.exists() {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        let pip = ["install", "--quiet", "--disable-pip-version-check", AWS_CLI];
        run(Command::new(folder.join("bin/pip")).args(pip))?;
        std::fs::write(&complete, "").map_err(|source| Error::File { path: complete.display().to_string(), source })?;
    }
    Ok(folder.join("bin/aws"))
}

/// The target folder: this program lies in `target/PROFILE/deps`.
fn target() -> Result<PathBuf, Error> {
    let file = |source| Error::File { path: "the target folder".to_owned(), source };
    let program = std::env::current_exe().map_err(file)?;
    program.ancestors().nth(3).map(Path::to_owned).ok_or_else(|| file(std::io::ErrorKind::NotFound.into()))
}

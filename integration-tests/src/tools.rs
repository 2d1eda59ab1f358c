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

/// What the environment says: which images, and how much of what could be tried.
#[expect(clippy::disallowed_methods, reason = "the one file of the harness that reads the environment")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[expect(clippy::disallowed_methods, reason = "as above")]
fn names() -> impl Iterator<Item = String> {
    std::env::vars().map(|(name, _)| name)
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
        std::fs::write(&complete, "").map_err(Error::file(&complete))?;
    }
    Ok(folder.join("bin/aws"))
}

/// The folder of the programs `bootstrap`, `pintail` and `stack`, built by cargo once per run of the tests.
///
/// # Errors
/// With what cargo says.
pub fn programs() -> Result<PathBuf, Error> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT.get_or_init(|| build_programs().map_err(|error| error.to_string())).clone().map_err(Error::Stack)
}

/// With a test of theirs, because that is how `cargo test --workspace` builds them: the same features, nothing twice.
fn build_programs() -> Result<PathBuf, Error> {
    let mut cargo = Command::new(env!("CARGO"));
    // What cargo told this process about its package would make build scripts run again, and everything after them.
    names().filter(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")).for_each(|name| {
        cargo.env_remove(name);
    });
    let words = ["build", "--quiet", "--locked", "--workspace", "--bins", "--test", "function"];
    run(cargo.current_dir(workspace()).args(words))?;
    Ok(target()?.join("debug"))
}

/// The Python interpreter that has some requirements, a file beside `environment.py`.
///
/// # Errors
/// When the environment cannot be made.
pub fn python(requirements: &str) -> Result<PathBuf, Error> {
    let script = workspace().join("handler/tests/python/environment.py");
    run(Command::new("python3").arg(script).arg(target()?).arg(requirements)).map(|path| path.trim().into())
}

/// The target folder: this program lies in `target/PROFILE/deps`.
fn target() -> Result<PathBuf, Error> {
    let program = std::env::current_exe().map_err(Error::file(Path::new("the target folder")))?;
    let missing = || Error::file(&program)(std::io::ErrorKind::NotFound.into());
    program.ancestors().nth(3).map(Path::to_owned).ok_or_else(missing)
}

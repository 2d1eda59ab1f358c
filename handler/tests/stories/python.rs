//! The Python side: an environment of its own with the readers that are not ours, made when it is first needed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lake::{Done, PINTAIL};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python");

/// The interpreter of the environment below cargo's target folder; the error is one sentence.
fn interpreter(python: &str) -> Result<PathBuf, String> {
    let target = Path::new(PINTAIL).ancestors().nth(2).ok_or("the program stands in no target folder")?;
    let mut command = Command::new(python);
    command.arg(Path::new(SCRIPTS).join("environment.py")).arg(target);
    let output = command.output().map_err(|error| {
        format!("the read-back tests need Python 3.11 to 3.13, but {python} cannot be started: {error}")
    })?;
    let done = Done::of(format!("{python} environment.py {}", target.display()), &output);
    if done.code != Some(0) {
        return Err(done.to_string());
    }
    Ok(PathBuf::from(done.stdout.trim()))
}

/// Runs one of the scripts; it must end with 0.
#[track_caller]
pub(crate) fn run(script: &str, arguments: &[&Path]) -> Done {
    let python = interpreter("python3").unwrap_or_else(|sentence| panic!("{sentence}"));
    let output = Command::new(&python).arg(Path::new(SCRIPTS).join(script)).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("start {}: {error}", python.display()));
    let shown: Vec<String> = arguments.iter().map(|argument| argument.display().to_string()).collect();
    Done::of(format!("{} {script} {}", python.display(), shown.join(" ")), &output).exits(0)
}

#[test]
fn a_missing_python_is_said_in_one_sentence() {
    let sentence = interpreter("python3-that-is-not-there").unwrap_err();
    assert_eq!(
        sentence,
        "the read-back tests need Python 3.11 to 3.13, but python3-that-is-not-there cannot be started: \
         No such file or directory (os error 2)"
    );
}

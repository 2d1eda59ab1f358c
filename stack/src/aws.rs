//! The aws CLI: the only door to AWS.

use std::{
    io::Write,
    path::PathBuf,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::Value as Tree;

use crate::{error::Error, process};

/// The aws CLI with the caller's own credentials and region.
#[derive(Debug, Clone)]
pub(crate) struct Aws {
    program: PathBuf,
}

impl Aws {
    /// The CLI at that path, or of that name on the search path.
    pub(crate) fn at(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments);
        command
    }

    /// What the CLI prints, as it is.
    ///
    /// # Errors
    /// When it fails.
    pub(crate) fn text(&self, arguments: &[&str]) -> Result<String, Error> {
        process::run(&mut self.command(arguments))
    }

    /// The CLI's answer.
    ///
    /// # Errors
    /// When it fails or does not answer in JSON.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Result<Tree, Error> {
        let mut command = self.command(&[arguments, &["--output", "json"]].concat());
        let answer = process::run(&mut command)?;
        if answer.trim().is_empty() {
            return Ok(Tree::Null);
        }
        let what = format!("the answer of `{}`", process::line(&command));
        serde_json::from_str(&answer).map_err(|source| Error::Json { what, source })
    }

    /// The CLI's answer to a request that is too long for an argument.
    ///
    /// # Errors
    /// When it fails or does not answer in JSON.
    pub(crate) fn request(&self, arguments: &[&str], request: &Tree) -> Result<Tree, Error> {
        // A file, because the CLI reads it twice.
        let file = |source| Error::File { action: "write a request into", path: std::env::temp_dir(), source };
        let mut request_file = tempfile::NamedTempFile::with_prefix("request-").map_err(file)?;
        request_file.write_all(request.to_string().as_bytes()).map_err(file)?;
        let url = format!("file://{}", request_file.path().display());
        self.ask(&[arguments, &["--cli-input-json", &url]].concat())
    }
}

/// A text that belongs to an answer.
///
/// # Errors
/// When the answer does not have it.
pub(crate) fn member<'a>(answer: &'a Tree, pointer: &'static str, command: &str) -> Result<&'a str, Error> {
    answer.pointer(pointer).and_then(Tree::as_str).ok_or_else(|| Error::Answer {
        command: command.to_owned(),
        member: pointer,
        answer: answer.to_string(),
    })
}

/// Whether AWS said that the thing asked for is not there. It says so only in words.
pub(crate) fn is_missing(error: &Error) -> bool {
    let Error::Failed { stderr, .. } = error else { return false };
    let of_stack = stderr.contains("(ValidationError)") && stderr.contains("does not exist");
    let codes = [
        "(404)",
        "(ResourceNotFoundException)",
        "(ImageNotFoundException)",
        "(NotFoundException)",
        "(NoSuchBucket)",
        "(RepositoryNotFoundException)",
    ];
    of_stack || codes.iter().any(|code| stderr.contains(code))
}

/// Whether the CLI or the service does not know the command at all: an older one, or an emulator.
pub(crate) fn is_unknown(error: &Error) -> bool {
    let Error::Failed { stderr, .. } = error else { return false };
    ["nvalid choice", "(InvalidAction)", "(UnknownOperation", "not yet implemented"]
        .iter()
        .any(|words| stderr.contains(words))
}

/// What is there, or none where AWS says that it is not.
///
/// # Errors
/// Every other failure.
pub(crate) fn optional<T>(asked: Result<T, Error>) -> Result<Option<T>, Error> {
    match asked {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Asks again, less and less often, until the answer is there.
///
/// # Errors
/// When asking fails, or the answer is not there after `patience`.
pub(crate) fn until<T>(
    patience: Duration,
    waiting: &str,
    mut ask: impl FnMut() -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    let begin = Instant::now();
    let mut pause = Duration::from_millis(250);
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if begin.elapsed() > patience {
            return Err(Error::Patience { seconds: patience.as_secs(), waiting: waiting.to_owned() });
        }
        sleep(pause);
        pause = (pause * 3 / 2).min(Duration::from_secs(3));
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{is_missing, is_unknown};
    use crate::error::Error;

    fn said(stderr: &str) -> Error {
        let status = Command::new("false").status().unwrap();
        Error::Failed { command: "aws".to_owned(), status, stderr: stderr.to_owned() }
    }

    #[test]
    fn a_missing_stack_is_told_from_every_other_failure() {
        let missing = "\nAn error occurred (ValidationError) when calling the DescribeStacks operation: Stack with id x does not exist\n";
        assert!(is_missing(&said(missing)));
        let wrong = "\nAn error occurred (ValidationError) when calling the CreateChangeSet operation: Parameters: [X] must have values\n";
        assert!(!is_missing(&said(wrong)));
        let denied =
            "\nAn error occurred (AccessDenied) when calling the DescribeStacks operation: User is not authorized\n";
        assert!(!is_missing(&said(denied)));
    }
    #[test]
    fn an_unknown_command_is_told_from_a_failed_one() {
        let old = "aws: error: argument operation: Invalid choice, valid choices are:\n\nactivate-organizations-access";
        assert!(is_unknown(&said(old)));
        let newer = "aws: [ERROR]: argument operation: Found invalid choice 'describe-events'";
        assert!(is_unknown(&said(newer)));
        let emulator = "An error occurred (InvalidAction) when calling the DescribeEvents operation: Unknown action";
        assert!(is_unknown(&said(emulator)));
        let denied = "An error occurred (AccessDenied) when calling the DescribeEvents operation: not authorized";
        assert!(!is_unknown(&said(denied)));
    }
}

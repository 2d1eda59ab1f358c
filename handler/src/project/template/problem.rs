//! minijinja's errors in the words of the project's author, with the place where the cause stands.

use minijinja::{Error, ErrorKind};

use crate::project::error::{self, Place};

/// What is wrong with a template's syntax, and on which line.
pub(super) fn syntax_problem(error: &Error) -> (usize, String) {
    (error.line().unwrap_or(1), message(error))
}

/// A failed rendering: at the innermost place that belongs to the project, else at `place`.
pub(super) fn problem(error: &Error, place: &Place, what: &str) -> error::Error {
    let file = error.name().map(|name| name.split('#').next().unwrap_or(name));
    match (file, error.line()) {
        (Some(file), Some(line)) if !file.is_empty() && file == place.file.to_string_lossy() => {
            error::Error::new(Place::new(file, line), message(error))
        }
        (Some(file), Some(line)) if is_file(file) => {
            let context = if what.is_empty() { place.to_string() } else { what.to_owned() };
            error::Error::new(Place::new(file, line), format!("{} (in {context})", message(error)))
        }
        _ => error::Error::new(place.clone(), message(error)),
    }
}

/// Whether a template's name is that of a file: expressions are called `<expression>`, `<string>`.
fn is_file(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('<')
}

/// What is wrong, without its place.
pub(super) fn message(error: &Error) -> String {
    let expression = error.range().and_then(|range| error.template_source()?.get(range)).map(readable);
    match (error.kind(), error.detail(), expression) {
        (ErrorKind::UnknownMethod, Some(detail), _) if detail.starts_with("undefined has no method") => {
            format!("\"{}\" is undefined", called_on(error).unwrap_or_default())
        }
        (ErrorKind::UndefinedError, _, Some(expression)) => format!("\"{expression}\" is undefined"),
        (ErrorKind::UndefinedError, Some(detail), None) => format!("undefined: {detail}"),
        (ErrorKind::UnknownFunction, Some(detail), _) => {
            let name = detail.split_whitespace().next().unwrap_or(detail);
            format!("unknown macro or function \"{name}\"")
        }
        (ErrorKind::InvalidOperation | ErrorKind::UnknownMethod | ErrorKind::SyntaxError, Some(detail), _) => {
            detail.to_owned()
        }
        (kind, Some(detail), _) => format!("{kind}: {detail}"),
        (kind, None, Some(expression)) => format!("{kind}: {expression}"),
        (kind, None, None) => kind.to_string(),
    }
}

/// The name before the dot of a method call.
fn called_on(error: &Error) -> Option<&str> {
    let (source, range) = (error.template_source()?, error.range()?);
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let before = source.get(..range.start)?.trim_end_matches('.');
    let start = before.rfind(|letter| !is_name(letter)).map_or(0, |index| index + 1);
    let name = before.get(start..)?;
    let whole = source.get(range)?.split('.').next().unwrap_or_default();
    Some(if whole.is_empty() { name } else { whole })
}

/// An expression as the project wrote it.
fn readable(expression: &str) -> String {
    let plain = expression.replace("__list(", "").replace("__dict(", "");
    plain.trim_matches(['{', '}', ' ', '-', '%']).to_owned()
}

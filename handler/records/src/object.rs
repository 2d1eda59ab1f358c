//! A JSON object, split into its keys and the texts of its values; nothing is converted, so nothing is lost.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::Hash;

use crate::json::scan::{Entry, Stop, is_space, scan};

/// Up to this many keys are compared with each other; more go through a set.
const FEW: usize = 24;

/// The entries of a JSON object, in order. The values are JSON texts.
pub(crate) struct Object<'a>(pub(crate) Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Object<'a> {
    /// Splits a JSON text; the error says what is wrong with it.
    pub(crate) fn parse(json: &'a str) -> Result<Self, String> {
        let mut entries = Vec::new();
        let keys = split(json, &mut entries)?;
        let values = entries.iter().map(|entry| part(json, entry.value));
        Ok(Self(keys.into_iter().zip(values).collect()))
    }

    /// A key that stands twice.
    pub(crate) fn find_duplicate(&self) -> Option<&str> {
        let keys: Vec<&str> = self.0.iter().map(|(key, _)| key.as_ref()).collect();
        find_duplicate(&keys).copied()
    }
}

/// Splits a JSON object into its keys and where they and their values stand; the error says what is wrong with it.
pub(crate) fn split<'a>(json: &'a str, entries: &mut Vec<Entry>) -> Result<Vec<Cow<'a, str>>, String> {
    check_whole(json, scan(json.as_bytes(), 0, entries))?;
    if !json.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
        return Err("it is another value".to_owned());
    }
    let unescape =
        |key: &str| serde_json::from_str(&format!("\"{key}\"")).map(Cow::Owned).map_err(|error| error.to_string());
    let key = |entry: &Entry| {
        let key = part(json, entry.key);
        if entry.escaped { unescape(key) } else { Ok(Cow::Borrowed(key)) }
    };
    entries.iter().map(key).collect()
}

/// A part of a JSON text.
pub(crate) fn part(json: &str, (start, end): (usize, usize)) -> &str {
    json.get(start..end).unwrap_or_default()
}

/// The first key that stands a second time.
pub(crate) fn find_duplicate<K: Eq + Hash>(keys: &[K]) -> Option<&K> {
    if keys.len() > FEW {
        let mut seen = HashSet::with_capacity(keys.len());
        return keys.iter().find(|key| !seen.insert(*key));
    }
    let twice = |(position, key): &(usize, &K)| keys[..*position].contains(key);
    keys.iter().enumerate().find(twice).map(|(_, key)| key)
}

/// Whether a text is one JSON value; the error says why not.
pub(crate) fn check_json(json: &str) -> Result<(), String> {
    check_whole(json, scan(json.as_bytes(), 0, &mut Vec::new()))
}

fn check_whole(json: &str, found: Result<usize, Stop>) -> Result<(), String> {
    let end = found.map_err(|stop| match stop {
        Stop::Damage { at, reason } => format!("{reason} at byte {at}"),
        Stop::Unfinished => "it ends too early".to_owned(),
    })?;
    match json.as_bytes()[end..].iter().position(|byte| !is_space(*byte)) {
        Some(length) => Err(format!("something follows it at byte {}", end + length)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_text() {
        let object = Object::parse(r#"{"a": 1.50, "b\n":[ 1 ], "c":123456789012345678901234567890}"#).unwrap();
        let entries: Vec<(&str, &str)> = object.0.iter().map(|(key, value)| (key.as_ref(), *value)).collect();
        assert_eq!(entries, [("a", "1.50"), ("b\n", "[ 1 ]"), ("c", "123456789012345678901234567890")]);
    }

    #[test]
    fn a_key_that_stands_twice_is_found() {
        assert_eq!(Object::parse(r#"{"a":1,"b":2,"\u0061":3}"#).unwrap().find_duplicate(), Some("a"));
        let many: Vec<String> = (0..100).map(|number| format!("\"k{}\":1", number % 99)).collect();
        assert_eq!(Object::parse(&format!("{{{}}}", many.join(","))).unwrap().find_duplicate(), Some("k0"));
        assert_eq!(Object::parse(r#"{"a":1,"b":2}"#).unwrap().find_duplicate(), None);
    }
}

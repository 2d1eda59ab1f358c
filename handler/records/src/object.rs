//! A JSON object, split into its keys and the texts of its values; nothing is converted, so nothing is lost.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Up to this many keys are compared with each other; more go through a set.
const FEW: usize = 24;

/// The entries of a JSON object, in order. The values are JSON texts.
pub(crate) struct Object<'a>(pub(crate) Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Object<'a> {
    /// Splits a JSON text.
    pub(crate) fn parse(json: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// A key that stands twice.
    pub(crate) fn find_duplicate(&self) -> Option<&str> {
        if self.0.len() > FEW {
            let mut seen = HashSet::with_capacity(self.0.len());
            return self.0.iter().map(|(key, _)| key.as_ref()).find(|key| !seen.insert(*key));
        }
        let twice = |(position, (key, _)): &(usize, &(Cow<'a, str>, &'a str))| {
            self.0[..*position].iter().any(|(other, _)| other == key)
        };
        self.0.iter().enumerate().find(twice).map(|(_, (key, _))| key.as_ref())
    }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Object<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object<'de>, M::Error> {
        let mut entries = Vec::new();
        while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
            entries.push((key, value.get()));
        }
        Ok(Object(entries))
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

//! Shapes: how records are written, which is their keys, in order, and all that stands between their values. Most records of
//! an object share a few shapes; so what follows from the keys alone is found once for each, and only the values are read.

use std::borrow::Cow;

use super::scan::{Entry, follow};
use crate::convert::values::Place;
use crate::object::{find_duplicate, part, split};

/// How many shapes are kept.
const KEPT: usize = 8;

/// The shapes of the last records, with what follows from each.
pub(crate) struct Shapes<T> {
    kept: Vec<Shape<T>>,
    latest: usize,
    entries: Vec<Entry>,
    values: Vec<Place>,
}

struct Shape<T> {
    keys: Vec<String>,
    gaps: Gaps,
    derived: T,
}

/// What stands before each value of a record, and behind the last one.
#[derive(Default)]
struct Gaps {
    text: Vec<u8>,
    ends: Vec<usize>,
}

/// A JSON object: its keys and the texts of its values. Nothing is converted, so nothing is lost.
pub(crate) struct Record<'r, T> {
    text: &'r str,
    keys: &'r [String],
    values: &'r [Place],
    /// What follows from the keys.
    pub(crate) derived: &'r T,
}

impl<'r, T> Record<'r, T> {
    /// Where the value of the key at a position stands in the record's text.
    pub(crate) fn place(&self, position: usize) -> Option<Place> {
        self.values.get(position).copied()
    }

    /// The keys with their values, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'r str, &'r str)> + use<'_, 'r, T> {
        self.keys.iter().zip(self.values).map(|(key, value)| (key.as_str(), part(self.text, (value.start, value.end))))
    }
}

impl<T> Default for Shapes<T> {
    fn default() -> Self {
        Self { kept: Vec::new(), latest: 0, entries: Vec::new(), values: Vec::new() }
    }
}

impl<T> Shapes<T> {
    /// Reads a record. The error says why it is no JSON object whose keys stand once each.
    pub(crate) fn read<'r>(
        &'r mut self,
        text: &'r str,
        derive: impl FnOnce(&[String]) -> T,
    ) -> Result<Record<'r, T>, String> {
        let values = &mut self.values;
        if !self.kept.get(self.latest).is_some_and(|shape| follow(text.as_bytes(), shape.gaps.iter(), values)) {
            self.latest = self.look(text, derive)?;
        }
        let Shape { keys, derived, .. } = &self.kept[self.latest];
        Ok(Record { text, keys, values: &self.values, derived })
    }

    /// Looks at a record that is not written as the last one; the place of its shape.
    fn look(&mut self, text: &str, derive: impl FnOnce(&[String]) -> T) -> Result<usize, String> {
        let keys = split(text, &mut self.entries).map_err(|reason| format!("is not a JSON object: {reason}"))?;
        let place = match self.kept.iter().position(|shape| keys == shape.keys) {
            Some(place) => place,
            None => self.keep(&keys, derive)?,
        };
        self.values.clear();
        let value = |entry: &Entry| Place { start: entry.value.0, end: entry.value.1, plain: false };
        self.values.extend(self.entries.iter().map(value));
        self.kept[place].gaps.learn(text.as_bytes(), &self.values);
        Ok(place)
    }

    /// Keeps another shape, in place of an old one where there are enough; its place.
    fn keep(&mut self, keys: &[Cow<'_, str>], derive: impl FnOnce(&[String]) -> T) -> Result<usize, String> {
        if let Some(key) = find_duplicate(keys) {
            return Err(format!("has the key {key:?} twice"));
        }
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        let shape = Shape { derived: derive(&keys), keys, gaps: Gaps::default() };
        if self.kept.len() < KEPT {
            self.kept.push(shape);
            return Ok(self.kept.len() - 1);
        }
        let place = (self.latest + 1) % KEPT;
        self.kept[place] = shape;
        Ok(place)
    }
}

impl Gaps {
    /// Takes the gaps of a record with these values.
    fn learn(&mut self, text: &[u8], values: &[Place]) {
        self.text.clear();
        self.ends.clear();
        let starts = std::iter::once(0).chain(values.iter().map(|value| value.end));
        let ends = values.iter().map(|value| value.start).chain([text.len()]);
        for (start, end) in starts.zip(ends) {
            self.text.extend_from_slice(&text[start..end]);
            self.ends.push(self.text.len());
        }
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(start, end)| &self.text[*start..*end])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::scan::DEPTH;

    #[test]
    fn what_follows_from_the_keys_is_found_once_for_each_shape() {
        let (mut shapes, mut derived) = (Shapes::default(), 0);
        let mut find = |text: &str| {
            let read = shapes.read(text, |keys| {
                derived += 1;
                keys.join("+")
            });
            read.map(|record| record.derived.clone())
        };
        for _ in 0..3 {
            assert_eq!(find(r#"{"a":1,"b":2}"#), Ok("a+b".to_owned()));
            assert_eq!(find(r#"{"b":1,"a":2}"#), Ok("b+a".to_owned()));
            assert_eq!(find(r#"{"a":1,"\u0061":2}"#), Err("has the key \"a\" twice".to_owned()));
        }
        for key in 0..20 {
            assert_eq!(find(&format!("{{\"k{key}\":1}}")), Ok(format!("k{key}")));
        }
        assert_eq!(find(r#"{"a":1,"b":2}"#), Ok("a+b".to_owned()));
        assert_eq!(derived, 23);
    }

    /// Records of one shape, and some that are nearly written like the first.
    const ALIKE: [&str; 16] = [
        r#"{"a": 1, "b": [{"c":"d"}], "e":"f"}"#,
        r#"{"a": 2.5e3, "b": {"c":[1, 2]}, "e":null}"#,
        r#"{"a": "\"", "b": true, "e":""}"#,
        r#"{"a":  1, "b": 2, "e":3}"#,
        r#"{"a":1,"b":2,"e":3}"#,
        r#"{"a": 1, "b": 2, "e":3} "#,
        r#"{"a": 01, "b": 2, "e":3}"#,
        r#"{"a": 1x, "b": 2, "e":3}"#,
        r#"{"a": 1, "b": 2, "e":3}}"#,
        r#"{"a": 1, "b": 2, "e":3"#,
        r#"{"a": 1, "b": 2, "e":"#,
        r#"{"a": 1, "b": 2, "#,
        r#"{"a": , "b": 2, "e":3}"#,
        r#"{"a": {"a": 1, "b": 2, "e":3}, "b": 2, "e":3}"#,
        r#"{"a": "1, "b": 2, "e":3}"#,
        r#"{"a": nul, "b": 2, "e":3}"#,
    ];

    #[test]
    fn a_record_is_read_as_if_it_were_the_first() {
        let nested = |depth: usize| format!("{{\"a\": {}{}, \"b\": 2, \"e\":3}}", "[".repeat(depth), "]".repeat(depth));
        let texts = ALIKE.map(str::to_owned).into_iter().chain([DEPTH - 2, DEPTH - 1, DEPTH].map(nested));
        let texts: Vec<String> = texts.collect();
        let read = |shapes: &mut Shapes<()>, text: &str| {
            let record = shapes.read(text, |_| ())?;
            Ok::<_, String>(record.entries().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>())
        };
        for first in &texts {
            for second in &texts {
                let mut shapes = Shapes::default();
                let alone = read(&mut Shapes::default(), second);
                let _ = read(&mut shapes, first);
                assert_eq!(read(&mut shapes, second), alone, "{second} after {first}");
                assert_eq!(read(&mut shapes, second), alone, "{second} once more");
            }
        }
    }
}

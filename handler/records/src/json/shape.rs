//! Shapes: the keys of a record, in order. Most records of an object share a few of them, and so what follows from the keys
//! alone is found once for each.

use crate::object::Object;

/// How many shapes are kept.
const KEPT: usize = 8;

/// The shapes of the last records, with what follows from each.
pub(crate) struct Shapes<T> {
    kept: Vec<(Vec<String>, T)>,
    latest: usize,
}

impl<T> Default for Shapes<T> {
    fn default() -> Self {
        Self { kept: Vec::new(), latest: 0 }
    }
}

impl<T> Shapes<T> {
    /// What follows from an object's keys. The error says which of them stands twice.
    pub(crate) fn find(&mut self, object: &Object<'_>, derive: impl FnOnce(&[String]) -> T) -> Result<&T, String> {
        let keys = || object.0.iter().map(|(key, _)| key.as_ref());
        let is_it = |(kept, _): &(Vec<String>, T)| keys().eq(kept.iter().map(String::as_str));
        if !self.kept.get(self.latest).is_some_and(is_it) {
            self.latest = match self.kept.iter().position(is_it) {
                Some(place) => place,
                None => self.keep(object, derive)?,
            };
        }
        Ok(&self.kept[self.latest].1)
    }

    /// Keeps another shape, in place of an old one where there are enough; its place.
    fn keep(&mut self, object: &Object<'_>, derive: impl FnOnce(&[String]) -> T) -> Result<usize, String> {
        if let Some(key) = object.find_duplicate() {
            return Err(format!("has the key {key:?} twice"));
        }
        let keys: Vec<String> = object.0.iter().map(|(key, _)| key.to_string()).collect();
        let derived = derive(&keys);
        if self.kept.len() < KEPT {
            self.kept.push((keys, derived));
            return Ok(self.kept.len() - 1);
        }
        let place = (self.latest + 1) % KEPT;
        self.kept[place] = (keys, derived);
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_the_keys_is_found_once_for_each_shape() {
        let (mut shapes, mut derived) = (Shapes::default(), 0);
        let mut find = |text: &str| {
            let object = Object::parse(text).unwrap();
            let found = shapes.find(&object, |keys| {
                derived += 1;
                keys.join("+")
            });
            found.cloned()
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
}

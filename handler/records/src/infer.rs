//! The strictest type that holds every value of a column exactly; text where there is none.

use crate::convert::booleans::parse_boolean;
use crate::convert::characters::parse_string;
use crate::convert::comma::write_point;
use crate::convert::few::Few;
use crate::convert::floats::{gives_back, parse_double, significant};
use crate::convert::temporal::{parse_date, parse_moment};
use crate::types::Type;

/// Integers up to here are all held by a double.
const EXACT: u64 = 1 << 53;

/// What the values of a column were so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sketch {
    /// NULL, all of them.
    #[default]
    Nothing,
    Boolean,
    /// Integers of 64 bits; whether a double holds each of them too.
    Integer {
        exact: bool,
    },
    Double,
    Date,
    Timestamp,
    /// JSON objects and arrays.
    Json,
    Text,
}

impl Sketch {
    /// What holds the values of both.
    pub(crate) fn merge(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, kind) | (kind, Self::Nothing) => kind,
            (Self::Integer { exact: one }, Self::Integer { exact: two }) => Self::Integer { exact: one && two },
            (Self::Integer { exact: true }, Self::Double) | (Self::Double, Self::Integer { exact: true }) => {
                Self::Double
            }
            (one, two) if one == two => one,
            _ => Self::Text,
        }
    }

    /// Adds a value written as text, where numbers have this mark before their fraction.
    pub(crate) fn add_text(&mut self, text: &str, mark: u8) {
        *self = self.with_text(text, mark);
    }

    /// Adds a value written as JSON. A string of digits stays text: whoever quotes a number means it.
    pub(crate) fn add_json(&mut self, json: &str) {
        *self = self.with_json(json);
    }

    fn with_text(self, text: &str, mark: u8) -> Self {
        let number = || is_short_number(text).filter(|fraction| mark == b'.' || !fraction);
        let settled = self.settles(number, || parse_date(text).is_some());
        if settled { self } else { self.merge(classify_text(text, mark)) }
    }

    fn with_json(self, json: &str) -> Self {
        let plain = || json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
        let settled = self.settles(|| is_short_number(json), || plain().and_then(parse_date).is_some());
        if settled { self } else { self.merge(classify_json(json)) }
    }

    /// A quick look that settles nearly all values: it says yes only where adding the value would change nothing.
    fn settles(self, short_number: impl FnOnce() -> Option<bool>, date: impl FnOnce() -> bool) -> bool {
        match self {
            Self::Text => true,
            Self::Integer { .. } => short_number() == Some(false),
            Self::Double => short_number().is_some(),
            Self::Date => date(),
            _ => false,
        }
    }

    /// The type.
    pub(crate) fn conclude(self) -> Type {
        match self {
            Self::Boolean => Type::Boolean,
            Self::Integer { .. } => Type::BigInt,
            Self::Double => Type::Double,
            Self::Date => Type::Date,
            Self::Timestamp => Type::Timestamp,
            Self::Json => Type::Json,
            Self::Nothing | Self::Text => Type::Varchar,
        }
    }
}

/// What the first values of a column were: a guess at what all of them are. By default there were none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Guess(pub(crate) Sketch);

impl Guess {
    /// Whether no value changes it.
    pub(crate) fn holds_all(self) -> bool {
        self.0 == Sketch::Text
    }

    /// Whether the type would be the same with this value among the first ones.
    pub(crate) fn holds_text(self, text: &str, mark: u8) -> bool {
        self.stays(self.0.with_text(text, mark))
    }

    /// As [`Guess::holds_text`], for a value written as JSON.
    pub(crate) fn holds_json(self, json: &str) -> bool {
        self.stays(self.0.with_json(json))
    }

    /// Integers may become inexact: that would tell only beside a double, and so beside a guess that is wrong. Where nothing
    /// was seen the type is that of texts.
    fn stays(self, sketch: Sketch) -> bool {
        (self.0 == Sketch::Nothing && sketch == Sketch::Text)
            || std::mem::discriminant(&self.0) == std::mem::discriminant(&sketch)
    }
}

/// Whether a text is a number of up to 15 digits, as one writes it, and if so whether it has a fraction.
fn is_short_number(text: &str) -> Option<bool> {
    let few = Few::parse(text)?;
    let padded = few.whole > 1 && text.as_bytes()[usize::from(few.is_negative())] == b'0';
    let is_written = few.sign != Some(b'+') && few.whole > 0 && !padded && few.fraction != Some(0);
    let has_fraction = few.fraction.is_some();
    let is_minus_zero = few.is_negative() && few.digits == 0 && !has_fraction;
    let is_short = few.whole + few.fraction.unwrap_or(0) <= 15;
    (is_written && is_short && !is_minus_zero).then_some(has_fraction)
}

fn classify_text(text: &str, mark: u8) -> Sketch {
    let mut pointed = String::new();
    let mut number = || match mark {
        b'.' => classify_number(text),
        _ => write_point(text, mark, &mut pointed).then(|| classify_number(&pointed)).flatten(),
    };
    match text.as_bytes().first() {
        Some(b'0'..=b'9' | b'-') => number().or_else(|| classify_time(text)).unwrap_or(Sketch::Text),
        Some(_) if parse_boolean(text).is_some() => Sketch::Boolean,
        _ => Sketch::Text,
    }
}

fn classify_json(json: &str) -> Sketch {
    match json.as_bytes().first() {
        Some(b'n') => Sketch::Nothing,
        Some(b't' | b'f') => Sketch::Boolean,
        Some(b'{' | b'[') => Sketch::Json,
        Some(b'"') => parse_string(json).ok().and_then(|text| classify_time(&text)).unwrap_or(Sketch::Text),
        _ => classify_number(json).unwrap_or(Sketch::Text),
    }
}

fn classify_time(text: &str) -> Option<Sketch> {
    if parse_date(text).is_some() {
        return Some(Sketch::Date);
    }
    parse_moment(text).filter(|moment| moment.offset.is_none()).map(|_| Sketch::Timestamp)
}

/// A number as one writes it: no plus sign, no leading zero, digits on both sides of a point. Minus zero is a double.
fn classify_number(text: &str) -> Option<Sketch> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let whole = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    if whole == 0 || (whole > 1 && unsigned.starts_with('0')) {
        return None;
    }
    if whole == unsigned.len() && text != "-0" {
        let value: i64 = text.parse().ok()?;
        let exact = value.unsigned_abs() <= EXACT || parse_double(text).is_ok();
        return Some(Sketch::Integer { exact });
    }
    let mantissa = unsigned.split(['e', 'E']).next()?;
    let fraction = mantissa.get(whole..)?.strip_prefix('.');
    if fraction.is_some_and(|digits| digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    let value = parse_double(text).ok()?;
    gives_back(value, &significant(mantissa)).then_some(Sketch::Double)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn infer(texts: &[&str]) -> String {
        let mut sketch = Sketch::default();
        for text in texts {
            sketch.add_text(text, b'.');
        }
        sketch.conclude().to_string()
    }

    fn infer_json(texts: &[&str]) -> String {
        let mut sketch = Sketch::default();
        for text in texts {
            sketch.add_json(text);
        }
        sketch.conclude().to_string()
    }

    #[test]
    fn a_type_holds_every_value() {
        for (texts, name) in [
            (&[][..], "VARCHAR"),
            (&["true", "FALSE"], "BOOLEAN"),
            (&["1", "-2", "0"], "BIGINT"),
            (&["1", "2.5"], "DOUBLE"),
            (&["2.5", "9007199254740993"], "VARCHAR"),
            (&["9007199254740993", "2.5"], "VARCHAR"),
            (&["9007199254740992", "2.5"], "DOUBLE"),
            (&["1e3", "-0"], "DOUBLE"),
            (&["007"], "VARCHAR"),
            (&["00.5"], "VARCHAR"),
            (&["+1"], "VARCHAR"),
            (&[".5"], "VARCHAR"),
            (&["5."], "VARCHAR"),
            (&["1.e5"], "VARCHAR"),
            (&["nan"], "VARCHAR"),
            (&["1e999"], "VARCHAR"),
            (&["0.123456789012345678"], "VARCHAR"),
            (&["0.12345678901234567"], "VARCHAR"),
            (&["0.12345678901234568"], "DOUBLE"),
            (&["0.10000000000000001", "5.684341886080802e-14", "1.50", "4.9406564584124654e-324", "0.0"], "DOUBLE"),
            (&["9007199254740993.5"], "VARCHAR"),
            (&["12345678901234567.0"], "VARCHAR"),
            (&["1.2345678901234e-320"], "VARCHAR"),
            (&[format!("0.{}", "1".repeat(70_000)).as_str()], "VARCHAR"),
            (&["9223372036854775807"], "BIGINT"),
            (&["9223372036854775808"], "VARCHAR"),
            (&["2024-01-01"], "DATE"),
            (&["2024-01-01 10:00", "2024-01-01T00:00:00.5"], "TIMESTAMP"),
            (&["2024-01-01", "2024-01-01 10:00"], "VARCHAR"),
            (&["2024-01-01 10:00Z"], "VARCHAR"),
            (&["1", "true"], "VARCHAR"),
            (&["2024-02-30"], "VARCHAR"),
            (&["10:00"], "VARCHAR"),
            (&["-"], "VARCHAR"),
            (&["1", "x", "2"], "VARCHAR"),
            (&["1", "007"], "VARCHAR"),
            (&["1", "-0"], "DOUBLE"),
            (&["1", "2."], "VARCHAR"),
            (&["1.5", ".5"], "VARCHAR"),
            (&["1.5", "2", "1.25e2"], "DOUBLE"),
            (&["1.5", "1234567890123456"], "DOUBLE"),
            (&["2024-01-01", "2024-02-30"], "VARCHAR"),
        ] {
            assert_eq!(infer(texts), name, "{texts:?}");
        }
    }

    #[test]
    fn a_number_has_the_mark_that_is_declared() {
        for (texts, name) in [
            (&["1,5", "2"][..], "DOUBLE"),
            (&["1.5"], "VARCHAR"),
            (&["1,5", "1.5"], "VARCHAR"),
            (&["1", "2"], "BIGINT"),
            (&["1.000,5"], "VARCHAR"),
            (&["2024-01-01 10:00:00.5"], "TIMESTAMP"),
        ] {
            let mut sketch = Sketch::default();
            for text in texts {
                sketch.add_text(text, b',');
            }
            assert_eq!(sketch.conclude().to_string(), name, "{texts:?}");
        }
    }

    #[test]
    fn json_says_what_is_a_number() {
        for (texts, name) in [
            (&["null"][..], "VARCHAR"),
            (&["true", "null"], "BOOLEAN"),
            (&["1", "2"], "BIGINT"),
            (&["1", "2.0"], "DOUBLE"),
            (&["\"5\""], "VARCHAR"),
            (&["\"5\"", "5"], "VARCHAR"),
            (&["\"2024-01-01\""], "DATE"),
            (&["\"2024-01-01T00:00:00\""], "TIMESTAMP"),
            (&["\"true\""], "VARCHAR"),
            (&["{}", "[1]"], "JSON"),
            (&["{}", "1"], "VARCHAR"),
            (&["18446744073709551616"], "VARCHAR"),
        ] {
            assert_eq!(infer_json(texts), name, "{texts:?}");
        }
    }
}

//! One JSON value, by RFC 8259 and nothing looser: where it ends, and where its keys and values are.
//!
//! Nothing is converted here, so nothing is lost. No recursion: nesting beyond [`DEPTH`] is refused.

use crate::convert::values::Place;

/// How deep objects and arrays may stand in each other.
pub(crate) const DEPTH: usize = 128;

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The text is wrong at a position.
    Damage { at: usize, reason: &'static str },
    /// The text ends too early.
    Unfinished,
}

/// One key of an object with its value, as positions in the text. Keys are without their quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: (usize, usize),
    /// Whether the key has escapes.
    pub(crate) escaped: bool,
    pub(crate) value: (usize, usize),
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    /// A value, or the end of an array.
    First,
    /// A key, or the end of an object.
    FirstKey,
    Key,
    /// A comma, or the end of what is open.
    More,
}

pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Reads the value at `start`, and gives where it ends. The entries are those of the object that it is, if it is one.
pub(crate) fn scan(text: &[u8], start: usize, entries: &mut Vec<Entry>) -> Result<usize, Stop> {
    entries.clear();
    let mut walk = Walk { text, position: start, objects: 0, depth: 0, entries };
    walk.pass_value()?;
    Ok(walk.position)
}

/// Reads an object that is written as one before it: with the same text before each value and behind the last, so that only
/// the values have to be looked at. Whether it is; the values are where they stand then.
pub(crate) fn follow<'g>(text: &[u8], gaps: impl Iterator<Item = &'g [u8]>, values: &mut Vec<Place>) -> bool {
    values.clear();
    // The values of an object, whose own keys are no entries here.
    let mut walk = Walk { text, position: 0, objects: 1, depth: 1, entries: &mut Vec::new() };
    let mut gaps = gaps.peekable();
    while let Some(gap) = gaps.next() {
        if !begins_with(&text[walk.position..], gap) {
            return false;
        }
        walk.position += gap.len();
        if gaps.peek().is_none() {
            break;
        }
        let start = walk.position;
        let scalar = plain_scalar(text, start);
        if let Some(end) = scalar {
            walk.position = end;
        } else if walk.peek().is_ok_and(is_space) || walk.pass_value().is_err() {
            return false;
        }
        values.push(Place { start, end: walk.position, plain: scalar.is_some() && text[start] == b'"' });
    }
    walk.position == text.len()
}

struct Walk<'t, 'e> {
    text: &'t [u8],
    position: usize,
    /// For each level, from the lowest bit, whether it is an object.
    objects: u128,
    depth: usize,
    entries: &'e mut Vec<Entry>,
}

impl Walk<'_, '_> {
    /// Passes over a value, and what stands in it.
    fn pass_value(&mut self) -> Result<(), Stop> {
        let (mut next, depth) = (Next::Value, self.depth);
        loop {
            let byte = self.skip_space()?;
            next = match (next, byte) {
                (Next::First, b']') | (Next::FirstKey, b'}') => self.close(),
                (Next::Value | Next::First, _) => self.take_value(byte)?,
                (Next::Key | Next::FirstKey, b'"') => self.take_key()?,
                (Next::Key | Next::FirstKey, _) => return Err(self.damage("a key is missing")),
                (Next::More, b',') => {
                    self.position += 1;
                    if self.in_object() { Next::Key } else { Next::Value }
                }
                (Next::More, b'}') if self.in_object() => self.close(),
                (Next::More, b']') if !self.in_object() => self.close(),
                (Next::More, _) => return Err(self.damage("a comma or a closing bracket is missing")),
            };
            if next == Next::More {
                self.close_entry();
                if self.depth == depth {
                    return Ok(());
                }
            }
        }
    }

    fn damage(&self, reason: &'static str) -> Stop {
        Stop::Damage { at: self.position, reason }
    }

    fn peek(&self) -> Result<u8, Stop> {
        self.text.get(self.position).copied().ok_or(Stop::Unfinished)
    }

    fn skip_space(&mut self) -> Result<u8, Stop> {
        while is_space(self.peek()?) {
            self.position += 1;
        }
        self.peek()
    }

    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    fn open(&mut self, object: bool) -> Result<Next, Stop> {
        if self.depth == DEPTH {
            return Err(self.damage("the nesting is too deep"));
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(object);
        self.position += 1;
        Ok(if object { Next::FirstKey } else { Next::First })
    }

    fn close(&mut self) -> Next {
        self.depth -= 1;
        self.objects >>= 1;
        self.position += 1;
        Next::More
    }

    /// A value of the outermost object ends where the walk stands.
    fn close_entry(&mut self) {
        if self.depth == 1
            && self.in_object()
            && let Some(entry) = self.entries.last_mut()
        {
            entry.value.1 = self.position;
        }
    }

    fn take_key(&mut self) -> Result<Next, Stop> {
        let start = self.position + 1;
        let escaped = self.take_string()?;
        let key = (start, self.position - 1);
        if self.skip_space()? != b':' {
            return Err(self.damage("a colon is missing"));
        }
        self.position += 1;
        self.skip_space()?;
        if self.depth == 1 {
            self.entries.push(Entry { key, escaped, value: (self.position, self.position) });
        }
        Ok(Next::Value)
    }

    fn take_value(&mut self, byte: u8) -> Result<Next, Stop> {
        match byte {
            b'{' => return self.open(true),
            b'[' => return self.open(false),
            b'"' => {
                self.take_string()?;
            }
            b'-' | b'0'..=b'9' => self.take_number()?,
            b't' => self.take_word(b"true")?,
            b'f' => self.take_word(b"false")?,
            b'n' => self.take_word(b"null")?,
            _ => return Err(self.damage("a value is missing")),
        }
        Ok(Next::More)
    }

    fn take_word(&mut self, word: &[u8]) -> Result<(), Stop> {
        let rest = &self.text[self.position..];
        if rest.starts_with(word) {
            self.position += word.len();
            Ok(())
        } else if word.starts_with(rest) {
            Err(Stop::Unfinished)
        } else {
            Err(self.damage("a value is missing"))
        }
    }

    /// A number; one at the end of the text is taken to end there.
    fn take_number(&mut self) -> Result<(), Stop> {
        if self.peek()? == b'-' {
            self.position += 1;
        }
        if self.peek()? == b'0' {
            self.position += 1;
        } else {
            self.take_digits()?;
        }
        if self.text.get(self.position) == Some(&b'.') {
            self.position += 1;
            self.take_digits()?;
        }
        if matches!(self.text.get(self.position), Some(b'e' | b'E')) {
            self.position += 1;
            if matches!(self.peek()?, b'+' | b'-') {
                self.position += 1;
            }
            self.take_digits()?;
        }
        Ok(())
    }

    fn take_digits(&mut self) -> Result<(), Stop> {
        let rest = &self.text[self.position..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            self.peek()?;
            return Err(self.damage("a digit is missing"));
        }
        self.position += count;
        Ok(())
    }

    /// A string, from its quote to behind its other quote; whether it has escapes.
    fn take_string(&mut self) -> Result<bool, Stop> {
        self.position += 1;
        let mut escaped = false;
        loop {
            self.position += plain_length(&self.text[self.position..]);
            match self.peek()? {
                b'"' => {
                    self.position += 1;
                    return Ok(escaped);
                }
                b'\\' => {
                    escaped = true;
                    self.take_escape()?;
                }
                _ => return Err(self.damage("a string has a control character")),
            }
        }
    }

    fn take_escape(&mut self) -> Result<(), Stop> {
        self.position += 1;
        match self.peek()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.position += 1,
            b'u' => match self.take_unit()? {
                0xD800..=0xDBFF => {
                    let rest = &self.text[self.position..];
                    if rest.len() < 2 && b"\\u".starts_with(rest) {
                        return Err(Stop::Unfinished);
                    }
                    let paired = rest.starts_with(b"\\u");
                    self.position += usize::from(paired);
                    if !paired || !matches!(self.take_unit()?, 0xDC00..=0xDFFF) {
                        return Err(self.damage("a string has half of a surrogate pair"));
                    }
                }
                0xDC00..=0xDFFF => return Err(self.damage("a string has half of a surrogate pair")),
                _ => {}
            },
            _ => return Err(self.damage("a string has an unknown escape")),
        }
        Ok(())
    }

    /// The number in `uXXXX`.
    fn take_unit(&mut self) -> Result<u32, Stop> {
        let mut unit = 0;
        for place in 1..=4 {
            let byte = self.text.get(self.position + place).copied().ok_or(Stop::Unfinished)?;
            let digit = char::from(byte).to_digit(16).ok_or_else(|| self.damage("a string has an unknown escape"))?;
            unit = unit * 16 + digit;
        }
        self.position += 5;
        Ok(unit)
    }
}

/// As `starts_with`, eight bytes at once: what is compared here is short.
fn begins_with(text: &[u8], gap: &[u8]) -> bool {
    let Some(start) = text.get(..gap.len()) else { return false };
    let ((words, rest), (expected, expected_rest)) = (start.as_chunks::<8>(), gap.as_chunks::<8>());
    let number = |word: &[u8; 8]| u64::from_ne_bytes(*word);
    words.iter().map(number).eq(expected.iter().map(number)) && rest.iter().eq(expected_rest)
}

/// Where a string without escapes ends, or a number without an exponent, if such a value begins here.
fn plain_scalar(text: &[u8], start: usize) -> Option<usize> {
    if text.get(start) == Some(&b'"') {
        let end = start + 1 + plain_length(&text[start + 1..]);
        return (text.get(end) == Some(&b'"')).then_some(end + 1);
    }
    let digits =
        |from: usize| text.get(from..).map_or(0, |rest| rest.iter().take_while(|byte| byte.is_ascii_digit()).count());
    let first = start + usize::from(text.get(start) == Some(&b'-'));
    let whole = digits(first);
    let mut end = first + whole;
    if text.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        end = if fraction > 0 { end + 1 + fraction } else { return None };
    }
    let padded = whole > 1 && text[first] == b'0';
    (whole > 0 && !padded && !matches!(text.get(end), Some(b'e' | b'E'))).then_some(end)
}

/// How many bytes a string goes on without a quote, a backslash or a control character: eight of them at once.
fn plain_length(text: &[u8]) -> usize {
    let (words, rest) = text.as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        let special = specials(u64::from_le_bytes(*word));
        if special != 0 {
            return place * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let is_special = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
    text.len() - rest.len() + rest.iter().position(is_special).unwrap_or(rest.len())
}

/// The lowest bit that is set marks the first byte of a word (from its lowest) that ends a plain string.
///
/// Source: S. E. Anderson, "Bit Twiddling Hacks", on words that have a byte less than n.
fn specials(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGH;
    let equal = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    below(word, b' ') | equal(b'"') | equal(b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Result<(), Stop> {
        let mut entries = Vec::new();
        let end = scan(text.as_bytes(), 0, &mut entries)?;
        if text[end..].trim_end_matches([' ', '\n', '\t', '\r']).is_empty() {
            Ok(())
        } else {
            Err(Stop::Damage { at: end, reason: "tail" })
        }
    }

    #[test]
    fn entries_are_those_of_the_outermost_object() {
        let text = r#" {"a": {"b":1}, "c\"" :[{"d":2}],"e":1.5e3 , "f":""} tail"#;
        let mut entries = Vec::new();
        let end = scan(text.as_bytes(), 0, &mut entries).unwrap();
        let shown: Vec<(&str, &str)> = entries
            .iter()
            .map(|entry| (&text[entry.key.0..entry.key.1], &text[entry.value.0..entry.value.1]))
            .collect();
        assert_eq!(shown, [("a", "{\"b\":1}"), ("c\\\"", "[{\"d\":2}]"), ("e", "1.5e3"), ("f", "\"\"")]);
        assert_eq!(&text[end..], " tail");
    }

    #[test]
    fn json_is_what_serde_json_takes_too() {
        let texts = r#"{} | [] | [[],{}] | 0 | -0 | - | 01 | 1. | 1.5 | .5 | 1e5 | 1E+5 | 1e | 1e+ | true | tru | nul | NaN
            | Infinity | "" | "a | "\ | "\x" | "\u12" | "\u12g4" | "\u00e9" | "	" | "\ud83d\ude00" | {"a":1,} | [1,] | [,1]
            | {"a"} | {a:1} | {1:1} | {"a" 1} | [1 2] | {"a":1}} | [} | {] | | "\/\b\f\n\r\t" | [1,2 | {"a": | +1 | 'a'"#;
        for text in texts.split('|').map(|text| text.trim_matches([' ', '\n'])) {
            let theirs = serde_json::from_str::<serde_json::Value>(text);
            assert_eq!(whole(text).is_ok(), theirs.is_ok(), "{text:?}: {:?}", whole(text));
        }
    }

    #[test]
    fn half_a_surrogate_pair_and_deep_nesting_are_refused() {
        for text in ["\"\\ud800\"", "\"\\ud800x\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\\ud800\\n\""] {
            assert!(matches!(whole(text), Err(Stop::Damage { .. })), "{text}");
        }
        assert_eq!(whole(&format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH))), Ok(()));
        let deep = format!("{}{}", "[".repeat(DEPTH + 1), "]".repeat(DEPTH + 1));
        assert_eq!(whole(&deep), Err(Stop::Damage { at: DEPTH, reason: "the nesting is too deep" }));
    }

    #[test]
    fn what_is_cut_is_unfinished() {
        let text = r#"{"a":[1,"x\u00e9\ud83d\ude00",true],"b":{"c":null}}"#;
        for cut in 1..text.len() {
            let found = scan(&text.as_bytes()[..cut], 0, &mut Vec::new());
            assert_eq!(found, Err(Stop::Unfinished), "{}", &text[..cut]);
        }
    }

    #[test]
    fn a_plain_string_ends_at_the_first_special_byte() {
        for byte in u8::MIN..=u8::MAX {
            for place in 0..20 {
                let mut text = [b'a', 0x80, 0xff, b' ', b'!', b'#', b'[', b']', 0x7f].repeat(3);
                text[place] = byte;
                let expected = if byte < b' ' || byte == b'"' || byte == b'\\' { place } else { text.len() };
                assert_eq!(plain_length(&text), expected, "{byte:#04x} at {place}");
            }
        }
        for length in 0..20 {
            assert_eq!(plain_length(&vec![b'\n'; length]), 0);
        }
    }
}

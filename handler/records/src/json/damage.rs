//! Where a damaged record ends, as far as its bytes tell.

use std::ops::Range;

use memchr::{memchr2, memchr3, memrchr};

use super::scan::is_space;

/// Whether a byte goes on with what is open, so that what stands before it is no record of those that follow each other.
pub(crate) fn goes_on(byte: u8) -> bool {
    matches!(byte, b',' | b':' | b']' | b'}')
}

/// Whether a text is whitespace.
pub(crate) fn is_blank(text: &[u8]) -> bool {
    text.iter().all(|byte| is_space(*byte))
}

/// Whether an element of an array ends behind a closing brace at which it is damaged, so that the next one may begin on its
/// line: the brace is the first thing there, or there is only the rest of an element before it.
pub(crate) fn ends_with_brace(text: &[u8], at: usize) -> bool {
    let (before, brace) = text.split_at(at);
    brace.first() == Some(&b'}')
        && match before.first() {
            Some(b'[') => false,
            Some(b'{' | b',') => memrchr(b'\n', before).is_some_and(|line| is_blank(&before[line..])),
            _ => true,
        }
}

/// Whether a byte may stand in a number.
pub(crate) fn is_in_number(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-')
}

/// How far a damaged record goes on where values follow each other: up to the first brace that an object follows, with it,
/// or up to the line end.
pub(crate) fn find_parting(text: &[u8]) -> Option<usize> {
    let mut position = 0;
    loop {
        position += memchr2(b'}', b'\n', text.get(position..)?)?;
        if text[position] == b'\n' {
            return Some(position);
        }
        position += 1;
        if begins_object(&text[position..])? {
            return Some(position);
        }
    }
}

/// Whether an object begins here whatever was before: in a string that ends in `}{`, the quote is not that of a key, and
/// `}{}` may be its text. `None` when more bytes are needed to tell.
fn begins_object(text: &[u8]) -> Option<bool> {
    let mut bytes = text.iter().copied().filter(|byte| *byte == b'\n' || !is_space(*byte));
    let begins = bytes.next()? == b'{'
        && match bytes.next()? {
            b'"' => !goes_on(bytes.next()?),
            byte => byte == b'\n',
        };
    Some(begins)
}

/// What stands behind an object, perhaps behind a comma.
pub(crate) enum Behind {
    /// The text of a key, without its quotes. What closed the object was none of its own then, or what opened the next one is
    /// lost.
    Key(Range<usize>),
    /// Anything else.
    Other,
    /// More bytes are needed to tell.
    Unfinished,
}

/// Looks behind an object.
pub(crate) fn look_behind(text: &[u8]) -> Behind {
    find_key(text).unwrap_or(Behind::Unfinished)
}

fn find_key(text: &[u8]) -> Option<Behind> {
    let mut solid = text.iter().enumerate().filter(|(_, byte)| !is_space(**byte));
    let mut next = solid.next()?;
    if *next.1 == b',' {
        next = solid.next()?;
    }
    let (quote, b'"') = next else { return Some(Behind::Other) };
    let end = find_quote(text, quote + 1, 0)?;
    if text[end] != b'"' {
        return Some(Behind::Other);
    }
    let behind = text[end + 1..].iter().find(|byte| !is_space(**byte))?;
    Some(if *behind == b':' { Behind::Key(quote + 1..end) } else { Behind::Other })
}

/// How long a damaged element is, up to the comma or bracket behind it.
pub(crate) enum Measured {
    End {
        length: usize,
        /// Whether it has more than one pair of brackets.
        nested: bool,
    },
    /// Its brackets do not agree, or not on its line.
    Nowhere,
    /// More bytes are needed to tell.
    Unfinished,
}

/// Measures a damaged element, which ends before the first line end at or after `from`. A key where nothing is open stands in
/// an object that was closed too early, or whose opening brace is lost; one closing brace may be too many.
pub(crate) fn measure(text: &[u8], from: usize) -> Measured {
    let (mut position, mut open, mut pairs) = (0, Vec::new(), 0);
    while let Some(byte) = text.get(position) {
        match byte {
            b'"' => match find_quote(text, position + 1, from) {
                Some(quote) if text[quote] == b'"' => position = quote,
                Some(_) => return Measured::Nowhere,
                None => return Measured::Unfinished,
            },
            b'{' | b'[' => {
                open.push(if *byte == b'{' { b'}' } else { b']' });
                pairs += 1;
            }
            b':' if open.is_empty() && ends_string(&text[..position]) => open.push(b'}'),
            b',' if open.is_empty() && position < from => {}
            b'}' if open.is_empty() && position == from => {}
            b',' | b']' if open.is_empty() => return Measured::End { length: position, nested: pairs > 1 },
            close @ (b'}' | b']') if open.pop() != Some(*close) => return Measured::Nowhere,
            b'\n' if position >= from => return Measured::Nowhere,
            _ => {}
        }
        position += 1;
    }
    Measured::Unfinished
}

fn ends_string(text: &[u8]) -> bool {
    text.iter().rfind(|byte| !is_space(**byte)) == Some(&b'"')
}

/// Where the string that began before `position` has its closing quote, or the line end at or after `from` that is before it.
fn find_quote(text: &[u8], mut position: usize, from: usize) -> Option<usize> {
    loop {
        position += memchr3(b'"', b'\\', b'\n', text.get(position..)?)?;
        match text[position] {
            b'\\' => position += 1 + usize::from(text.get(position + 1) != Some(&b'\n')),
            b'\n' if position < from => position += 1,
            _ => return Some(position),
        }
    }
}

//! Where a damaged record ends, as far as its bytes tell.

use memchr::{memchr2, memchr3};

use super::scan::is_space;

/// Whether a byte goes on with what is open, so that what stands before it is no record of those that follow each other.
pub(crate) fn goes_on(byte: u8) -> bool {
    matches!(byte, b',' | b':' | b']' | b'}')
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

/// How long a damaged element is, up to the comma or bracket behind it.
pub(crate) enum Measured {
    End(usize),
    /// Its brackets do not agree, or not on its line.
    Nowhere,
    /// More bytes are needed to tell.
    Unfinished,
}

/// Measures a damaged element, which ends before the first line end at or after `from`.
pub(crate) fn measure(text: &[u8], from: usize) -> Measured {
    let (mut position, mut open) = (0, Vec::new());
    while let Some(byte) = text.get(position) {
        match byte {
            b'"' => match find_quote(text, position + 1, from) {
                Some(quote) if text[quote] == b'"' => position = quote,
                Some(_) => return Measured::Nowhere,
                None => return Measured::Unfinished,
            },
            b'{' => open.push(b'}'),
            b'[' => open.push(b']'),
            b',' | b']' if open.is_empty() => return Measured::End(position),
            close @ (b'}' | b']') if open.pop() != Some(*close) => return Measured::Nowhere,
            b'\n' if position >= from => return Measured::Nowhere,
            _ => {}
        }
        position += 1;
    }
    Measured::Unfinished
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

//! The brackets that are open in a record, byte by byte: what can be known of one that is too long to be kept.

use super::scan::{DEPTH, is_space};

/// Where a value goes, as far as its brackets tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goes {
    /// Beyond the text.
    On,
    /// Up to a position.
    To(usize),
    /// Wrong at a position.
    Wrong(usize),
}

/// What is open in a value.
#[derive(Debug, Default)]
pub(crate) struct Brackets {
    /// For each level, from the lowest bit, whether it is an object.
    objects: u128,
    depth: usize,
    string: bool,
    escaped: bool,
    /// The last byte outside of strings that is no whitespace.
    last: u8,
}

impl Brackets {
    /// Passes over text of the value.
    pub(crate) fn pass(&mut self, text: &[u8]) -> Goes {
        for (position, byte) in text.iter().enumerate() {
            let right = if self.string { self.pass_in_string(*byte) } else { self.pass_outside(*byte) };
            if !right {
                return Goes::Wrong(position);
            }
            if self.depth == 0 && !self.string && matches!(self.last, b'"' | b'}' | b']') {
                return Goes::To(position + 1);
            }
        }
        Goes::On
    }

    fn pass_in_string(&mut self, byte: u8) -> bool {
        self.string = self.escaped || byte != b'"';
        self.escaped = !self.escaped && byte == b'\\';
        byte != b'\n'
    }

    fn pass_outside(&mut self, byte: u8) -> bool {
        let right = match byte {
            b'{' | b'[' => self.open(byte == b'{'),
            b'}' | b']' => self.close(byte == b'}'),
            _ => true,
        };
        self.string = byte == b'"';
        if !is_space(byte) {
            self.last = byte;
        }
        right
    }

    /// Opens a bracket, if a value may stand there.
    fn open(&mut self, object: bool) -> bool {
        let fits = self.depth == 0 || self.last == b':' || (!self.in_object() && matches!(self.last, b'[' | b','));
        if !fits || self.depth == DEPTH {
            return false;
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(object);
        true
    }

    /// Closes the bracket that was opened last, if that is one of this kind.
    fn close(&mut self, object: bool) -> bool {
        if self.depth == 0 || self.in_object() != object {
            return false;
        }
        self.depth -= 1;
        self.objects >>= 1;
        true
    }

    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

//! Thrift's compact protocol, as far as it takes to see what a footer or a page header says before its decoder believes
//! it: a list that says to be longer than its bytes, or a page that says to be huge, would be allocated first.

use super::layout::{Fields, Kind};

/// How deep structs and lists may stand in each other.
const DEPTH: usize = 16;

/// The part that stands for the end of a struct in a field of the outermost one. The numbers of fields have 16 bits.
pub(super) const END: i64 = i64::MAX;

/// Something at the top of a struct, or in one of the structs and lists there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fact {
    /// The field of the outermost struct.
    pub(super) field: i64,
    /// The field of the struct in it; `None` for what stands at the top.
    pub(super) part: Option<i64>,
    /// The integer that stands there; 0 for everything else.
    pub(super) value: i64,
}

/// Tells what stands in the struct that these bytes begin with, and gives what follows it; `None` where they are none, or
/// where a field that is known is of another kind.
pub(super) fn look_through(bytes: &[u8], fields: Fields, tell: impl FnMut(Fact)) -> Option<&[u8]> {
    let mut walk = Walk { rest: bytes, tell, depth: 0 };
    walk.pass_struct(fields, Place::Top)?;
    Some(walk.rest)
}

/// In which struct the walk is.
#[derive(Debug, Clone, Copy)]
enum Place {
    Top,
    /// In a field of the outermost struct.
    Part(i64),
    Deeper,
}

/// The way through some bytes.
struct Walk<'b, F> {
    rest: &'b [u8],
    tell: F,
    depth: usize,
}

impl<F: FnMut(Fact)> Walk<'_, F> {
    fn take_byte(&mut self) -> Option<u8> {
        self.rest.split_off_first().copied()
    }

    /// An integer of seven bits a byte, the lowest first.
    fn take_number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take_byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// The same with its sign in the lowest bit.
    fn take_signed(&mut self) -> Option<i64> {
        let number = self.take_number()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn pass_bytes(&mut self, count: u64) -> Option<()> {
        self.rest.split_off(..usize::try_from(count).ok()?).map(|_| ())
    }

    fn pass_struct(&mut self, fields: Fields, place: Place) -> Option<()> {
        let mut field = 0_i64;
        loop {
            let head = self.take_byte()?;
            let code = head & 0x0f;
            if code == 0 {
                if let Place::Part(top) = place {
                    (self.tell)(Fact { field: top, part: Some(END), value: 0 });
                }
                return Some(());
            }
            let step = i64::from(head >> 4);
            field = if step == 0 { self.take_signed()? } else { field + step };
            // A decoder cuts the number of a field to 16 bits; a larger one would be another field there.
            i16::try_from(field).ok()?;
            let kind = fields.iter().find(|(number, _)| *number == field).map(|(_, kind)| *kind);
            let inside = if matches!(place, Place::Top) { Place::Part(field) } else { Place::Deeper };
            let value = match (code, kind) {
                // A boolean stands in its field's head.
                (1 | 2, None | Some(Kind::Boolean)) => 0,
                (_, Some(Kind::Boolean)) => return None,
                _ => self.pass_value(code, kind, inside)?,
            };
            match place {
                Place::Top => (self.tell)(Fact { field, part: None, value }),
                Place::Part(top) => (self.tell)(Fact { field: top, part: Some(field), value }),
                Place::Deeper => {}
            }
        }
    }

    /// Passes over a value, and gives the integer that it is; 0 for any other.
    fn pass_value(&mut self, code: u8, kind: Option<Kind>, place: Place) -> Option<i64> {
        match (code, kind) {
            (1 | 2, None | Some(Kind::Boolean)) | (3, None | Some(Kind::Byte)) => self.pass_bytes(1)?,
            (4..=6, None | Some(Kind::Number)) => return self.take_signed(),
            (7, None | Some(Kind::Double)) => self.pass_bytes(8)?,
            (8, None | Some(Kind::Binary)) => {
                let length = self.take_number()?;
                self.pass_bytes(length)?;
            }
            _ => {
                self.depth += 1;
                self.pass_nested(code, kind, place)?;
                self.depth -= 1;
            }
        }
        Some(0)
    }

    fn pass_nested(&mut self, code: u8, kind: Option<Kind>, place: Place) -> Option<()> {
        match (code, kind) {
            _ if self.depth > DEPTH => None,
            (9 | 10, None) => self.pass_list(None, place),
            (9 | 10, Some(Kind::List(element))) => self.pass_list(Some(*element), place),
            (12, None) => self.pass_struct(&[], place),
            (12, Some(Kind::Struct(fields))) => self.pass_struct(fields, place),
            // Another kind than the known one, or a map: Parquet has none.
            _ => None,
        }
    }

    /// Passes over a list or a set: as many elements as it says there are, each of a byte at least. Parquet has no list of
    /// booleans, and its decoder passes over one as if they took no room: it would go on at another place than this walk.
    fn pass_list(&mut self, element: Option<Kind>, place: Place) -> Option<()> {
        let head = self.take_byte()?;
        let count = if head >> 4 == 15 { self.take_number()? } else { u64::from(head >> 4) };
        if matches!(head & 0x0f, 1 | 2) && count > 0 {
            return None;
        }
        (0..count).try_for_each(|_| self.pass_value(head & 0x0f, element, place).map(|_| ()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_struct(bytes: &[u8]) -> Option<Vec<Fact>> {
        let mut facts = Vec::new();
        let rest = look_through(bytes, &[(7, Kind::Struct(&[(3, Kind::Boolean)]))], |fact| facts.push(fact))?;
        rest.is_empty().then_some(facts)
    }

    /// `{1: -2, 7: {1: 5, 3: true}, 8: ["ab", ""]}`.
    const STRUCT: [u8; 14] = [0x15, 3, 0x6c, 0x15, 10, 0x21, 0, 0x19, 0x28, 2, b'a', b'b', 0, 0];

    #[test]
    fn what_stands_in_a_struct_is_found() {
        let fact = |field, part, value| Fact { field, part, value };
        let seven = [fact(7, Some(1), 5), fact(7, Some(3), 0), fact(7, Some(END), 0), fact(7, None, 0)];
        let facts = [&[fact(1, None, -2)][..], &seven, &[fact(8, None, 0)]].concat();
        assert_eq!(read_struct(&STRUCT), Some(facts));
        for end in 0..STRUCT.len() {
            assert_eq!(read_struct(&STRUCT[..end]), None, "{end} bytes");
        }
        assert_eq!(read_struct(&[&STRUCT[..], &[0]].concat()), None, "something follows");
    }

    #[test]
    fn a_list_has_no_more_elements_than_bytes() {
        for list in [&[0x19, 0x38, 0, 0][..], &[0x19, 0xf8, 0xff, 0xff, 0xff, 0xff, 0x07, 0, 0], &[0x19, 0xf0, 1, 0]] {
            assert_eq!(read_struct(list), None, "{list:?}");
        }
    }

    #[test]
    fn a_list_of_booleans_is_refused() {
        assert_eq!(read_struct(&[0x19, 0x21, 1, 2, 0]), None);
        assert!(read_struct(&[0x19, 0x01, 0]).is_some(), "without elements");
    }

    #[test]
    fn a_field_that_is_known_has_its_kind() {
        // The field 7 as an integer, its part 3 as one, and the field 65543, of which 16 bits are 7.
        for other in [&[0x75, 2, 0][..], &[0x7c, 0x35, 2, 0, 0], &[0x05, 0x8e, 0x80, 0x08, 2, 0]] {
            assert_eq!(read_struct(other), None, "{other:?}");
        }
    }

    #[test]
    fn nesting_ends_somewhere() {
        for deep in [vec![0x1c; 1_000_000], [vec![0x19], vec![0x19; 1_000_000]].concat()] {
            assert_eq!(read_struct(&[deep, vec![0; 1_000_001]].concat()), None);
        }
        let longest = [&[0x16][..], &[0xff; 9], &[0x01, 0]].concat();
        assert_eq!(read_struct(&longest).map(|facts| facts[0].value), Some(i64::MIN));
        assert_eq!(read_struct(&[&[0x16][..], &[0xff; 11], &[0x01, 0]].concat()), None);
    }
}

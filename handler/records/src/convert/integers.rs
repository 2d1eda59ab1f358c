//! Integers: an optional sign and digits, in range.

use arrow::array::{ArrowPrimitiveType, PrimitiveBuilder};

use super::cell::Cell;
use super::{Misfit, Slot};

/// Why digits are no integer of a type.
const OUT_OF_RANGE: &str = "out of range";

/// Reads a sign and digits. `None` for anything else; saturates beyond 128 bits, which no type holds.
pub(crate) fn parse_integer(text: &str) -> Option<i128> {
    let bytes = text.as_bytes();
    let (negative, digits) = match bytes.first()? {
        b'-' => (true, &bytes[1..]),
        b'+' => (false, &bytes[1..]),
        _ => (false, bytes),
    };
    if digits.is_empty() {
        return None;
    }
    let magnitude = if digits.len() <= 18 { i128::from(parse_short(digits)?) } else { parse_long(digits)? };
    Some(if negative { -magnitude } else { magnitude })
}

fn parse_short(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0_i64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

fn parse_long(digits: &[u8]) -> Option<i128> {
    digits.iter().try_fold(0_i128, |sum, byte| {
        byte.is_ascii_digit().then(|| sum.saturating_mul(10).saturating_add(i128::from(byte - b'0')))
    })
}

pub(super) struct IntegerSlot<T: ArrowPrimitiveType>(PrimitiveBuilder<T>);

impl<T: ArrowPrimitiveType> IntegerSlot<T> {
    pub(super) fn new() -> Self {
        Self(PrimitiveBuilder::new())
    }
}

impl<T: ArrowPrimitiveType> IntegerSlot<T>
where
    T::Native: TryFrom<i128>,
{
    fn take(&mut self, value: i128) -> Result<(), Misfit> {
        let native = T::Native::try_from(value).map_err(|_| Misfit::Because(OUT_OF_RANGE.to_owned()))?;
        self.0.append_value(native);
        Ok(())
    }
}

impl<T: ArrowPrimitiveType> Slot for IntegerSlot<T>
where
    T::Native: TryFrom<i128>,
{
    appends_to!(0);

    fn take_text(&mut self, text: &str) -> Result<(), Misfit> {
        self.take(parse_integer(text).ok_or(Misfit::Type)?)
    }

    fn take_json(&mut self, json: &str) -> Result<(), Misfit> {
        match json.as_bytes().first() {
            Some(b'"') => self.take_text(&super::characters::parse_string(json)?),
            Some(b'-' | b'0'..=b'9') => match parse_integer(json) {
                Some(value) => self.take(value),
                None => self.take(super::decimals::parse_integral(json).ok_or(Misfit::Type)?),
            },
            _ => Err(Misfit::Type),
        }
    }

    fn take_native(&mut self, cell: &Cell<'_>) -> Result<(), Misfit> {
        match cell {
            Cell::Integer(value) => self.take(*value),
            Cell::Decimal(value, scale) => self.take(super::decimals::rescale(*value, *scale, 0).ok_or(Misfit::Type)?),
            _ => Err(Misfit::Type),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sign_and_digits_are_an_integer() {
        for (text, value) in
            [("0", 0), ("-7", -7), ("+7", 7), ("007", 7), ("9223372036854775808", 9_223_372_036_854_775_808)]
        {
            assert_eq!(parse_integer(text), Some(value), "{text}");
        }
        for text in
            ["", "-", "+", " 1", "1 ", "1.0", "1e3", "1,000", "1_000", "--1", "٣", "0x10", "12345678901234567890.0"]
        {
            assert_eq!(parse_integer(text), None, "{text}");
        }
    }

    #[test]
    fn the_range_is_the_type_s() {
        let mut slot = IntegerSlot::<arrow::datatypes::Int8Type>::new();
        assert_eq!(slot.take_text("-128"), Ok(()));
        assert_eq!(slot.take_text("128"), Err(Misfit::Because("out of range".to_owned())));
        assert_eq!(slot.take_text(&"9".repeat(60)), Err(Misfit::Because("out of range".to_owned())));
        assert_eq!(slot.take_json("1.5"), Err(Misfit::Type));
        assert_eq!(slot.take_json("\"12\""), Ok(()));
        assert_eq!(slot.take_json("\"1e1\""), Err(Misfit::Type));
        assert_eq!((slot.take_json("1e2"), slot.take_json("120e-1"), slot.take_json("5.0")), (Ok(()), Ok(()), Ok(())));
        assert_eq!(slot.take_json("1e3"), Err(Misfit::Because("out of range".to_owned())));
        assert_eq!(slot.take_json("-1e999999999"), Err(Misfit::Because("out of range".to_owned())));
        let mut slot = IntegerSlot::<arrow::datatypes::UInt64Type>::new();
        assert_eq!(slot.take_text("18446744073709551615"), Ok(()));
        assert_eq!(slot.take_text("-1"), Err(Misfit::Because("out of range".to_owned())));
    }
}

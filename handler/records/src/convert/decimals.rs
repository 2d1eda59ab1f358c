//! Decimals: digits that fit the declared precision and scale exactly. `HUGEINT` is held the same way, with no scale.

use arrow::array::Decimal128Builder;
use arrow::error::ArrowError;

use super::cell::Cell;
use super::few::Few;
use super::integers::parse_integer;
use super::{Misfit, Slot};

/// Digits as written: an integer and the power of ten that it is to be multiplied with.
struct Digits {
    value: i128,
    exponent: i64,
}

/// Reads `[sign] digits [. digits] [e exponent]`; `Err` for more digits than 128 bits hold.
fn parse_digits(text: &str) -> Result<Digits, Misfit> {
    if let Some(few) = Few::parse(text) {
        let value = if few.is_negative() { -i128::from(few.digits) } else { i128::from(few.digits) };
        return Ok(Digits { value, exponent: -i64::try_from(few.fraction.unwrap_or(0)).unwrap_or(0) });
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(Misfit::Type);
    }
    let mut value = 0_i128;
    let mut dropped = 0_i64;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if !byte.is_ascii_digit() {
            return Err(Misfit::Type);
        }
        match value.checked_mul(10).and_then(|product| product.checked_add(i128::from(byte - b'0'))) {
            Some(sum) => value = sum,
            // Nothing more fits then, so that only zeros may follow.
            _ if byte == b'0' => dropped += 1,
            _ => return Err(Misfit::Because("too many digits".to_owned())),
        }
    }
    let places = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    let value = if text.starts_with('-') { -value } else { value };
    Ok(Digits { value, exponent: exponent.saturating_sub(places).saturating_add(dropped) })
}

/// The integer that a JSON number is, if it is one; the largest for any beyond 128 bits, which no type holds.
pub(super) fn parse_integral(number: &str) -> Option<i128> {
    match parse_digits(number) {
        Ok(digits) => shift(digits.value, digits.exponent).or((digits.exponent > 0).then_some(i128::MAX)),
        Err(Misfit::Because(_)) => Some(i128::MAX),
        Err(_) => None,
    }
}

/// An exponent beyond which all are alike: no text has so many digits that they could make up for it.
const FAR: i128 = 1 << 40;

fn parse_exponent(text: &str) -> Result<i64, Misfit> {
    let exponent = parse_integer(text).ok_or(Misfit::Type)?;
    Ok(i64::try_from(exponent.clamp(-FAR, FAR)).unwrap_or(0))
}

/// The value at another scale, if it is the same value there.
pub(crate) fn rescale(value: i128, from: i8, to: i8) -> Option<i128> {
    shift(value, i64::from(to) - i64::from(from))
}

/// `value * 10^places`, if that is an integer of 128 bits.
fn shift(value: i128, places: i64) -> Option<i128> {
    if value == 0 || places == 0 {
        return Some(value);
    }
    let factor = 10_i128.checked_pow(u32::try_from(places.unsigned_abs()).ok()?)?;
    if places >= 0 { value.checked_mul(factor) } else { (value % factor == 0).then(|| value / factor) }
}

/// An unscaled value as text.
pub(crate) fn render_decimal(value: i128, scale: i8) -> String {
    let digits = value.unsigned_abs().to_string();
    let sign = if value < 0 { "-" } else { "" };
    let Ok(places) = usize::try_from(scale) else {
        return format!("{sign}{digits}{}", "0".repeat(usize::from(scale.unsigned_abs())));
    };
    if places == 0 {
        return format!("{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = places + 1);
    let (whole, fraction) = padded.split_at(padded.len() - places);
    format!("{sign}{whole}.{fraction}")
}

pub(super) struct DecimalSlot {
    builder: Decimal128Builder,
    scale: i8,
    bound: u128,
    integer: bool,
    signed: bool,
}

impl DecimalSlot {
    pub(super) fn new(precision: u8, scale: u8) -> Result<Self, ArrowError> {
        let scale = i8::try_from(scale).unwrap_or(i8::MAX);
        let builder = Decimal128Builder::new().with_precision_and_scale(precision, scale)?;
        Ok(Self { builder, scale, bound: 10_u128.pow(u32::from(precision)), integer: false, signed: true })
    }

    pub(super) fn huge_integer(signed: bool) -> Result<Self, ArrowError> {
        Ok(Self { integer: true, signed, ..Self::new(38, 0)? })
    }

    /// Takes `value * 10^places`.
    fn take_shifted(&mut self, value: i128, places: i64) -> Result<(), Misfit> {
        match shift(value, places) {
            None if places >= 0 => Err(Misfit::Because("out of range".to_owned())),
            shifted => self.take(shifted),
        }
    }

    fn take(&mut self, value: Option<i128>) -> Result<(), Misfit> {
        let value =
            value.ok_or_else(|| if self.integer { Misfit::Type } else { Misfit::Because("not exactly".to_owned()) })?;
        if value.unsigned_abs() >= self.bound || (value < 0 && !self.signed) {
            return Err(Misfit::Because("out of range".to_owned()));
        }
        self.builder.append_value(value);
        Ok(())
    }
}

impl Slot for DecimalSlot {
    appends_to!(builder);

    fn take_text(&mut self, text: &str) -> Result<(), Misfit> {
        if self.integer {
            return self.take(Some(parse_integer(text).ok_or(Misfit::Type)?));
        }
        let digits = parse_digits(text)?;
        self.take_shifted(digits.value, digits.exponent.saturating_add(i64::from(self.scale)))
    }

    fn take_json(&mut self, json: &str) -> Result<(), Misfit> {
        match json.as_bytes().first() {
            Some(b'"') => self.take_text(&super::characters::parse_string(json)?),
            Some(b'-' | b'0'..=b'9') if self.integer => self.take(Some(parse_integral(json).ok_or(Misfit::Type)?)),
            Some(b'-' | b'0'..=b'9') => self.take_text(json),
            _ => Err(Misfit::Type),
        }
    }

    fn take_native(&mut self, cell: &Cell<'_>) -> Result<(), Misfit> {
        match cell {
            Cell::Integer(value) => self.take_shifted(*value, i64::from(self.scale)),
            Cell::Decimal(value, scale) => self.take_shifted(*value, i64::from(self.scale) - i64::from(*scale)),
            _ => Err(Misfit::Type),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Decimal128Array;

    use super::*;

    fn convert(text: &str, precision: u8, scale: u8) -> Result<i128, Misfit> {
        let mut slot = DecimalSlot::new(precision, scale).unwrap();
        slot.take_text(text)?;
        let array = slot.finish().unwrap();
        Ok(array.as_any().downcast_ref::<Decimal128Array>().unwrap().value(0))
    }

    #[test]
    fn a_decimal_fits_exactly_or_not_at_all() {
        for (text, value) in [
            ("1.50", 15),
            ("1.5", 15),
            ("-1.5", -15),
            ("+2", 20),
            (".5", 5),
            ("5.", 50),
            ("15e-1", 15),
            ("0.15E1", 15),
            ("1e2", 1000),
            ("-0", 0),
        ] {
            assert_eq!(convert(text, 4, 1), Ok(value), "{text}");
        }
        for text in ["1.55", "1e-2", "1000", "999.99", "1e4", "1e999999999999999999999"] {
            assert!(matches!(convert(text, 4, 1), Err(Misfit::Because(_))), "{text}");
        }
        for text in ["", ".", "-", "1,5", "1.2.3", " 1", "1 ", "e5", "1e", "1e1.5", "NaN", "1_0", "--1"] {
            assert_eq!(convert(text, 4, 1), Err(Misfit::Type), "{text}");
        }
    }

    #[test]
    fn thirty_eight_digits_are_held() {
        let nines = "9".repeat(38);
        assert_eq!(convert(&nines, 38, 0), Ok(10_i128.pow(38) - 1));
        assert_eq!(convert(&format!("{nines}.{}", "0".repeat(50)), 38, 0), Ok(10_i128.pow(38) - 1));
        assert_eq!(convert(&format!("0.{}", "0".repeat(100)), 4, 1), Ok(0));
        let far = format!("1{}e-2000000", "0".repeat(1_000_001));
        assert!(convert(&far, 4, 1).is_err(), "it is 1e-999999");
        assert!(convert(&"9".repeat(39), 38, 0).is_err());
        assert!(convert(&format!("{}1", "9".repeat(40)), 38, 0).is_err());
        assert!(convert(&format!("{}.{}5", "1".repeat(38), "0".repeat(10)), 38, 0).is_err(), "no digit is dropped");
    }

    #[test]
    fn what_is_wrong_with_a_decimal_is_told() {
        for (text, clause) in
            [("1e4", "out of range"), ("1000", "out of range"), ("1.55", "not exactly"), ("1e-2", "not exactly")]
        {
            assert_eq!(convert(text, 4, 1), Err(Misfit::Because(clause.to_owned())), "{text}");
        }
        let out_of_range = Misfit::Because("out of range".to_owned());
        assert_eq!(convert("1234567890123456789012.5", 38, 18), Err(out_of_range.clone()));
        assert_eq!(convert("12.5", 38, 38), Err(out_of_range.clone()));
        let mut slot = DecimalSlot::new(38, 30).unwrap();
        assert_eq!(slot.take_native(&Cell::Integer(i128::from(i64::MAX))), Err(out_of_range.clone()));
        assert_eq!(slot.take_native(&Cell::Decimal(i128::from(i64::MAX), 2)), Err(out_of_range));
    }

    #[test]
    fn huge_integers_are_those_of_38_digits() {
        let nines = "9".repeat(38);
        for (signed, text, fits) in [
            (true, "-1", true),
            (false, "-1", false),
            (false, "0", true),
            (false, &nines, true),
            (true, &format!("-{nines}"), true),
            (true, &format!("1{}", "0".repeat(38)), false),
        ] {
            let taken = DecimalSlot::huge_integer(signed).unwrap().take_text(text);
            let expected = if fits { Ok(()) } else { Err(Misfit::Because("out of range".to_owned())) };
            assert_eq!(taken, expected, "{text}");
        }
    }

    #[test]
    fn decimals_are_written_with_their_scale() {
        assert_eq!(render_decimal(-5, 2), "-0.05");
        assert_eq!(render_decimal(12345, 2), "123.45");
        assert_eq!(render_decimal(7, 0), "7");
        assert_eq!(render_decimal(7, -2), "700");
    }
}

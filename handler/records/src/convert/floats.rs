//! Floating point: the nearest number to what is written; refused where that would be another number than was meant
//! (infinity by overflow, zero by underflow, an integer that is not held).

use arrow::array::{Float32Builder, Float64Builder};

use super::cell::Cell;
use super::decimals::render_decimal;
use super::few::Few;
use super::{Misfit, Slot};

/// Whether a text is `[sign] digits [. digits] [e exponent]`, and if so whether it is written as an integer.
fn is_integer_literal(text: &str) -> Option<bool> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return (!unsigned.is_empty()).then_some(true);
    }
    let sound = unsigned.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    sound.then_some(false)
}

fn parse_word(text: &str) -> Option<f64> {
    let (sign, word) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    let known = [("nan", f64::NAN), ("inf", f64::INFINITY), ("infinity", f64::INFINITY)];
    known.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, value)| sign * value)
}

/// Whether the digits of an integer literal are exactly those of the float.
fn holds(text: &str, value: f64) -> bool {
    let digits = text.trim_start_matches(['-', '+']).trim_start_matches('0');
    let written = format!("{:.0}", value.abs());
    digits == written || (digits.is_empty() && written == "0")
}

fn refuse_range(zero: bool) -> Misfit {
    Misfit::Because(if zero { "too small" } else { "out of range" }.to_owned())
}

fn refuse_integer() -> Misfit {
    Misfit::Because("no such integer is held exactly".to_owned())
}

/// Whether a decimal literal has a digit other than zero before its exponent.
fn is_nonzero(text: &str) -> bool {
    text.bytes().take_while(|byte| !matches!(byte, b'e' | b'E')).any(|byte| (b'1'..=b'9').contains(&byte))
}

/// The powers of ten up to those that a number of few digits has; a double holds each of them.
const POWERS: [f64; 20] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19];

/// Reads a double where one division gives it: both of its numbers are exact, and so the result is the nearest double.
///
/// Source: W. D. Clinger, "How to Read Floating Point Numbers Accurately" (1990).
fn divide(text: &str) -> Option<f64> {
    let few = Few::parse(text).filter(|few| few.digits < 1 << 53)?;
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    let value = few.digits as f64 / POWERS.get(few.fraction.unwrap_or(0))?;
    Some(if few.is_negative() { -value } else { value })
}

/// Reads a double.
pub(crate) fn parse_double(text: &str) -> Result<f64, Misfit> {
    if let Some(value) = divide(text) {
        return Ok(value);
    }
    let Some(integer) = is_integer_literal(text) else {
        return parse_word(text).ok_or(Misfit::Type);
    };
    let value: f64 = text.parse().map_err(|_| Misfit::Type)?;
    if value.is_infinite() || (value == 0.0 && is_nonzero(text)) {
        return Err(refuse_range(value == 0.0));
    }
    if integer && text.len() > 15 && !holds(text, value) {
        return Err(refuse_integer());
    }
    Ok(value)
}

/// Reads a float.
fn parse_float(text: &str) -> Result<f32, Misfit> {
    let Some(integer) = is_integer_literal(text) else {
        let word = parse_word(text).ok_or(Misfit::Type)?;
        return Ok(narrow(word));
    };
    let value: f32 = text.parse().map_err(|_| Misfit::Type)?;
    if value.is_infinite() || (value == 0.0 && is_nonzero(text)) {
        return Err(refuse_range(value == 0.0));
    }
    if integer && text.len() > 7 && !holds(text, f64::from(value)) {
        return Err(refuse_integer());
    }
    Ok(value)
}

#[expect(clippy::cast_possible_truncation, reason = "the callers compare the result with what went in")]
fn narrow(value: f64) -> f32 {
    value as f32
}

#[derive(Default)]
pub(super) struct DoubleSlot(Float64Builder);

impl Slot for DoubleSlot {
    appends_to!(0);

    fn take_text(&mut self, text: &str) -> Result<(), Misfit> {
        self.0.append_value(parse_double(text)?);
        Ok(())
    }

    fn take_native(&mut self, cell: &Cell<'_>) -> Result<(), Misfit> {
        match cell {
            Cell::Double(value) => self.0.append_value(*value),
            Cell::Float(value) => self.0.append_value(f64::from(*value)),
            Cell::Integer(value) => return self.take_text(&value.to_string()),
            Cell::Decimal(value, scale) => return self.take_text(&render_decimal(*value, *scale)),
            _ => return Err(Misfit::Type),
        }
        Ok(())
    }
}

#[derive(Default)]
pub(super) struct FloatSlot(Float32Builder);

impl Slot for FloatSlot {
    appends_to!(0);

    fn take_text(&mut self, text: &str) -> Result<(), Misfit> {
        self.0.append_value(parse_float(text)?);
        Ok(())
    }

    fn take_native(&mut self, cell: &Cell<'_>) -> Result<(), Misfit> {
        match cell {
            Cell::Float(value) => self.0.append_value(*value),
            Cell::Double(value) if value.is_nan() || f64::from(narrow(*value)).to_bits() == value.to_bits() => {
                self.0.append_value(narrow(*value));
            }
            Cell::Double(_) => return Err(Misfit::Because("not exactly".to_owned())),
            Cell::Integer(value) => return self.take_text(&value.to_string()),
            Cell::Decimal(value, scale) => return self.take_text(&render_decimal(*value, *scale)),
            _ => return Err(Misfit::Type),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_the_nearest_number() {
        for (text, value) in [
            ("1.5", 1.5),
            ("-2", -2.0),
            ("+3e2", 300.0),
            (".5", 0.5),
            ("0.1", 0.1),
            ("9007199254740992", 9_007_199_254_740_992.0),
            ("1e22", 1e22),
            ("000000000000000000001", 1.0),
            ("00000000000000000000", 0.0),
            ("4.9e-324", 5e-324),
        ] {
            assert_eq!(parse_double(text), Ok(value), "{text}");
        }
        assert!(parse_double("NaN").unwrap().is_nan());
        assert_eq!(parse_double("-Infinity"), Ok(f64::NEG_INFINITY));
    }

    #[test]
    fn another_number_than_was_meant_is_refused() {
        for text in ["1e400", "-1e400", "1e-400", "9007199254740993", "12345678901234567890123"] {
            assert!(matches!(parse_double(text), Err(Misfit::Because(_))), "{text}");
        }
        assert!(matches!(parse_float("16777217"), Err(Misfit::Because(_))));
        assert_eq!(parse_float("16777216"), Ok(16_777_216.0));
        for text in ["", "-", "1,5", " 1", "1 ", "e5", "1e", "0x1p3", "1_0", "nano", "--1", "1-1"] {
            assert_eq!(parse_double(text), Err(Misfit::Type), "{text}");
        }
    }
}

//! Floating point: the nearest number to what is written; refused where that would be another number than was meant
//! (infinity by overflow, zero by underflow, an integer that is not held).

use std::fmt::{Display, LowerExp};

use arrow::array::{Float32Builder, Float64Builder};

use super::cell::Cell;
use super::decimals::render_decimal;
use super::few::Few;
use super::{Misfit, Slot};

/// The most digits of a double.
const DIGITS: usize = 767;

/// From here on a double does not hold every integer, and no fraction.
const SPARSE: f64 = 9_007_199_254_740_992.0;

/// [`SPARSE`] for a float.
const SPARSE_FLOAT: f32 = 16_777_216.0;

/// Whether a text has only what stands in `[sign] digits [. digits] [e exponent]`.
fn is_literal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'))
}

fn parse_word(text: &str) -> Option<f64> {
    let (negative, word) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let known = [("nan", f64::NAN), ("inf", f64::INFINITY), ("infinity", f64::INFINITY)];
    let (_, value) = *known.iter().find(|(name, _)| word.eq_ignore_ascii_case(name))?;
    // A product with NaN may have either sign.
    Some(if negative { -value } else { value })
}

/// Whether a literal is the number that was read from it, and not one beside it: with an exponent it only has to have the
/// digits that the number gives back, as each writer of numbers leaves out those behind them.
fn holds(text: &str, value: impl LowerExp + Display) -> bool {
    let unsigned = text.trim_start_matches(['-', '+']);
    if let Some((mantissa, _)) = unsigned.split_once(['e', 'E']) {
        return gives_back(value, &significant(mantissa));
    }
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let written = format!("{value:.0}");
    whole.trim_start_matches('0') == written.trim_start_matches('-') && fraction.bytes().all(|byte| byte == b'0')
}

/// The digits of a mantissa from the first to the last that is not zero.
pub(crate) fn significant(mantissa: &str) -> String {
    mantissa.replace(['-', '.'], "").trim_matches('0').to_owned()
}

/// Whether these are the digits of a number: as few as it can be told by, or correctly rounded to as many as there are.
pub(crate) fn gives_back(value: impl LowerExp, digits: &str) -> bool {
    let is = |written: String| written.split('e').next().is_some_and(|mantissa| significant(mantissa) == digits);
    digits.len() <= DIGITS && (is(format!("{value:e}")) || is(format!("{value:.*e}", digits.len().saturating_sub(1))))
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
    if !is_literal(text) {
        return parse_word(text).ok_or(Misfit::Type);
    }
    let value: f64 = text.parse().map_err(|_| Misfit::Type)?;
    if value.is_infinite() || (value == 0.0 && is_nonzero(text)) {
        return Err(refuse_range(value == 0.0));
    }
    if value.abs() >= SPARSE && !holds(text, value) {
        return Err(refuse_integer());
    }
    Ok(value)
}

/// Reads a float.
fn parse_float(text: &str) -> Result<f32, Misfit> {
    if !is_literal(text) {
        let word = parse_word(text).ok_or(Misfit::Type)?;
        return Ok(narrow(word));
    }
    let value: f32 = text.parse().map_err(|_| Misfit::Type)?;
    if value.is_infinite() || (value == 0.0 && is_nonzero(text)) {
        return Err(refuse_range(value == 0.0));
    }
    if value.abs() >= SPARSE_FLOAT && !holds(text, value) {
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
            ("9007199254740994.00", 9_007_199_254_740_994.0),
            ("6.02214076e23", 6.022_140_76e23),
            ("1.2345678901234568e+18", 1.234_567_890_123_456_8e18),
            ("1.1805916207174113034e21", 1_180_591_620_717_411_303_424.0),
        ] {
            assert_eq!(parse_double(text), Ok(value), "{text}");
        }
        assert!(parse_double("NaN").unwrap().is_nan());
        for text in ["NaN", "-NaN", "+nan", "-inf", "Infinity"] {
            let (double, float) = (parse_double(text).unwrap(), parse_float(text).unwrap());
            assert_eq!(double.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
            assert_eq!(float.to_bits(), text.parse::<f32>().unwrap().to_bits(), "{text}");
        }
        for (text, value) in [("-Infinity", f64::NEG_INFINITY), ("+inf", f64::INFINITY), ("INF", f64::INFINITY)] {
            assert_eq!(parse_double(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_number_is_told() {
        for (text, clause) in [("1e400", "out of range"), ("-1e-400", "too small")] {
            assert_eq!(parse_double(text), Err(Misfit::Because(clause.to_owned())), "{text}");
            assert_eq!(parse_float(text), Err(Misfit::Because(clause.to_owned())), "{text}");
        }
    }

    #[test]
    fn another_number_than_was_meant_is_refused() {
        for text in [
            "1e400",
            "-1e400",
            "1e-400",
            "9007199254740993",
            "12345678901234567890123",
            "9007199254740993.0",
            "-009007199254740993.00",
            "9007199254740993.5",
            "9007199254740993e0",
            "90071992547409930e-1",
            "9.007199254740993E+15",
            "1.2345678901234567e18",
        ] {
            assert!(matches!(parse_double(text), Err(Misfit::Because(_))), "{text}");
        }
        for text in ["16777217", "16777217.0", "16777217e0", "1.6777217e7"] {
            assert!(matches!(parse_float(text), Err(Misfit::Because(_))), "{text}");
        }
        for text in ["16777216", "16777218.0", "3.4028235e38", "1e20"] {
            assert_eq!(parse_float(text), Ok(text.parse().unwrap()), "{text}");
        }
        for text in ["", "-", "1,5", " 1", "1 ", "e5", "1e", "0x1p3", "1_0", "nano", "--1", "1-1"] {
            assert_eq!(parse_double(text), Err(Misfit::Type), "{text}");
        }
    }
}

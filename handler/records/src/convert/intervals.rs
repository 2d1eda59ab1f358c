//! Intervals: durations as ISO 8601 writes them, `P1Y2M3W4DT5H6M7.89S`; months, days and microseconds, exactly.

use arrow::array::IntervalMonthDayNanoBuilder;
use arrow::datatypes::IntervalMonthDayNano;

use super::cell::Cell;
use super::decimals::render_decimal;
use super::temporal::parse_fraction;
use super::{Misfit, Slot};

/// The designators in their order, and what each counts: months, days or nanoseconds.
const DATE: [(u8, [i64; 3]); 4] = [(b'Y', [12, 0, 0]), (b'M', [1, 0, 0]), (b'W', [0, 7, 0]), (b'D', [0, 1, 0])];
const TIME: [(u8, [i64; 3]); 3] =
    [(b'H', [0, 0, 3_600_000_000_000]), (b'M', [0, 0, 60_000_000_000]), (b'S', [0, 0, 1_000_000_000])];

/// Months, days and nanoseconds.
fn parse_interval(text: &str) -> Option<[i64; 3]> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let sign = if unsigned.len() < text.len() { -1 } else { 1 };
    let parts = unsigned.strip_prefix('P')?;
    let (date, time) = parts.split_once('T').map_or((parts, None), |(date, time)| (date, Some(time)));
    let mut sum = [0; 3];
    if (date.is_empty() && time.is_none()) || time.is_some_and(str::is_empty) {
        return None;
    }
    add(date, &DATE, sign, &mut sum)?;
    add(time.unwrap_or_default(), &TIME, sign, &mut sum)?;
    Some(sum)
}

/// An interval as text, from months, days and nanoseconds.
pub(crate) fn render_interval(months: i64, days: i64, nanoseconds: i64) -> String {
    let seconds = render_decimal(nanoseconds.into(), 9);
    format!("P{months}M{days}DT{}S", seconds.trim_end_matches('0').trim_end_matches('.'))
}

/// Adds numbers with their designators, each at most once and in order.
fn add(mut text: &str, mut designators: &[(u8, [i64; 3])], sign: i64, sum: &mut [i64; 3]) -> Option<()> {
    while !text.is_empty() {
        let end = text.find(|letter: char| !letter.is_ascii_digit())?;
        let number: i64 = text[..end].parse().ok()?;
        let (fraction, rest) = match text[end..].strip_prefix('.') {
            Some(rest) => rest.split_at(rest.find('S')?),
            None => ("", &text[end..]),
        };
        let letter = *rest.as_bytes().first()?;
        let place = designators.iter().position(|(designator, _)| *designator == letter)?;
        for (part, unit) in sum.iter_mut().zip(designators[place].1) {
            *part = number.checked_mul(unit)?.checked_mul(sign)?.checked_add(*part)?;
        }
        if text.as_bytes().get(end) == Some(&b'.') {
            sum[2] = sum[2].checked_add(sign * i64::from(parse_fraction(fraction.as_bytes())?) * 1000)?;
        }
        (designators, text) = (&designators[place + 1..], &rest[1..]);
    }
    Some(())
}

#[derive(Default)]
pub(super) struct IntervalSlot(IntervalMonthDayNanoBuilder);

impl Slot for IntervalSlot {
    appends_to!(0);

    fn take_text(&mut self, text: &str) -> Result<(), Misfit> {
        let [months, days, nanoseconds] = parse_interval(text).ok_or(Misfit::Type)?;
        let narrow = |value: i64| i32::try_from(value).map_err(|_| Misfit::Because("out of range".to_owned()));
        self.0.append_value(IntervalMonthDayNano::new(narrow(months)?, narrow(days)?, nanoseconds));
        Ok(())
    }

    fn take_native(&mut self, cell: &Cell<'_>) -> Result<(), Misfit> {
        let Cell::Interval(interval) = cell else { return Err(Misfit::Type) };
        self.0.append_value(*interval);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_iso_8601_writes_them() {
        for (text, value) in [
            ("P1Y2M3W4D", [14, 25, 0]),
            ("PT1H", [0, 0, 3_600_000_000_000]),
            ("P1DT1M1.5S", [0, 1, 61_500_000_000]),
            ("-P1MT0.000001S", [-1, 0, -1000]),
            ("PT0S", [0, 0, 0]),
        ] {
            assert_eq!(parse_interval(text), Some(value), "{text}");
        }
        let wrong = [
            "",
            "P",
            "PT",
            "P1",
            "P1H",
            "1D",
            "P1D1Y",
            "P1D1D",
            "P1DT",
            "PT1.5H",
            "PT1.S",
            "P 1D",
            "PT1.0000001S",
            "p1d",
        ];
        for text in wrong.into_iter().chain(["P99999999999999999999D"]) {
            assert_eq!(parse_interval(text), None, "{text}");
        }
    }
}

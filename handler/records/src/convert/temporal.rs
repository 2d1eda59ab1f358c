//! Dates, times and timestamps: ISO 8601 by default, or the declared layout; microseconds, exactly.

use std::ops::Range;

use arrow::array::{Date32Builder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder};

use super::cell::Cell;
use super::layout::Layout;
use super::{Misfit, Slot};
use crate::types::Type;

/// Microseconds in a day.
pub(crate) const DAY: i64 = 86_400_000_000;

/// Days since 1970 in the years 1 to 9999, which are those of all who read dates.
pub(crate) const DAYS: Range<i32> = -719_162..2_932_897;

/// The microseconds of these days.
pub(crate) const MOMENTS: Range<i64> = DAYS.start as i64 * DAY..DAYS.end as i64 * DAY;

/// A date and time as written, and the seconds that its zone is ahead of UTC where it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) microseconds: i64,
    pub(crate) offset: Option<i32>,
}

impl Moment {
    /// The moment in UTC.
    fn in_utc(self) -> i64 {
        self.microseconds - i64::from(self.offset.unwrap_or(0)) * 1_000_000
    }
}

/// The number that exactly these digits are.
pub(super) fn parse_number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}

/// Days since 1970 of a date in the years 1 to 9999.
pub(super) fn count_days(year: u32, month: u32, day: u32) -> Option<i32> {
    const LENGTHS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = LENGTHS.get(usize::try_from(month).ok()?.checked_sub(1)?)? + u32::from(leap && month == 2);
    if !(1..=9999).contains(&year) || !(1..=length).contains(&day) {
        return None;
    }
    // Years begin in March here, so that the leap day is their last one.
    let year = if month <= 2 { year - 1 } else { year };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(i32::try_from(days).ok()? - 719_468)
}

/// `YYYY-MM-DD`.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    parse_date_bytes(text.as_bytes())
}

fn parse_date_bytes(bytes: &[u8]) -> Option<i32> {
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    count_days(parse_number(&bytes[..4])?, parse_number(&bytes[5..7])?, parse_number(&bytes[8..])?)
}

/// `HH:MM[:SS[.ffffff]]`, as microseconds of the day.
fn parse_time(bytes: &[u8]) -> Option<i64> {
    if bytes.len() < 5 || bytes[2] != b':' {
        return None;
    }
    let (hour, minute) = (parse_number(&bytes[..2])?, parse_number(&bytes[3..5])?);
    let (second, fraction) = match &bytes[5..] {
        [] => (0, 0),
        [b':', tens, ones] => (parse_number(&[*tens, *ones])?, 0),
        [b':', tens, ones, b'.', digits @ ..] => (parse_number(&[*tens, *ones])?, parse_fraction(digits)?),
        _ => return None,
    };
    compose_time(hour, minute, second, fraction)
}

/// Microseconds of the day, if the clock has such a time.
pub(super) fn compose_time(hour: u32, minute: u32, second: u32, fraction: u32) -> Option<i64> {
    (hour < 24 && minute < 60 && second < 60)
        .then(|| i64::from(hour * 3600 + minute * 60 + second) * 1_000_000 + i64::from(fraction))
}

/// Digits after the point of a second, as microseconds; digits beyond them must be zeros.
pub(super) fn parse_fraction(digits: &[u8]) -> Option<u32> {
    let (kept, beyond) = digits.split_at(digits.len().min(6));
    if kept.is_empty() || beyond.iter().any(|byte| *byte != b'0') {
        return None;
    }
    let places = u32::try_from(kept.len()).ok()?;
    Some(parse_number(kept)? * 10_u32.pow(6 - places))
}

/// `Z`, `+HH`, `+HH:MM` or `+HHMM` (also `-`), as seconds ahead of UTC.
pub(super) fn parse_offset(bytes: &[u8]) -> Option<i32> {
    let (sign, digits) = match bytes {
        b"Z" => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits {
        [_, _] => (digits, &b"00"[..]),
        [_, _, b':', _, _] => (&digits[..2], &digits[3..]),
        [_, _, _, _] => digits.split_at(2),
        _ => return None,
    };
    let (hours, minutes) = (parse_number(hours)?, parse_number(minutes)?);
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    (hours < 24 && minutes < 60).then_some(sign * seconds)
}

/// A date, and after a space or `T` a time, and then perhaps a zone: an offset, `Z` or ` UTC`. A date alone is its midnight.
pub(crate) fn parse_moment(text: &str) -> Option<Moment> {
    let bytes = text.as_bytes();
    if bytes.len() < 10 {
        return None;
    }
    let (date, rest) = bytes.split_at(10);
    let midnight = i64::from(parse_date_bytes(date)?) * DAY;
    let rest = match rest {
        [] => return Some(Moment { microseconds: midnight, offset: None }),
        [b' ' | b'T', rest @ ..] => rest,
        _ => return None,
    };
    let (time, offset) = if let Some(time) = rest.strip_suffix(b" UTC") {
        (time, Some(0))
    } else if let Some(position) = rest.iter().position(|byte| matches!(byte, b'Z' | b'+' | b'-')) {
        (&rest[..position], Some(parse_offset(&rest[position..])?))
    } else {
        (rest, None)
    };
    Some(Moment { microseconds: midnight + parse_time(time)?, offset })
}

/// Microseconds from nanoseconds, where nothing is lost.
fn round_down(nanoseconds: i128) -> Result<i64, Misfit> {
    if nanoseconds % 1000 != 0 {
        return Err(refuse_digits());
    }
    i64::try_from(nanoseconds / 1000).map_err(|_| refuse_range())
}

/// Why a text is none: it may be one but for the digits behind six of its fraction.
fn refuse_text(text: &str, is_one: impl Fn(&str) -> bool) -> Misfit {
    let (whole, fraction) = text.split_at(text.find('.').map_or(text.len(), |point| point + 1));
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    let is_finer = digits > 6 && is_one(&[whole, &fraction[..6], &fraction[digits..]].concat());
    if is_finer { refuse_digits() } else { Misfit::Type }
}

fn refuse_digits() -> Misfit {
    Misfit::Rule("has digits beyond microseconds".to_owned())
}

pub(super) fn refuse_range() -> Misfit {
    Misfit::Because("out of range".to_owned())
}

pub(super) struct DateSlot {
    builder: Date32Builder,
    layout: Option<Layout>,
}

impl DateSlot {
    pub(super) fn new(layout: Option<Layout>) -> Self {
        Self { builder: Date32Builder::new(), layout }
    }
}

impl Slot for DateSlot {
    appends_to!(builder);

    fn take_text(&mut self, text: &str) -> Result<(), Misfit> {
        let days = match &self.layout {
            Some(layout) => layout.parse_date(text).ok_or_else(|| layout.refuse())?,
            None => parse_date(text).ok_or(Misfit::Type)?,
        };
        self.builder.append_value(days);
        Ok(())
    }

    fn take_native(&mut self, cell: &Cell<'_>) -> Result<(), Misfit> {
        let Cell::Date(days) = cell else { return Err(Misfit::Type) };
        if !DAYS.contains(days) {
            return Err(refuse_range());
        }
        self.builder.append_value(*days);
        Ok(())
    }
}

pub(super) struct TimeSlot {
    builder: Time64MicrosecondBuilder,
    layout: Option<Layout>,
}

impl TimeSlot {
    pub(super) fn new(layout: Option<Layout>) -> Self {
        Self { builder: Time64MicrosecondBuilder::new(), layout }
    }
}

impl Slot for TimeSlot {
    appends_to!(builder);

    fn take_text(&mut self, text: &str) -> Result<(), Misfit> {
        let time = match &self.layout {
            Some(layout) => layout.parse_time(text).ok_or_else(|| layout.refuse())?,
            None => parse_time(text.as_bytes())
                .ok_or_else(|| refuse_text(text, |kept| parse_time(kept.as_bytes()).is_some()))?,
        };
        self.builder.append_value(time);
        Ok(())
    }

    fn take_native(&mut self, cell: &Cell<'_>) -> Result<(), Misfit> {
        let Cell::Time(nanoseconds) = cell else { return Err(Misfit::Type) };
        let time = round_down(i128::from(*nanoseconds))?;
        if !(0..DAY).contains(&time) {
            return Err(refuse_range());
        }
        self.builder.append_value(time);
        Ok(())
    }
}

/// Timestamps with and without time zone.
pub(super) struct TimestampSlot {
    builder: TimestampMicrosecondBuilder,
    layout: Option<Layout>,
    zoned: bool,
    /// The microseconds of which a value is a multiple.
    grain: i64,
}

impl TimestampSlot {
    pub(super) fn new(layout: Option<Layout>, data_type: &Type) -> Self {
        let zoned = *data_type == Type::TimestampTz;
        let grain = match data_type {
            Type::TimestampS => 1_000_000,
            Type::TimestampMs => 1000,
            _ => 1,
        };
        let builder = TimestampMicrosecondBuilder::new().with_timezone_opt(zoned.then_some("UTC"));
        Self { builder, layout, zoned, grain }
    }

    fn append(&mut self, microseconds: i64) -> Result<(), Misfit> {
        if !MOMENTS.contains(&microseconds) {
            return Err(refuse_range());
        }
        if microseconds % self.grain != 0 {
            return Err(Misfit::Because("it is finer".to_owned()));
        }
        self.builder.append_value(microseconds);
        Ok(())
    }

    fn check_zone(&self, zoned: bool) -> Result<(), Misfit> {
        match (self.zoned, zoned) {
            (false, true) => Err(Misfit::Rule("carries a time zone; declare TIMESTAMPTZ".to_owned())),
            (true, false) => Err(Misfit::Rule("carries no time zone; declare TIMESTAMP".to_owned())),
            _ => Ok(()),
        }
    }
}

impl Slot for TimestampSlot {
    appends_to!(builder);

    fn take_text(&mut self, text: &str) -> Result<(), Misfit> {
        let moment = match &self.layout {
            Some(layout) => layout.parse_moment(text).ok_or_else(|| layout.refuse())?,
            None => parse_moment(text).ok_or_else(|| refuse_text(text, |kept| parse_moment(kept).is_some()))?,
        };
        self.check_zone(moment.offset.is_some())?;
        self.append(moment.in_utc())
    }

    fn take_native(&mut self, cell: &Cell<'_>) -> Result<(), Misfit> {
        match cell {
            Cell::Moment { nanoseconds, zoned } => {
                self.check_zone(*zoned)?;
                self.append(round_down(*nanoseconds)?)
            }
            Cell::Date(days) if !self.zoned => self.append(i64::from(*days).checked_mul(DAY).ok_or_else(refuse_range)?),
            _ => Err(Misfit::Type),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{Datelike, NaiveDate};

    use super::*;

    #[test]
    fn every_day_of_the_calendar_is_counted_as_chrono_counts() {
        let epoch = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        let mut day = NaiveDate::from_ymd_opt(1, 1, 1).unwrap();
        while day.year() < 10_000 {
            let days = i32::try_from(day.signed_duration_since(epoch).num_days()).unwrap();
            assert_eq!(count_days(day.year().unsigned_abs(), day.month(), day.day()), Some(days), "{day}");
            day = day.succ_opt().unwrap();
        }
    }

    #[test]
    fn only_days_of_the_calendar_are_dates() {
        assert_eq!(parse_date("1970-01-02"), Some(1));
        assert_eq!(parse_date("2024-02-29"), Some(19_782));
        for text in [
            "2023-02-29",
            "1900-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-01-00",
            "2024-1-1",
            "0000-01-01",
            "2024-01-01 ",
            "24-01-01",
            "2024/01/01",
            "2024/01-01",
            "2024-01/01",
            "+024-01-01",
            "",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    #[test]
    fn timestamps_are_read_to_the_microsecond() {
        let minute = 60_000_000;
        for (text, microseconds, offset) in [
            ("1970-01-01", 0, None),
            ("1970-01-01 00:01", minute, None),
            ("1970-01-01T00:01:00", minute, None),
            ("1970-01-01T00:01:00.5", minute + 500_000, None),
            ("1970-01-01 00:01:00.000001000", minute + 1, None),
            ("1970-01-01 00:01:00Z", minute, Some(0)),
            ("1970-01-01 00:01:00 UTC", minute, Some(0)),
            ("1970-01-01 00:01+02", minute, Some(7200)),
            ("1970-01-01T00:01:00.5-0230", minute + 500_000, Some(-9000)),
            ("1970-01-01T00:01:00+05:30", minute, Some(19_800)),
        ] {
            assert_eq!(parse_moment(text), Some(Moment { microseconds, offset }), "{text}");
        }
        for text in [
            "1970-01-01 ",
            "1970-01-01T",
            "1970-01-01 24:00",
            "1970-01-01 00:60",
            "1970-01-01 00:00:60",
            "1970-01-01 00:00:00.",
            "1970-01-01 00:00:00.0000001",
            "1970-01-01 1:00",
            "1970-01-01  01:00",
            "1970-01-01 00:00+25",
            "1970-01-01 00:00+24",
            "1970-01-01 00:00+01:60",
            "1970-01-01 00:00 +01",
            "1970-01-01 00:00z",
            "1970-01-01Z",
            "1970-01-01 é",
        ] {
            assert_eq!(parse_moment(text), None, "{text}");
        }
    }

    #[test]
    fn a_zone_belongs_to_timestamptz_only() {
        let mut plain = TimestampSlot::new(None, &Type::Timestamp);
        let mut zoned = TimestampSlot::new(None, &Type::TimestampTz);
        assert_eq!(
            plain.take_text("2024-01-01T00:00:00Z"),
            Err(Misfit::Rule("carries a time zone; declare TIMESTAMPTZ".to_owned()))
        );
        assert_eq!(
            zoned.take_text("2024-01-01T00:00:00"),
            Err(Misfit::Rule("carries no time zone; declare TIMESTAMP".to_owned()))
        );
        assert_eq!(zoned.take_text("1970-01-01T02:00:00+02:00"), Ok(()));
        let array = zoned.finish().unwrap();
        assert_eq!(array.data_type(), &Type::TimestampTz.arrow());
        let mut seconds = TimestampSlot::new(None, &Type::TimestampS);
        assert_eq!(seconds.take_text("2024-01-01T00:00:01.0"), Ok(()));
        assert_eq!(seconds.take_text("2024-01-01T00:00:01.5"), Err(Misfit::Because("it is finer".to_owned())));
        let finer = Err(Misfit::Rule("has digits beyond microseconds".to_owned()));
        assert_eq!(plain.take_text("2024-01-01T00:00:00.0000001"), finer);
        assert_eq!(zoned.take_text("2024-01-01T00:00:00.123456789Z"), finer);
        assert_eq!(zoned.take_text("2024-01-01T00:00:00.1234567+01:00"), finer);
        assert_eq!(zoned.take_text("2024-01-01T00:00:00.1234567x"), Err(Misfit::Type));
        assert_eq!(TimeSlot::new(None).take_text("10:00:00.0000001"), finer);
        assert_eq!(plain.take_text("2024-01-01T00:00:00.000000x"), Err(Misfit::Type));
        assert_eq!(plain.take_text("2024-01-32T00:00:00.0000001"), Err(Misfit::Type));
    }

    #[test]
    fn a_zone_leads_out_of_the_calendar_to_no_timestamp() {
        let mut slot = TimestampSlot::new(None, &Type::TimestampTz);
        for (text, sound) in [
            ("0001-01-01T00:00:00Z", true),
            ("0001-01-01T14:00:00+14:00", true),
            ("0001-01-01T13:59:59.999999+14:00", false),
            ("9999-12-31T23:59:59.999999Z", true),
            ("9999-12-31T11:59:59.999999-12:00", true),
            ("9999-12-31T12:00:00-12:00", false),
        ] {
            let expected = if sound { Ok(()) } else { Err(Misfit::Because("out of range".to_owned())) };
            assert_eq!(slot.take_text(text), expected, "{text}");
        }
    }
}

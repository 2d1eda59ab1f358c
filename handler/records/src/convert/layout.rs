//! A declared way to write dates and times, in strptime's words. The whole text must be consumed, and every word must agree.

use super::Misfit;
use super::temporal::{DAY, Moment, compose_time, count_days, parse_fraction, parse_number, parse_offset};
use crate::types::Type;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// A format, understood.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    format: String,
    words: Vec<Word>,
    /// How long the text of each word is at least.
    least: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Letter(char),
    Year,
    ShortYear,
    Month,
    MonthName { whole: bool },
    Day,
    DayOfYear,
    WeekdayName { whole: bool },
    Hour,
    HalfDayHour,
    HalfDay,
    Minute,
    Second,
    Fraction { digits: usize },
    Zone,
}

/// What the words of one text said.
#[derive(Debug, Default)]
struct Parts {
    year: Option<u32>,
    month: Option<u32>,
    day: Option<u32>,
    day_of_year: Option<u32>,
    weekday: Option<i32>,
    hour: Option<u32>,
    afternoon: Option<bool>,
    minute: u32,
    second: u32,
    fraction: u32,
    offset: Option<i32>,
}

impl Layout {
    pub(crate) fn new(format: &str, data_type: &Type) -> Result<Self, String> {
        let mut words = Vec::new();
        split_words(format, &mut words)?;
        let least = least_lengths(&words);
        let layout = Self { format: format.to_owned(), words, least };
        let (date, time, zone) = match data_type {
            Type::Date => (true, Some(false), false),
            Type::Time => (false, Some(true), false),
            Type::Timestamp | Type::TimestampS | Type::TimestampMs => (true, None, false),
            Type::TimestampTz => (true, None, true),
            other => return Err(format!("{other} takes no format")),
        };
        layout.check_words()?;
        let sound = layout.has_date() == date
            && layout.has_words_of(Word::is_date) == date
            && time.is_none_or(|time| layout.has_words_of(Word::is_time) == time);
        if !sound || layout.has(Word::Zone) != zone {
            return Err(format!("the format {format:?} does not write a {data_type}"));
        }
        Ok(layout)
    }

    /// No word twice, and each with those it needs.
    fn check_words(&self) -> Result<(), String> {
        let repeated = self.words.iter().enumerate().any(|(position, word)| {
            !matches!(word, Word::Letter(_))
                && self.words[..position].iter().any(|other| other.meaning() == word.meaning())
        });
        let halves = self.has(Word::HalfDayHour) == self.has(Word::HalfDay);
        let hours = !self.has_words_of(Word::is_time) || self.has(Word::Hour) != self.has(Word::HalfDayHour);
        let fraction = !self.words.iter().any(|word| matches!(word, Word::Fraction { .. })) || self.has(Word::Second);
        let second = !self.has(Word::Second) || self.has(Word::Minute);
        if repeated || !halves || !hours || !fraction || !second {
            return Err(format!("the format {:?} says a thing twice, or half of a thing", self.format));
        }
        Ok(())
    }

    fn has(&self, word: Word) -> bool {
        self.words.contains(&word)
    }

    fn has_words_of(&self, kind: fn(&Word) -> bool) -> bool {
        self.words.iter().any(kind)
    }

    fn has_date(&self) -> bool {
        let year = self.has(Word::Year) || self.has(Word::ShortYear);
        let month = self.has(Word::Month) || self.words.iter().any(|word| matches!(word, Word::MonthName { .. }));
        year && ((month && self.has(Word::Day) && !self.has(Word::DayOfYear))
            || (self.has(Word::DayOfYear) && !month && !self.has(Word::Day)))
    }

    pub(super) fn refuse(&self) -> Misfit {
        Misfit::Because(format!("as {:?} writes it", self.format))
    }

    pub(super) fn parse_date(&self, text: &str) -> Option<i32> {
        self.read(text)?.date()
    }

    pub(super) fn parse_time(&self, text: &str) -> Option<i64> {
        self.read(text)?.time()
    }

    pub(super) fn parse_moment(&self, text: &str) -> Option<Moment> {
        let parts = self.read(text)?;
        Some(Moment { microseconds: i64::from(parts.date()?) * DAY + parts.time()?, offset: parts.offset })
    }

    fn read(&self, text: &str) -> Option<Parts> {
        let mut parts = Parts::default();
        let mut rest = text;
        for (word, least) in self.words.iter().zip(&self.least) {
            let behind = parts.take(*word, rest)?;
            if rest.len() - behind.len() < *least {
                return None;
            }
            rest = behind;
        }
        rest.is_empty().then_some(parts)
    }
}

/// How long the text of each word is at least. A number may be short, but not where nothing parts it from another one: no
/// one could tell whose digit is missing.
fn least_lengths(words: &[Word]) -> Vec<usize> {
    let digits: Vec<Option<usize>> = words.iter().map(|word| word.digits()).collect();
    let is_number = |place: usize| digits.get(place).is_some_and(Option::is_some);
    let is_beside = |place: usize| is_number(place + 1) || place.checked_sub(1).is_some_and(is_number);
    digits.iter().enumerate().map(|(place, digits)| digits.filter(|_| is_beside(place)).unwrap_or(0)).collect()
}

impl Word {
    fn is_date(&self) -> bool {
        matches!(
            self,
            Self::Year
                | Self::ShortYear
                | Self::Month
                | Self::MonthName { .. }
                | Self::Day
                | Self::DayOfYear
                | Self::WeekdayName { .. }
        )
    }

    fn is_time(&self) -> bool {
        matches!(
            self,
            Self::Hour | Self::HalfDayHour | Self::HalfDay | Self::Minute | Self::Second | Self::Fraction { .. }
        )
    }

    /// How many digits there are in a number that is not short; `None` for what is no number of that kind.
    fn digits(self) -> Option<usize> {
        match self {
            Self::Year => Some(4),
            Self::DayOfYear => Some(3),
            Self::ShortYear
            | Self::Month
            | Self::Day
            | Self::Hour
            | Self::HalfDayHour
            | Self::Minute
            | Self::Second => Some(2),
            _ => None,
        }
    }

    /// Words that say the same thing share a letter.
    fn meaning(self) -> char {
        match self {
            Self::Letter(letter) => letter,
            Self::Year | Self::ShortYear => 'Y',
            Self::Month | Self::MonthName { .. } => 'm',
            Self::Day => 'd',
            Self::DayOfYear => 'j',
            Self::WeekdayName { .. } => 'a',
            Self::Hour | Self::HalfDayHour => 'H',
            Self::HalfDay => 'p',
            Self::Minute => 'M',
            Self::Second => 'S',
            Self::Fraction { .. } => 'f',
            Self::Zone => 'z',
        }
    }
}

fn split_words(format: &str, words: &mut Vec<Word>) -> Result<(), String> {
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            words.push(Word::Letter(letter));
            continue;
        }
        let name = letters.next().and_then(|name| if name == '-' { letters.next() } else { Some(name) });
        words.push(match name {
            Some('%') => Word::Letter('%'),
            Some('Y') => Word::Year,
            Some('y') => Word::ShortYear,
            Some('m') => Word::Month,
            Some('b' | 'h') => Word::MonthName { whole: false },
            Some('B') => Word::MonthName { whole: true },
            Some('d') => Word::Day,
            Some('j') => Word::DayOfYear,
            Some('a') => Word::WeekdayName { whole: false },
            Some('A') => Word::WeekdayName { whole: true },
            Some('H') => Word::Hour,
            Some('I') => Word::HalfDayHour,
            Some('p') => Word::HalfDay,
            Some('M') => Word::Minute,
            Some('S') => Word::Second,
            Some('f') => Word::Fraction { digits: 6 },
            Some('g') => Word::Fraction { digits: 3 },
            Some('z') => Word::Zone,
            Some('F') => {
                split_words("%Y-%m-%d", words)?;
                continue;
            }
            Some('D') => {
                split_words("%m/%d/%y", words)?;
                continue;
            }
            Some('T') => {
                split_words("%H:%M:%S", words)?;
                continue;
            }
            Some('R') => {
                split_words("%H:%M", words)?;
                continue;
            }
            Some(other) => return Err(format!("unknown word %{other} in the format {format:?}")),
            None => return Err(format!("the format {format:?} ends in the middle of a word")),
        });
    }
    Ok(())
}

/// Takes 1 to `most` digits off the front.
fn take_digits(text: &str, most: usize) -> Option<(&[u8], &str)> {
    let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    (count > 0).then(|| (&text.as_bytes()[..count], &text[count..]))
}

fn take_number(text: &str, most: usize) -> Option<(u32, &str)> {
    let (digits, rest) = take_digits(text, most)?;
    Some((parse_number(digits)?, rest))
}

/// Takes one of the names off the front, in any case; the longest where they begin alike. Says which it was.
fn take_name<'t>(text: &'t str, names: &[&str], whole: bool) -> Option<(u32, &'t str)> {
    let cut = |name: &str| if whole { name.len() } else { 3 };
    let position = names
        .iter()
        .position(|name| text.get(..cut(name)).is_some_and(|start| start.eq_ignore_ascii_case(&name[..cut(name)])))?;
    Some((u32::try_from(position).ok()?, &text[cut(names[position])..]))
}

impl Parts {
    /// Takes what a word stands for off the front of the text, and gives what is left.
    fn take<'t>(&mut self, word: Word, text: &'t str) -> Option<&'t str> {
        let (number, rest) = match word {
            Word::Letter(letter) => return text.strip_prefix(letter),
            Word::Zone => return self.take_zone(text),
            Word::HalfDay => return self.take_half(text),
            Word::Fraction { digits } => {
                let (digits, rest) = take_digits(text, digits)?;
                (parse_fraction(digits)?, rest)
            }
            Word::MonthName { whole } => take_name(text, &MONTHS, whole)?,
            Word::WeekdayName { whole } => take_name(text, &WEEKDAYS, whole)?,
            Word::Year => take_number(text, 4).filter(|(_, rest)| text.len() - rest.len() == 4)?,
            Word::ShortYear => take_number(text, 2).filter(|(_, rest)| text.len() - rest.len() == 2)?,
            Word::DayOfYear => take_number(text, 3)?,
            _ => take_number(text, 2)?,
        };
        match word {
            Word::Year => self.year = Some(number),
            Word::ShortYear => self.year = Some(if number < 69 { 2000 + number } else { 1900 + number }),
            Word::Month => self.month = Some(number),
            Word::MonthName { .. } => self.month = Some(number + 1),
            Word::Day => self.day = Some(number),
            Word::DayOfYear => self.day_of_year = Some(number),
            Word::WeekdayName { .. } => self.weekday = i32::try_from(number).ok(),
            Word::Hour => self.hour = Some(number),
            Word::HalfDayHour => self.hour = Some((1..=12).contains(&number).then_some(number % 12)?),
            Word::Minute => self.minute = number,
            Word::Second => self.second = number,
            Word::Fraction { .. } => self.fraction = number,
            Word::Letter(_) | Word::Zone | Word::HalfDay => {}
        }
        Some(rest)
    }

    fn take_half<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let (position, rest) = take_name(text, &["am", "pm"], true)?;
        self.afternoon = Some(position == 1);
        Some(rest)
    }

    fn take_zone<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let length = [6, 5, 3, 1]
            .into_iter()
            .find(|length| text.get(..*length).is_some_and(|zone| parse_offset(zone.as_bytes()).is_some()))?;
        self.offset = parse_offset(&text.as_bytes()[..length]);
        Some(&text[length..])
    }

    fn date(&self) -> Option<i32> {
        let year = self.year?;
        let days = match self.day_of_year {
            Some(day) => {
                let days = count_days(year, 1, 1)? + i32::try_from(day).ok()? - 1;
                (day > 0 && days <= count_days(year, 12, 31)?).then_some(days)?
            }
            None => count_days(year, self.month?, self.day?)?,
        };
        // 1970 began on a Thursday.
        self.weekday.is_none_or(|weekday| (days + 3).rem_euclid(7) == weekday).then_some(days)
    }

    fn time(&self) -> Option<i64> {
        let half = if self.afternoon == Some(true) { 12 } else { 0 };
        compose_time(self.hour.unwrap_or(0) + half, self.minute, self.second, self.fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_format;

    fn moment(format: &str, text: &str) -> Option<i64> {
        Layout::new(format, &Type::Timestamp).unwrap().parse_moment(text).map(|moment| moment.microseconds)
    }

    #[test]
    fn the_words_are_strptime_s() {
        let noon = Some(12 * 3_600_000_000);
        for (format, text) in [
            ("%d.%m.%Y %H:%M", "01.01.1970 12:00"),
            ("%d.%m.%Y %H:%M", "1.1.1970 12:0"),
            ("%m/%d/%y %I:%M %p", "01/01/70 12:00 PM"),
            ("%d-%b-%Y %T", "01-JAN-1970 12:00:00"),
            ("%A, %d %B %Y %R", "Thursday, 1 January 1970 12:00"),
            ("%a %Y%j %H%M%S", "Thu 1970001 120000"),
            ("%Y%m%dT%H%M%S.%f", "19700101T120000.0"),
            ("%F %H%%", "1970-01-01 12%"),
        ] {
            assert_eq!(moment(format, text), noon, "{format} {text}");
        }
        assert_eq!(moment("%F %T.%f", "1970-01-01 00:00:00.5"), Some(500_000));
        assert_eq!(moment("%F %T.%g", "1970-01-01 00:00:00.05"), Some(50_000));
        assert_eq!(moment("%F %I %p", "1970-01-01 12 am"), Some(0));
    }

    #[test]
    fn every_format_gives_what_chrono_wrote_with_it() {
        use chrono::{DateTime, Datelike};
        let formats = [
            ("%d.%m.%Y %H:%M:%S", 0..10_000),
            ("%-d/%-m/%Y %-H:%M:%S", 0..10_000),
            ("%A, %d %B %Y %T", 0..10_000),
            ("%a %b %d %T %Y", 0..10_000),
            ("%Y%j%H%M%S", 0..10_000),
            ("%F %I:%M:%S %p", 0..10_000),
            ("%D %T", 1969..2069),
        ];
        let (first, last) = (-62_135_596_800_i64, 253_402_300_799);
        for seconds in (first..=last).step_by(86_400 * 419 + 3671) {
            let moment = DateTime::from_timestamp(seconds, 0).unwrap().naive_utc();
            for (format, _) in formats.iter().filter(|(_, years)| years.contains(&moment.year())) {
                let layout = Layout::new(format, &Type::Timestamp).unwrap();
                let text = moment.format(format).to_string();
                let expected = Moment { microseconds: seconds * 1_000_000, offset: None };
                assert_eq!(layout.parse_moment(&text), Some(expected), "{format} {text}");
            }
            let date = Layout::new("%j %Y", &Type::Date).unwrap().parse_date(&moment.format("%j %Y").to_string());
            assert_eq!(date.map(i64::from), Some(seconds.div_euclid(86_400)));
            let time = Layout::new("%H.%M,%S", &Type::Time).unwrap().parse_time(&moment.format("%H.%M,%S").to_string());
            assert_eq!(time, Some(seconds.rem_euclid(86_400) * 1_000_000));
        }
    }

    #[test]
    fn the_whole_text_must_agree() {
        for (format, text) in [
            ("%d.%m.%Y", "01.01.1970 "),
            ("%d.%m.%Y", "31.02.1970"),
            ("%a %F", "Fri 1970-01-01"),
            ("%F %I %p", "1970-01-01 13 pm"),
            ("%F %H", "1970-01-01"),
            ("%Y%j", "1970366"),
            ("%d.%m.%Y", "01.01.70"),
            ("%F %T.%f", "1970-01-01 00:00:00."),
            ("%Y%m%d", "1970111"),
            ("%Y%j", "197011"),
            ("%Y%m-%d", "19701-05"),
            ("%Y%j", "1971000"),
            ("%Y%j", "1971366"),
            ("%F %I %p", "1970-01-01 0 am"),
            ("%F %H%M", "1970-01-01 123"),
        ] {
            assert_eq!(moment(format, text), None, "{format} {text}");
        }
    }

    #[test]
    fn zones_are_read() {
        let layout = Layout::new("%F %T%z", &Type::TimestampTz).unwrap();
        for (text, offset) in [
            ("1970-01-01 00:00:00+02:00", 7200),
            ("1970-01-01 00:00:00-0130", -5400),
            ("1970-01-01 00:00:00+02", 7200),
            ("1970-01-01 00:00:00Z", 0),
        ] {
            assert_eq!(layout.parse_moment(text), Some(Moment { microseconds: 0, offset: Some(offset) }), "{text}");
        }
    }

    #[test]
    fn a_format_must_write_the_type() {
        for (format, data_type) in [
            ("%Y-%m", Type::Date),
            ("%Y-%d", Type::Date),
            ("%Y", Type::Date),
            ("%m-%d", Type::Date),
            ("%j", Type::Date),
            ("%F %j", Type::Date),
            ("%Y %j %m", Type::Date),
            ("%Y %j %B", Type::Date),
            ("%Y %j %d", Type::Date),
            ("%Y %m %Y", Type::Date),
            ("%F %y", Type::Date),
            ("%F %H:%M.%f", Type::Timestamp),
            ("%a", Type::Time),
            ("%F %T", Type::Date),
            ("%F", Type::Time),
            ("%F %T", Type::TimestampTz),
            ("%F %T%z", Type::Timestamp),
            ("%F", Type::Integer),
            ("%F %Q", Type::Timestamp),
            ("%F %", Type::Timestamp),
            ("%F %I", Type::Timestamp),
            ("%F %H %p", Type::Timestamp),
            ("%F %d", Type::Date),
            ("%F %M", Type::Timestamp),
            ("%H:%S", Type::Time),
        ] {
            assert!(check_format(format, &data_type).is_err(), "{format} {data_type}");
        }
        for (format, data_type) in [
            ("%d/%m/%Y", Type::Date),
            ("%y%j", Type::Date),
            ("%b %d %y", Type::Date),
            ("%H:%M", Type::Time),
            ("%F", Type::Timestamp),
            ("%F %T%z", Type::TimestampTz),
        ] {
            assert_eq!(check_format(format, &data_type), Ok(()), "{format} {data_type}");
        }
    }
}

//! Points in time: from texts as ISO 8601 has them and from counts since 1970 to what a calendar says of them.
//!
//! Times without a zone are in UTC. What unit a count has is said by whoever knows it; where nobody does, its size says it:
//!
//! | a number is | where it is |
//! |---|---|
//! | the digits of a date, as 20260307 | whole and from 19000101 to 20991231 |
//! | seconds | nearer to 0 than 10¹¹ |
//! | milliseconds | than 10¹⁴ |
//! | microseconds | than 10¹⁷ |
//! | nanoseconds | farther |

use chrono::{DateTime, Datelike, NaiveDate};

use crate::epoch::Unit;

/// Seconds of a day.
const DAY: i64 = 86_400;
const NANOS: i64 = 1_000_000_000;
/// Numbers whose digits are a date.
const DATES: std::ops::RangeInclusive<i64> = 19_000_101..=20_991_231;

/// A point in time, to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Since the beginning of 1970, in UTC.
    seconds: i64,
    nanos: u32,
}

/// What a calendar and a clock say of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Second,
    Minute,
    Hour,
    /// Monday is 0.
    Weekday,
    Day,
    Month,
    Year,
    /// Since the beginning of 1970.
    Days,
    /// As [`Part::Days`], with fractions.
    Seconds,
}

impl Moment {
    /// The time that `count` stands for.
    pub fn whole(count: i64, unit: Option<Unit>) -> Option<Self> {
        let unit = unit.unwrap_or_else(|| unit_of(count));
        let whole = |seconds: i64| Some(Moment { seconds, nanos: 0 });
        let parts = |parts: i64| {
            let rest = count.rem_euclid(parts) * (NANOS / parts);
            Some(Moment { seconds: count.div_euclid(parts), nanos: u32::try_from(rest).ok()? })
        };
        match unit {
            Unit::Digits => {
                let (year, month, day) = (count / 10_000, count / 100 % 100, count % 100);
                let date = date(i32::try_from(year).ok()?, month.try_into().ok()?, day.try_into().ok()?)?;
                whole(date)
            }
            Unit::Days => whole(count.checked_mul(DAY)?),
            Unit::Seconds => whole(count),
            Unit::Milliseconds => parts(1_000),
            Unit::Microseconds => parts(1_000_000),
            Unit::Nanoseconds => parts(NANOS),
        }
    }

    /// The same of a number that need not be whole.
    pub fn number(count: f64, unit: Option<Unit>) -> Option<Self> {
        // Beyond these there is no calendar.
        let floor = Some(count.floor()).filter(|floor| floor.abs() < 9e18)?;
        if floor == count {
            return Self::whole(count as i64, unit);
        }
        let unit = match unit.unwrap_or_else(|| unit_of(count as i64)) {
            // Dates have no fractions.
            Unit::Digits if unit.is_some() => return None,
            Unit::Digits => Unit::Seconds,
            unit => unit,
        };
        let scale = match unit {
            Unit::Days => DAY * NANOS,
            Unit::Milliseconds => 1_000_000,
            Unit::Microseconds => 1_000,
            Unit::Nanoseconds => 1,
            Unit::Seconds | Unit::Digits => NANOS,
        };
        let Moment { seconds, nanos } = Self::whole(floor as i64, Some(unit))?;
        let nanos = i64::from(nanos) + ((count - floor) * scale as f64) as i64;
        let (seconds, nanos) = (seconds.checked_add(nanos / NANOS)?, (nanos % NANOS) as u32);
        Some(Moment { seconds, nanos })
    }

    /// The time of a text such as `2026-03-07`, `2026-03-07 14:00` or `2026-03-07T14:00:05.25+08:00`.
    pub fn iso(text: &[u8]) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *date else { return None };
        let seconds =
            self::date(digits(&[y0, y1, y2, y3])?.try_into().ok()?, digits(&[m0, m1])?, digits(&[d0, d1])?)?;
        let Some((b'T' | b't' | b' ', rest)) = rest.split_first() else {
            return rest.is_empty().then_some(Moment { seconds, nanos: 0 });
        };
        let [h0, h1, b':', m0, m1, rest @ ..] = rest else { return None };
        let (hour, minute) = (digits(&[*h0, *h1])?, digits(&[*m0, *m1])?);
        let (second, rest) = match rest {
            [b':', s0, s1, rest @ ..] => (digits(&[*s0, *s1])?, rest),
            rest => (0, rest),
        };
        let (nanos, rest) = match rest {
            [b'.', rest @ ..] => {
                let (fraction, rest) = rest.split_at(rest.iter().take_while(|b| b.is_ascii_digit()).count());
                let known = fraction.len().min(9);
                let unit = 10_u32.pow(9 - known as u32);
                (digits(&fraction[..known]).filter(|_| known > 0)? * unit, rest)
            }
            rest => (0, rest),
        };
        // The second 60 is a leap second, which other clocks have as the next one.
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let offset = match rest {
            [] | b" UTC" => 0,
            zone => offset(zone.strip_prefix(b" ").unwrap_or(zone))?,
        };
        let clock = i64::from(hour * 3600 + minute * 60 + second);
        Some(Moment { seconds: seconds + clock - offset, nanos })
    }

    /// A part of the time that clocks show where it is `offset` seconds later than in UTC; `None` beyond the calendar.
    pub fn part(self, part: Part, offset: i64) -> Option<f64> {
        let local = self.seconds.checked_add(offset)?;
        let (days, clock) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let date = || Some(DateTime::from_timestamp(local, 0)?.date_naive());
        Some(match part {
            Part::Second => (clock % 60) as f64,
            Part::Minute => (clock / 60 % 60) as f64,
            Part::Hour => (clock / 3600) as f64,
            // 1970 began on a Thursday.
            Part::Weekday => (days + 3).rem_euclid(7) as f64,
            Part::Day => date()?.day().into(),
            Part::Month => date()?.month().into(),
            Part::Year => date()?.year().into(),
            Part::Days => days as f64,
            Part::Seconds => local as f64 + f64::from(self.nanos) / NANOS as f64,
        })
    }
}

/// The unit of a number that says it by its size.
fn unit_of(count: i64) -> Unit {
    match count.unsigned_abs() {
        _ if DATES.contains(&count) => Unit::Digits,
        0..100_000_000_000 => Unit::Seconds,
        100_000_000_000..100_000_000_000_000 => Unit::Milliseconds,
        100_000_000_000_000..100_000_000_000_000_000 => Unit::Microseconds,
        _ => Unit::Nanoseconds,
    }
}

/// Seconds from the beginning of 1970 to that of a day.
fn date(year: i32, month: u32, day: u32) -> Option<i64> {
    let date = NaiveDate::from_ymd_opt(year, month, day)?;
    Some(i64::from(date.to_epoch_days()) * DAY)
}

/// By how many seconds the clocks of a zone such as `+08:00`, `-0330`, `+08` or `Z` are ahead.
pub fn offset(zone: &[u8]) -> Option<i64> {
    let (sign, zone) = match zone {
        b"Z" | b"z" | b"UTC" => return Some(0),
        [b'+', zone @ ..] => (1, zone),
        [b'-', zone @ ..] => (-1, zone),
        _ => return None,
    };
    let (hours, minutes) = match zone {
        [h0, h1] => (digits(&[*h0, *h1])?, 0),
        [h0, h1, m0, m1] | [h0, h1, b':', m0, m1] => (digits(&[*h0, *h1])?, digits(&[*m0, *m1])?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then(|| sign * i64::from(hours * 3600 + minutes * 60))
}

/// A number of up to nine digits.
fn digits(text: &[u8]) -> Option<u32> {
    let digit = |number: u32, &b: &u8| b.is_ascii_digit().then(|| number * 10 + u32::from(b - b'0'));
    text.iter().try_fold(0, digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<f64> {
        Moment::iso(text.as_bytes())?.part(Part::Seconds, 0)
    }

    #[test]
    fn iso_texts_are_read() {
        let saturday = 1_772_892_000.0;
        for (text, expected) in [
            ("2026-03-07T14:00:00Z", saturday),
            ("2026-03-07 14:00", saturday),
            ("2026-03-07t14:00:00 UTC", saturday),
            ("2026-03-07T22:00:00+08:00", saturday),
            ("2026-03-07T10:30:00-0330", saturday),
            ("2026-03-07 15:00:00 +01", saturday),
            ("2026-03-07 14:00:00.25", saturday + 0.25),
            ("2026-03-07 14:00:00.2500000009", saturday + 0.25),
            ("2026-03-07", saturday - 14.0 * 3600.0),
            ("1969-12-31 23:59:60", 0.0),
            ("1969-12-31 23:59:59.5", -0.5),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for text in [
            "",
            "2026-3-7",
            "2026-02-30",
            "2026-03-07x",
            "2026-03-07T",
            "2026-03-07T14",
            "2026-03-07T24:00",
            "2026-03-07T14:00:61",
            "2026-03-07T14:00:00.",
            "2026-03-07T14:00+",
            "2026-03-07T14:00+24:00",
            "2026-03-07T14:00 CET",
            "07.03.2026",
            "+026-03-07",
            "2026-03-0ü",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn counts_say_their_unit_by_their_size_unless_it_is_known() {
        let of = |count: f64, unit| Moment::number(count, unit)?.part(Part::Seconds, 0);
        assert_eq!(of(99_999_999_999.0, None), Some(99_999_999_999.0));
        assert_eq!(of(100_000_000_000.0, None), Some(1e8));
        assert_eq!(of(1_772_892_000_250.0, None), Some(1_772_892_000.25));
        assert_eq!(of(1_772_892_000_250_000.0, None), Some(1_772_892_000.25));
        let nanos = Moment::whole(1_772_892_000_250_000_000, None).expect("a time");
        assert_eq!(nanos.part(Part::Seconds, 0), Some(1_772_892_000.25));
        assert_eq!(of(-1.0, None), Some(-1.0));
        assert_eq!(of(-0.25, None), Some(-0.25));
        assert_eq!(of(1_772_892_000.5, None), Some(1_772_892_000.5));
        assert_eq!(of(20_260_307.0, None), seconds("2026-03-07"));
        assert_eq!(of(20_260_307.0, Some(Unit::Seconds)), Some(20_260_307.0));
        assert_eq!(of(20_260_230.0, None), None);
        assert_eq!(of(20_519.5, Some(Unit::Days)), seconds("2026-03-07T12:00"));
        let fraction = Moment::number(1_500.25, Some(Unit::Milliseconds));
        assert_eq!(fraction, Some(Moment { seconds: 1, nanos: 500_250_000 }));
        assert_eq!([of(1e300, None), of(f64::NAN, None), of(9e17, Some(Unit::Days))], [None; 3]);
    }

    #[test]
    fn parts_are_those_of_the_clock_and_the_calendar() {
        let parts = |text: &str, offset| {
            let moment = Moment::iso(text.as_bytes()).expect(text);
            let part = |part| moment.part(part, offset).expect(text);
            let date = [Part::Year, Part::Month, Part::Day, Part::Weekday].map(part);
            (date, [Part::Hour, Part::Minute, Part::Second, Part::Days].map(part))
        };
        assert_eq!(parts("2026-03-07T14:05:09Z", 0), ([2026.0, 3.0, 7.0, 5.0], [14.0, 5.0, 9.0, 20_519.0]));
        let day = ([2026.0, 3.0, 8.0, 6.0], [0.0, 30.0, 0.0, 20_520.0]);
        assert_eq!(parts("2026-03-07T16:30Z", 8 * 3600), day);
        assert_eq!(parts("1969-12-31T23:00Z", 0), ([1969.0, 12.0, 31.0, 2.0], [23.0, 0.0, 0.0, -1.0]));
        assert_eq!(parts("2024-02-29", 0).0, [2024.0, 2.0, 29.0, 3.0]);
        // Beyond the calendar's years.
        let far = Moment::whole(i64::MAX / 10, Some(Unit::Seconds)).expect("a time");
        assert_eq!(far.part(Part::Year, 0), None);
    }
}

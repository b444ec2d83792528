//! Whole numbers that count time from the beginning of 1970, and the digits of dates.

use std::fmt;

use chrono::DateTime;
use serde::Serialize;

/// In what a number counts time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Unit {
    /// Days since 1970-01-01.
    Days,
    /// Unix seconds.
    Seconds,
    /// Thousandths of a second.
    Milliseconds,
    /// Millionths of a second.
    Microseconds,
    /// Billionths of a second.
    Nanoseconds,
    /// No count at all: the digits of a date, as 20220429.
    Digits,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unit::Days => "days since 1970",
            Unit::Seconds => "unix seconds",
            Unit::Milliseconds => "unix milliseconds",
            Unit::Microseconds => "unix microseconds",
            Unit::Nanoseconds => "unix nanoseconds",
            Unit::Digits => "dates such as 20220429",
        })
    }
}

/// Units of those that count parts of a day.
const COUNTS: [(Unit, i128); 4] = [
    (Unit::Seconds, 1),
    (Unit::Milliseconds, 1_000),
    (Unit::Microseconds, 1_000_000),
    (Unit::Nanoseconds, 1_000_000_000),
];
/// Seconds of a day.
const DAY: i128 = 86_400;
/// What a log of our days holds: 2000-01-01 to 2099-12-31.
const YEARS: std::ops::RangeInclusive<i128> = 946_684_800..=4_102_444_799;

impl Unit {
    /// The unit in which numbers from `least` to `most` are times of this century. Seconds may well be something else.
    pub fn of(least: f64, most: f64) -> Option<Self> {
        let (least, most) = (least as i128, most as i128);
        if is_date(least) && is_date(most) {
            return Some(Unit::Digits);
        }
        let within = |scale: i128| YEARS.contains(&(least / scale)) && YEARS.contains(&(most / scale));
        COUNTS.iter().find(|(_, scale)| within(*scale)).map(|(unit, _)| *unit)
    }

    /// A time as `2026-03-07 14:00:00`, or as a date where it is one.
    pub fn shown(self, time: i128) -> String {
        let seconds = match self {
            Unit::Digits => return format!("{:04}-{:02}-{:02}", time / 10_000, time / 100 % 100, time % 100),
            Unit::Days => time * DAY,
            unit => {
                let scale = COUNTS.iter().find(|(other, _)| *other == unit).map_or(1, |(_, scale)| *scale);
                time.div_euclid(scale)
            }
        };
        let format = if self == Unit::Days { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M:%S" };
        let moment = i64::try_from(seconds).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        // Beyond the years that a calendar has, the number itself.
        moment.map_or_else(|| time.to_string(), |moment| moment.format(format).to_string())
    }
}

/// Whether a number's digits are a date from 1990 to 2099.
fn is_date(digits: i128) -> bool {
    let (year, month, day) = (digits / 10_000, digits / 100 % 100, digits % 100);
    (1990..=2099).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_times_where_they_are_of_this_century() {
        let unit = |least: f64| Unit::of(least, least + 1.0);
        assert_eq!(unit(1_772_892_000.0), Some(Unit::Seconds));
        assert_eq!(unit(1_772_892_000_123.0), Some(Unit::Milliseconds));
        assert_eq!(unit(1_772_892_000_123_456.0), Some(Unit::Microseconds));
        assert_eq!(unit(1_772_892_000_123_456_789.0), Some(Unit::Nanoseconds));
        assert_eq!(unit(20_260_307.0), Some(Unit::Digits));
        assert_eq!([unit(17.0), unit(20_261_307.0), unit(9e9)], [None; 3]);
        assert_eq!(Unit::Milliseconds.shown(1_772_892_000_123), "2026-03-07 14:00:00");
        assert_eq!(Unit::Days.shown(20_519), "2026-03-07");
        assert_eq!(Unit::Seconds.shown(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(Unit::Digits.shown(20_220_429), "2022-04-29");
    }
}

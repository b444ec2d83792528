//! Days of the calendar.

use std::fmt;
use std::str::FromStr;

/// A day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(i64);

/// Days from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    first: Day,
    last: Day,
}

impl Days {
    /// In order.
    pub fn each(self) -> impl Iterator<Item = Day> {
        (self.first.0..=self.last.0).map(Day)
    }
}

impl FromStr for Days {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once("..").ok_or("expected two days, as 2022-04-25..2022-04-30")?;
        let days = Self { first: first.parse()?, last: last.parse()? };
        match days.first <= days.last {
            true => Ok(days),
            false => Err(format!("{last} is before {first}")),
        }
    }
}

impl FromStr for Day {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fail = || format!("expected a day, as 2022-04-25, found {text:?}");
        let parts: Option<Vec<i64>> = text.split('-').map(|part| part.parse().ok()).collect();
        let Some(&[year, month, day]) = parts.as_deref() else { return Err(fail()) };
        if !(1..=12).contains(&month) || !(1..=9999).contains(&year) || !(1..=31).contains(&day) {
            return Err(fail());
        }
        let found = Self(from_civil(year, month, day));
        // Another text, such as that of a day its month has not, does not come out as it was.
        if found.to_string() == text { Ok(found) } else { Err(fail()) }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = to_civil(self.0);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// Days of the months before each, in a year that begins in March, so that the leap day is its last.
fn before(month: i64) -> i64 {
    (153 * month + 2) / 5
}

fn from_civil(year: i64, month: i64, day: i64) -> i64 {
    // The year that begins in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leaps + before(month) + day - 1 - EPOCH
}

/// Days from the beginning of March of the year 0 to 1970-01-01.
const EPOCH: i64 = 719_468;

fn to_civil(day: i64) -> (i64, i64, i64) {
    // Not later than the year it is in, and not so much earlier that the search is long.
    let mut year = (day + EPOCH).div_euclid(366) - 1;
    while from_civil(year + 1, 3, 1) <= day {
        year += 1;
    }
    let rest = day - from_civil(year, 3, 1);
    let month = (0..12).rev().find(|&month| before(month) <= rest).unwrap_or(0);
    let date = rest - before(month) + 1;
    if month < 10 { (year, month + 3, date) } else { (year + 1, month - 9, date) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_follow_one_another_over_months_and_leap_years() {
        let days = |text: &str| -> Vec<String> {
            text.parse::<Days>().expect("days").each().map(|day| day.to_string()).collect()
        };
        assert_eq!(days("2022-04-29..2022-05-01"), ["2022-04-29", "2022-04-30", "2022-05-01"]);
        assert_eq!(days("2024-02-28..2024-03-01"), ["2024-02-28", "2024-02-29", "2024-03-01"]);
        assert_eq!(days("2100-02-28..2100-03-01"), ["2100-02-28", "2100-03-01"]);
        assert_eq!(days("1999-12-31..2000-01-01"), ["1999-12-31", "2000-01-01"]);
        assert_eq!("1970-01-01".parse(), Ok(Day(0)));
        assert_eq!(days("2000-01-01..2399-12-31").len(), 146_097);
    }

    #[test]
    fn what_is_no_day_is_refused() {
        let others =
            ["2022-04-31", "2023-02-29", "2022-13-01", "2022-4-1", "20220401", "2022-04-01 ", "a-b-c", ""];
        for text in others {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
        let problem = |text: &str| text.parse::<Days>().expect_err("must be refused");
        assert_eq!(problem("2022-04-02..2022-04-01"), "2022-04-01 is before 2022-04-02");
        assert!(problem("2022-04-02").starts_with("expected two days"));
    }
}

//! What a column seems to hold.

use std::fmt;

use mt_features::{Moment, Unit};
use serde::Serialize;

use crate::hints;
use crate::list::{self, Lists};
use crate::tally::Tally;

/// What a column seems to hold, by its values and, where these leave it open, its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// Nothing: every cell is missing.
    Empty,
    /// One and the same value in every row.
    Constant,
    /// 0 and 1.
    Flag,
    /// Numbers, more or less of something.
    Number,
    /// `true` and `false`, or other pairs of texts that mean them.
    Boolean,
    /// A few values, numbers or texts.
    Category,
    /// Many values that stand for somebody or something.
    Identifier,
    /// Several values a cell, with this character between them; `None` where the file itself has lists.
    List(Option<char>),
    /// Numbers that are times.
    Time(Unit),
    /// Times as texts.
    IsoTime,
    /// Another value in every row.
    Unique,
    /// Sentences.
    Text,
    /// Numbers with a comma in the place of the decimal point.
    DecimalComma,
    /// Lists or objects as a program prints them, in brackets.
    Brackets,
    /// What no column can be read as, in words.
    Unreadable(String),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Empty => "nothing",
            Kind::Constant => "one value",
            Kind::Flag => "0 and 1",
            Kind::Number => "numbers",
            Kind::Boolean => "true and false",
            Kind::Category => "category",
            Kind::Identifier => "identifiers",
            Kind::List(None) => "lists",
            Kind::List(Some(separator)) => return write!(f, "lists by {separator:?}"),
            Kind::Time(unit) => return write!(f, "time, {unit}"),
            Kind::IsoTime => "time as text",
            Kind::Unique => "unique",
            Kind::Text => "sentences",
            Kind::DecimalComma => "decimal commas",
            Kind::Brackets => "lists in brackets",
            Kind::Unreadable(found) => found,
        })
    }
}

/// Pairs of texts that mean true and false, in small letters.
pub(crate) const PAIRS: [(&str, &str); 5] =
    [("true", "false"), ("yes", "no"), ("t", "f"), ("y", "n"), ("on", "off")];

/// The largest number of values of a category.
const CATEGORY: usize = 1_000;
/// The largest number of whole numbers that are taken for a category, and the rows that each then has on average.
const FEW: (usize, u64) = (24, 10);
/// Rows from which on it means something that no value comes again.
const ROWS: u64 = 20;
/// From here on whole numbers are rather somebody's than an amount.
const LARGE: f64 = 1e8;

/// The kind of the column `name`, and its texts as lists where it is one of those.
pub(crate) fn kind(name: &str, tally: &Tally, unit: Option<Unit>) -> (Kind, Option<Lists>) {
    let (present, distinct) = (tally.present(), tally.values.len());
    let kind = if tally.lists.lists > 0 {
        Kind::List(None)
    } else if present == 0 {
        Kind::Empty
    } else if distinct == 1 && !tally.more && tally.missing() == 0 {
        Kind::Constant
    } else if let Some(unit) = unit {
        Kind::Time(unit)
    } else if tally.texts == 0 {
        of_numbers(name, tally)
    } else {
        match of_texts(name, tally) {
            Kind::List(_) => {
                let lists = list::lists(tally);
                return (Kind::List(lists.as_ref().map(|lists| lists.separator)), lists);
            }
            kind => kind,
        }
    };
    (kind, None)
}

fn is_unique(tally: &Tally) -> bool {
    !tally.more && tally.present() >= ROWS && tally.values.len() as u64 == tally.present()
}

fn of_numbers(name: &str, tally: &Tally) -> Kind {
    let (numbers, distinct) = (&tally.numbers, tally.values.len());
    if tally.parsed.iter().all(|x| *x == 0.0 || *x == 1.0) && !tally.more {
        return Kind::Flag;
    }
    if !numbers.whole {
        return Kind::Number;
    }
    let unit = Unit::of(numbers.least, numbers.most);
    // Seconds of our days may be anything of ten digits.
    if unit.is_some_and(|unit| hints::is_time(name) || !matches!(unit, Unit::Seconds | Unit::Digits))
        && !hints::is_identifier(name)
    {
        return unit.map_or(Kind::Number, Kind::Time);
    }
    let identifies = hints::is_identifier(name) || numbers.least >= LARGE;
    match () {
        () if is_unique(tally) && (numbers.steps || identifies) => Kind::Unique,
        () if identifies => Kind::Identifier,
        () if numbers.least < 0.0 || tally.more => Kind::Number,
        () if hints::is_category(name) && distinct <= CATEGORY => Kind::Category,
        () if distinct <= FEW.0 && tally.present() >= FEW.1 * distinct as u64 => Kind::Category,
        () => Kind::Number,
    }
}

fn of_texts(name: &str, tally: &Tally) -> Kind {
    let (present, distinct) = (tally.present(), tally.values.len());
    let small = |text: &[u8]| text.to_ascii_lowercase();
    let pair = |&(yes, no): &(&str, &str)| {
        tally.iter().all(|(text, _)| small(text) == yes.as_bytes() || small(text) == no.as_bytes())
    };
    if PAIRS.iter().any(pair) && !tally.more {
        return Kind::Boolean;
    }
    if tally.iter().all(|(text, _)| Moment::iso(text).is_some()) {
        return Kind::IsoTime;
    }
    if list::brackets(tally) {
        return Kind::Brackets;
    }
    if list::decimal_commas(tally) {
        return Kind::DecimalComma;
    }
    if list::lists(tally).is_some() {
        return Kind::List(None);
    }
    let often = distinct as u64 * 2 <= present;
    let sentence = tally.bytes > 60 * present || (tally.blanks >= 3 * present && !often);
    match () {
        () if is_unique(tally) && !sentence => Kind::Unique,
        () if sentence => Kind::Text,
        () if tally.more || distinct > CATEGORY || hints::is_identifier(name) => Kind::Identifier,
        () => Kind::Category,
    }
}

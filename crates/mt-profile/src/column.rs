//! What a profile says of one column.

use mt_features::{Moment, Unit};
use serde::Serialize;

use crate::kind::{Kind, PAIRS, kind};
use crate::tally::{NOTHING, Tally};

/// Values of a column that are shown.
const TOP: usize = 5;
/// Characters of a value that are shown.
const SHOWN: usize = 40;

/// What a column holds.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ColumnProfile {
    /// Its name; `column 17` (counted from 0) where the file has no names.
    pub name: String,
    /// What it seems to hold.
    pub kind: Kind,
    /// Cells looked at.
    pub cells: u64,
    /// Cells without a value.
    pub missing: u64,
    /// Texts that say that a value is missing, and how often each does; what is not here of [`missing`](Self::missing) is empty.
    pub missing_texts: Vec<(&'static str, u64)>,
    /// Values that differ, of lists those in them.
    pub distinct: usize,
    /// Whether there are more: `distinct` is as far as they are counted.
    pub more: bool,
    /// The values that are there most often, with their counts; equal counts by the values' bytes.
    pub top: Vec<(String, u64)>,
    /// Of the values that are numbers.
    pub numbers: Option<NumberRange>,
    /// Values that are no numbers.
    pub texts: u64,
    /// Of columns of lists.
    pub lists: Option<ListLengths>,
    /// Values looked at, those of lists one by one: what the counts of [`top`](Self::top) are shares of.
    pub values: u64,
    #[serde(skip)]
    pub(crate) tally: Tally,
}

/// The numbers of a column.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NumberRange {
    /// How many.
    pub count: u64,
    /// The least.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Their mean.
    pub mean: f64,
    /// Whether all are whole.
    pub whole: bool,
}

/// How long the lists of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ListLengths {
    /// Values a list, on average.
    pub mean: f64,
    /// Values of the longest list.
    pub max: u64,
}

impl ColumnProfile {
    pub(crate) fn new(name: String, tally: Tally, unit: Option<Unit>, refused: Option<String>) -> Self {
        let (kind, lists) = match refused {
            Some(found) => (Kind::Unreadable(found), None),
            None => kind(&name, &tally, unit),
        };
        let mut values: Vec<(&[u8], u64)> = match &lists {
            Some(lists) => lists.values.iter().map(|(text, count)| (&text[..], *count)).collect(),
            None => tally.iter().collect(),
        };
        values.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let top = values.iter().take(TOP).map(|(text, count)| (shown(text), *count)).collect();
        let numbers = (tally.numbers.count > 0).then(|| NumberRange {
            count: tally.numbers.count,
            min: tally.numbers.least,
            max: tally.numbers.most,
            mean: tally.numbers.sum / tally.numbers.count as f64,
            whole: tally.numbers.whole,
        });
        let lengths = lists.as_ref().map_or(tally.lists, |lists| lists.lengths);
        let lengths = (lengths.lists > 0).then_some(lengths);
        let texts_there = NOTHING.iter().zip(tally.nothing).filter(|(_, count)| *count > 0);
        ColumnProfile {
            kind,
            cells: tally.cells,
            missing: tally.missing(),
            missing_texts: texts_there.map(|(text, count)| (*text, count)).collect(),
            distinct: values.len(),
            more: tally.more,
            top,
            numbers,
            texts: tally.texts,
            lists: lengths.map(|lengths| ListLengths {
                mean: lengths.values as f64 / lengths.lists as f64,
                max: lengths.most,
            }),
            values: lengths.map_or(tally.present(), |lengths| lengths.values),
            name,
            tally,
        }
    }

    /// Its values with their counts, as far as they are counted, in order of appearance.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.tally.iter()
    }

    /// Whether rows of a file come in the order of its numbers or times, but for one in twenty.
    pub fn is_sorted(&self) -> bool {
        if self.kind == Kind::IsoTime {
            // Values are counted in the order in which they first came.
            let times: Vec<Moment> = self.iter().filter_map(|(text, _)| Moment::iso(text)).collect();
            return times.windows(2).filter(|pair| pair[1] < pair[0]).count() * 20 <= times.len();
        }
        self.tally.numbers.falls * 20 <= self.tally.numbers.count
    }

    /// Its numbers or times with their counts, from the least, each as it is written; `None` where not all are counted.
    pub fn ascending(&self) -> Option<Vec<(String, u64)>> {
        if self.more {
            return None;
        }
        let written = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        if self.kind == Kind::IsoTime {
            let times = self.iter().filter_map(|(text, count)| Some((Moment::iso(text)?, text, count)));
            let mut times: Vec<(Moment, &[u8], u64)> = times.collect();
            times.sort();
            return Some(times.into_iter().map(|(_, text, count)| (written(text), count)).collect());
        }
        let numbers = self.tally.parsed.iter().zip(self.tally.iter());
        let mut numbers: Vec<(f64, (&[u8], u64))> =
            numbers.map(|(&x, value)| (x, value)).filter(|(x, _)| !x.is_nan()).collect();
        numbers.sort_by(|a, b| a.0.total_cmp(&b.0));
        Some(numbers.into_iter().map(|(_, (text, count))| (written(text), count)).collect())
    }

    /// Whether its texts are `true` and `false`, in whatever letters: those that are read as numbers, 1 and 0.
    pub fn is_true_or_false(&self) -> bool {
        let words = |text: &[u8]| text.eq_ignore_ascii_case(b"true") || text.eq_ignore_ascii_case(b"false");
        self.kind == Kind::Boolean && self.iter().all(|(text, _)| words(text))
    }

    /// Its texts that mean true, where each means true or false.
    pub fn truths(&self) -> Vec<String> {
        let means = |text: &String| PAIRS.iter().any(|(yes, _)| text.to_ascii_lowercase() == *yes);
        let texts = self.iter().map(|(text, _)| String::from_utf8_lossy(text).into_owned());
        if self.kind == Kind::Boolean { texts.filter(means).collect() } else { Vec::new() }
    }
}

/// A value as a message shows it.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.into_owned(),
    }
}

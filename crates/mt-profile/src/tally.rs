//! What is counted of one column while its cells go by: bounded, however many there are.

use mt_data::scan::Sink;
use mt_features::{Value, fields::Interner, number::whole_f64};

/// Texts that stand for nothing in the files of one system or another.
pub(crate) const NOTHING: [&str; 14] =
    ["NULL", "null", "Null", "NaN", "nan", "NAN", "NA", "N/A", "n/a", "None", "\\N", "-", "?", "<NA>"];

/// The code of a cell that is missing, that is a list, or whose value came after the bound.
pub(crate) const NO_CODE: u32 = u32::MAX;

/// What is known of the cells of a column so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Values that are counted one by one at most.
    pub bound: usize,
    pub cells: u64,
    /// Of those, without a value.
    pub empty: u64,
    /// Cells with each of [`NOTHING`].
    pub nothing: [u64; NOTHING.len()],
    /// The values, those of lists one by one, in order of appearance, and how often each is there.
    pub values: Interner,
    pub counts: Vec<u64>,
    /// Each as a number, NaN where it is none.
    pub parsed: Vec<f64>,
    /// Whether there are more than are counted.
    pub more: bool,
    pub numbers: Numbers,
    /// Values that are no numbers, and bytes of all values.
    pub texts: u64,
    pub bytes: u64,
    /// Blanks in values.
    pub blanks: u64,
    /// Of lists that are lists in the file.
    pub lists: Lengths,
    /// The value's number of each cell, where they are asked for.
    pub codes: Option<Vec<u32>>,
    buffer: Vec<u8>,
}

/// The numbers among the values.
#[derive(Debug, Clone)]
pub(crate) struct Numbers {
    pub count: u64,
    pub sum: f64,
    pub least: f64,
    pub most: f64,
    /// Whether all are whole.
    pub whole: bool,
    /// How often one is below the one before it in the file, and whether each is one more.
    pub falls: u64,
    pub steps: bool,
    last: Option<f64>,
}

/// How many values lists hold.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lengths {
    pub lists: u64,
    pub values: u64,
    pub most: u64,
}

impl Lengths {
    pub fn add(&mut self, length: u64, times: u64) {
        self.lists += times;
        self.values += length * times;
        self.most = self.most.max(length);
    }
}

impl Default for Numbers {
    fn default() -> Self {
        Numbers {
            count: 0,
            sum: 0.0,
            least: f64::INFINITY,
            most: f64::NEG_INFINITY,
            whole: true,
            falls: 0,
            steps: true,
            last: None,
        }
    }
}

impl Numbers {
    fn add(&mut self, x: f64) {
        self.count += 1;
        self.sum += x;
        self.least = self.least.min(x);
        self.most = self.most.max(x);
        self.whole &= x.fract() == 0.0;
        self.steps &= self.last.is_none_or(|last| x == last + 1.0);
        self.falls += u64::from(self.last.is_some_and(|last| x < last));
        self.last = Some(x);
    }
}

impl Tally {
    /// Counts up to `bound` values one by one, and remembers with `coded` which each cell has.
    pub fn new(bound: usize, coded: bool) -> Self {
        Tally { bound, codes: coded.then(Vec::new), ..Tally::default() }
    }

    /// What comes now is of another file.
    pub fn next_file(&mut self) {
        self.numbers.last = None;
    }

    /// Cells without a value, whatever says so.
    pub fn missing(&self) -> u64 {
        self.empty + self.nothing.iter().sum::<u64>()
    }

    /// Cells with a value.
    pub fn present(&self) -> u64 {
        self.cells - self.missing()
    }

    /// The values and their counts.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.values.iter().zip(self.counts.iter().copied())
    }

    /// Counts a value, and gives its number.
    fn count(&mut self, text: &[u8]) -> u32 {
        /// Bytes a value, on average, beyond which as many as the bound are too many.
        const BYTES: usize = 64;
        let full = self.values.len() >= self.bound || self.values.size() > BYTES * self.bound;
        let known = if full { self.values.get(text) } else { None };
        let code = match (full, known) {
            (true, None) => {
                self.more = true;
                None
            }
            (true, known) => known,
            (false, _) => Some(self.values.intern(text)),
        };
        if code.is_some_and(|code| code as usize == self.counts.len()) {
            self.counts.push(0);
            self.parsed.push(number(text));
        }
        let number = match code {
            Some(code) => {
                self.counts[code as usize] += 1;
                self.parsed[code as usize]
            }
            None => number(text),
        };
        self.bytes += text.len() as u64;
        if number.is_nan() {
            self.texts += 1;
            self.blanks += text.iter().filter(|&&b| b == b' ').count() as u64;
        } else {
            self.numbers.add(number);
        }
        code.unwrap_or(NO_CODE)
    }
}

/// A text as a number, NaN where it is none. The words for true and false are words here: what is made of them is said.
fn number(text: &[u8]) -> f64 {
    let word = text.first().is_some_and(u8::is_ascii_alphabetic);
    whole_f64(text).filter(|_| !word).unwrap_or(f64::NAN)
}

impl Sink for Tally {
    fn add(&mut self, value: Value<'_>) {
        self.cells += 1;
        let mut code = NO_CODE;
        if let Value::List(values) = value {
            self.lists.add(values.len() as u64, 1);
            for value in values {
                self.with_text(*value, |tally, text| {
                    tally.count(text);
                });
            }
        } else {
            self.with_text(value, |tally, text| {
                match NOTHING.iter().position(|nothing| nothing.as_bytes() == text) {
                    _ if text.is_empty() => tally.empty += 1,
                    Some(nothing) => tally.nothing[nothing] += 1,
                    None => code = tally.count(text),
                }
            });
        }
        self.codes.iter_mut().for_each(|codes| codes.push(code));
    }
}

impl Tally {
    fn with_text(&mut self, value: Value<'_>, then: impl FnOnce(&mut Self, &[u8])) {
        let mut buffer = std::mem::take(&mut self.buffer);
        then(self, value.text(&mut buffer));
        self.buffer = buffer;
    }
}

//! What an expression gives: a column of numbers or of texts, and where a cell could not be used.

use crate::value::Value;

/// A cell that is not what is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadCell {
    /// Which of the expression's columns.
    pub column: usize,
    /// What the cell should have been.
    pub expected: &'static str,
}

pub(super) const A_NUMBER: &str = "a number";
pub(super) const A_TIME: &str =
    "a time, as 2026-03-07, 2026-03-07T14:00:00Z or a number that counts from 1970";

/// The bad cell of each row that has one, as twice its column, and one more where it is no time; empty where there are none.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Faults(Vec<Option<u32>>);

impl Faults {
    #[inline]
    pub fn get(&self, row: usize) -> Option<BadCell> {
        let code = self.0.get(row).copied().flatten()?;
        let expected = if code % 2 == 1 { A_TIME } else { A_NUMBER };
        Some(BadCell { column: code as usize / 2, expected })
    }

    /// Notes the bad cell of one of `rows` rows, unless there is one before it.
    #[cold]
    pub fn note(&mut self, row: usize, rows: usize, bad: BadCell) {
        self.0.resize(rows, None);
        let code = 2 * bad.column as u32 + u32::from(bad.expected == A_TIME);
        if let Some(first @ None) = self.0.get_mut(row) {
            *first = Some(code);
        }
    }

    /// Adds those of `others` where `reached` says that they would have been looked at.
    pub fn add(&mut self, others: &Faults, reached: impl Fn(usize) -> bool) {
        for row in (0..others.0.len()).filter(|&row| reached(row)) {
            if let Some(bad) = others.get(row) {
                self.note(row, others.0.len(), bad);
            }
        }
    }
}

/// A number a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// NaN where there is none; never infinite.
    pub(super) values: Vec<f64>,
    pub(super) faults: Faults,
}

impl Numbers {
    pub(super) fn new(values: Vec<f64>) -> Self {
        Numbers { values, faults: Faults::default() }
    }

    /// Those of `rows` rows like the first.
    #[must_use]
    pub fn repeated(mut self, rows: usize) -> Self {
        let first = self.values.first().copied().unwrap_or(f64::NAN);
        self.values = vec![first; rows];
        self.faults.0 = self.faults.0.first().map_or(Vec::new(), |&fault| vec![fault; rows]);
        self
    }

    /// The number of a row, `None` where it is missing.
    #[inline]
    pub fn at(&self, row: usize) -> Result<Option<f64>, BadCell> {
        match self.faults.get(row) {
            Some(bad) => Err(bad),
            None => Ok(Some(self.values[row]).filter(|x| !x.is_nan())),
        }
    }
}

/// A text a row: that of a cell, or one that was made.
#[derive(Debug)]
pub struct Texts<'a> {
    pub(super) rows: Vec<Option<Text<'a>>>,
    /// Those that were made, one after the other.
    pub(super) made: Vec<u8>,
    pub(super) faults: Faults,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Text<'a> {
    Cell(&'a [u8]),
    Made { start: usize, end: usize },
}

impl Texts<'_> {
    pub(super) fn with_capacity(rows: usize) -> Self {
        Texts { rows: Vec::with_capacity(rows), made: Vec::new(), faults: Faults::default() }
    }

    #[inline]
    pub(super) fn get(&self, row: usize) -> Option<&[u8]> {
        self.rows[row].map(|text| match text {
            Text::Cell(text) => text,
            Text::Made { start, end } => &self.made[start..end],
        })
    }

    /// Adds the row whose text is what was made since there were `start` bytes.
    pub(super) fn push_made(&mut self, start: usize) {
        self.rows.push(Some(Text::Made { start, end: self.made.len() }));
    }

    /// Adds the row of a number.
    pub(super) fn push_number(&mut self, number: Option<f64>) {
        let start = self.made.len();
        match number {
            // Of -0 the text of 0.
            Some(number) => {
                Value::Number(number + 0.0).write(&mut self.made);
                self.push_made(start);
            }
            None => self.rows.push(None),
        }
    }
}

/// What an expression gives for an input.
#[derive(Debug)]
pub enum Column<'a> {
    /// Numbers, NaN where there is none.
    Numbers(Numbers),
    /// Texts.
    Texts(Texts<'a>),
}

impl Column<'_> {
    /// The value of a row; none where a cell could not be used.
    #[inline]
    pub fn value(&self, row: usize) -> Value<'_> {
        match self {
            Column::Numbers(numbers) if numbers.values[row].is_nan() => Value::Missing,
            // Of -0 what a file would have of it.
            Column::Numbers(numbers) => Value::Number(numbers.values[row] + 0.0),
            Column::Texts(texts) => texts.get(row).map_or(Value::Missing, Value::Text),
        }
    }

    /// The cell of a row that could not be used.
    #[inline]
    pub fn fault(&self, row: usize) -> Option<BadCell> {
        match self {
            Column::Numbers(numbers) => numbers.faults.get(row),
            Column::Texts(texts) => texts.faults.get(row),
        }
    }
}

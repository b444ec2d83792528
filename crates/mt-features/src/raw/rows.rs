//! Raw rows, encoded as they are pushed.

use std::sync::Arc;

use super::compute::{Absent, ComputedInput, OneRow};
use super::encoder::{Column, InputField, RowEncoder};
use crate::error::{Error, Result};
use crate::fields::{Ids, MISSING, PARALLEL};
use crate::missing::Missing;
use crate::rows::{DenseRows, Layout, Numeric, SparseRows};
use crate::value::Value;

/// Rows for a predictor. Memory is kept when they are cleared: in the steady state nothing is allocated.
#[derive(Debug, Clone)]
pub struct RawRows {
    encoder: Arc<RowEncoder>,
    numeric: Numeric,
    fields: Vec<Ids>,
    rows: usize,
    /// Numbers of the row under way that are not 0, NaN where missing.
    entries: Vec<(u32, f32)>,
    /// By column, the number of the last attempt to push a row that gave it.
    given: Vec<u64>,
    attempt: u64,
    text: Vec<u8>,
}

impl RawRows {
    /// No rows yet.
    pub fn new(encoder: Arc<RowEncoder>) -> Self {
        let width = encoder.width;
        let numeric = match encoder.layout {
            Layout::Dense => Numeric::Dense(DenseRows { width, values: Vec::new() }),
            Layout::Sparse => Numeric::Sparse(SparseRows::empty(width)),
        };
        Self {
            numeric,
            fields: encoder.fields.iter().map(InputField::none).collect(),
            rows: 0,
            entries: Vec::new(),
            given: vec![0; encoder.columns().len()],
            attempt: 0,
            text: Vec::new(),
            encoder,
        }
    }

    /// What encodes them.
    pub fn encoder(&self) -> &Arc<RowEncoder> {
        &self.encoder
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Removes the rows.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Adds a row of named values; columns without a value are missing.
    ///
    /// # Errors
    /// [`Error::UnknownInput`] for a name that is no column, [`Error::Input`] for a value that its column cannot have,
    /// or a number that is missing under `numeric_missing: fail`. The rows are then as before.
    pub fn push<'a>(&mut self, row: impl IntoIterator<Item = (&'a str, Value<'a>)>) -> Result<()> {
        let encoder = self.encoder.clone();
        let find = |(name, value): (&str, Value<'a>)| Ok((encoder.column(name)?, value));
        self.add(row.into_iter().map(find), Absent::Missing)
    }

    /// As [`push`](Self::push), with columns looked up before.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_columns<'a>(&mut self, row: impl IntoIterator<Item = (Column, Value<'a>)>) -> Result<()> {
        self.add(row.into_iter().map(Ok), Absent::Missing)
    }

    /// As [`push_columns`](Self::push_columns), where numbers without a value are 0 rather than missing: quick for wide
    /// rows with few numbers other than 0.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_sparse<'a>(&mut self, row: impl IntoIterator<Item = (Column, Value<'a>)>) -> Result<()> {
        self.add(row.into_iter().map(Ok), Absent::Zero)
    }

    /// Adds a row of all columns, in the order of [`RowEncoder::columns`].
    ///
    /// # Errors
    /// As [`push`](Self::push), and [`Error::Shape`] for another number of values.
    pub fn push_values(&mut self, row: &[Value<'_>]) -> Result<()> {
        let (expected, found) = (self.given.len(), row.len());
        if found != expected {
            return Err(Error::Shape { what: "a row", expected, found });
        }
        self.add((0..).map(Column).zip(row.iter().copied()).map(Ok), Absent::Missing)
    }

    /// The normalised numbers.
    pub fn numeric(&self) -> &Numeric {
        &self.numeric
    }

    /// Table rows, one entry a field.
    pub fn fields(&self) -> &[Ids] {
        &self.fields
    }

    fn add<'a>(
        &mut self,
        row: impl Iterator<Item = Result<(Column, Value<'a>)>>,
        absent: Absent,
    ) -> Result<()> {
        let done = self.read(row, absent);
        match &done {
            Ok(()) => self.rows += 1,
            Err(_) => self.truncate(self.rows),
        }
        done
    }

    #[inline]
    fn read<'a>(
        &mut self,
        row: impl Iterator<Item = Result<(Column, Value<'a>)>>,
        absent: Absent,
    ) -> Result<()> {
        let encoder = self.encoder.clone();
        self.attempt += 1;
        self.entries.clear();
        let mut numbers = 0;
        let mut sources = encoder.sources.none(encoder.numbers, absent);
        for given in row {
            let (Column(column), value) = given?;
            let Some(attempt) = self.given.get_mut(column as usize) else {
                let (expected, found) = (encoder.columns().len(), column as usize + 1);
                return Err(Error::Shape { what: "columns of another model", expected, found });
            };
            if std::mem::replace(attempt, self.attempt) == self.attempt {
                return Err(self.refuse(column, "one value", "a second one".to_owned()));
            }
            encoder.sources.put(column, value, &mut sources);
            if (column as usize) < encoder.numbers {
                numbers += 1;
                let number = encoder.number(column, value, &encoder.missing);
                let mut number = number.map_err(|expected| self.refuse(column, expected, value.shown()))?;
                if number.is_nan() {
                    number = self.missing(column, &encoder.columns()[column as usize])?;
                }
                if !encoder.is_zero(column, number) {
                    self.entries.push((column, number));
                }
                continue;
            }
            for &field in &encoder.fields_of[column as usize] {
                let (field, ids) = (&encoder.fields[field], &mut self.fields[field]);
                let encoded = encoder.encode(field, value, &encoder.missing, &mut self.text, ids);
                encoded.map_err(|expected| self.refuse(column, expected, value.shown()))?;
            }
        }
        for (field, ids) in encoder.fields.iter().zip(&mut self.fields) {
            if field.column.is_some_and(|column| self.given[column as usize] != self.attempt) {
                if field.list.is_none() {
                    ids.rows.push(MISSING);
                }
                ids.end_record();
            }
        }
        if absent == Absent::Missing && numbers < encoder.numbers {
            for column in 0..encoder.numbers as u32 {
                if self.given[column as usize] != self.attempt {
                    let number = self.missing(column, &encoder.columns()[column as usize])?;
                    if !encoder.is_zero(column, number) {
                        self.entries.push((column, number));
                    }
                }
            }
        }
        for computed in &encoder.computed {
            computed.check(&sources, encoder.columns(), &encoder.sources, self.rows)?;
            self.compute(&encoder, computed, &sources)?;
        }
        if !self.entries.is_sorted_by_key(|&(column, _)| column) {
            self.entries.sort_unstable_by_key(|&(column, _)| column);
        }
        self.finish(&encoder)
    }

    /// Computes an input of the row under way.
    fn compute(
        &mut self,
        encoder: &RowEncoder,
        computed: &ComputedInput,
        values: &[Value<'_>],
    ) -> Result<()> {
        let ComputedInput { name, expression, sources, number, fields } = computed;
        let column = expression.column(&OneRow { sources, values, missing: &encoder.missing });
        if let Some(bad) = column.fault(0) {
            let source = sources[bad.column];
            return Err(self.refuse(encoder.sources.columns[source], bad.expected, values[source].shown()));
        }
        // What is computed is not written as a cell is: no text says that it is missing.
        let (value, missing) = (column.value(0), Missing::none());
        let refuse = |row: usize, expected: &'static str| Error::Input {
            row,
            column: name.as_str().into(),
            expected,
            found: value.shown(),
        };
        for &field in fields {
            let (field, ids) = (&encoder.fields[field], &mut self.fields[field]);
            let encoded = encoder.encode(field, value, &missing, &mut self.text, ids);
            encoded.map_err(|expected| refuse(self.rows, expected))?;
        }
        let Some(feature) = *number else { return Ok(()) };
        let number = encoder.number(feature, value, &missing);
        let mut number = number.map_err(|expected| refuse(self.rows, expected))?;
        if number.is_nan() {
            number = self.missing(feature, name)?;
        }
        if !encoder.is_zero(feature, number) {
            self.entries.push((feature, number));
        }
        Ok(())
    }

    /// Normalises the numbers of the row under way.
    fn finish(&mut self, encoder: &RowEncoder) -> Result<()> {
        for &(field, first) in &encoder.parallel {
            let [found, expected] = [field, first].map(|field| self.fields[field].of(self.rows).len());
            if let (Some(column), true) = (encoder.fields[field].column, found != expected) {
                return Err(self.refuse(column, PARALLEL, format!("{found}, not {expected}")));
            }
        }
        let scaled = |column: u32, x: f32| encoder.scalings[column as usize].apply(x);
        match &mut self.numeric {
            Numeric::Dense(dense) => {
                let start = dense.values.len();
                dense.values.extend_from_slice(&encoder.zeros);
                for &(column, x) in &self.entries {
                    dense.values[start + column as usize] = scaled(column, x);
                }
            }
            Numeric::Sparse(sparse) => {
                let mut moved = encoder.moved.iter().copied().peekable();
                let mut push = |column: u32, x: f32| {
                    sparse.columns.push(column);
                    sparse.values.push(x);
                };
                for &(column, x) in &self.entries {
                    while let Some(zero) = moved.next_if(|&zero| zero < column) {
                        push(zero, encoder.zeros[zero as usize]);
                    }
                    moved.next_if_eq(&column);
                    push(column, scaled(column, x));
                }
                moved.for_each(|zero| push(zero, encoder.zeros[zero as usize]));
                let end = u32::try_from(sparse.values.len()).map_err(|_| Error::TooLarge)?;
                sparse.offsets.push(end);
            }
        }
        Ok(())
    }

    /// What a missing number is of a feature, which is called `name`.
    fn missing(&self, feature: u32, name: &str) -> Result<f32> {
        let fail = || Error::Input {
            row: self.rows,
            column: name.into(),
            expected: "a number",
            found: "nothing (numeric_missing: fail)".to_owned(),
        };
        let number = self.encoder.numeric_missing.ok_or_else(fail)?;
        Ok((f64::from(number) - self.encoder.scalings[feature as usize].base) as f32)
    }

    #[cold]
    fn refuse(&self, column: u32, expected: &'static str, found: String) -> Error {
        let column = self.encoder.columns()[column as usize].as_str().into();
        Error::Input { row: self.rows, column, expected, found }
    }

    /// Keeps the first `rows`, and nothing of an unfinished one; no more than there are.
    pub fn truncate(&mut self, rows: usize) {
        let rows = rows.min(self.rows);
        self.rows = rows;
        for ids in &mut self.fields {
            ids.truncate(rows);
            if let (Some(keys), 0) = (&mut ids.keys, rows) {
                Arc::make_mut(keys).clear();
            }
        }
        match &mut self.numeric {
            Numeric::Dense(dense) => dense.values.truncate(rows * dense.width),
            Numeric::Sparse(sparse) => {
                sparse.offsets.truncate(rows + 1);
                let end = sparse.offsets[rows] as usize;
                sparse.columns.truncate(end);
                sparse.values.truncate(end);
            }
        }
    }
}

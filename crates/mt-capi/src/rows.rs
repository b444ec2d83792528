//! Rows as a caller gives them, value by value.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::Arc;

use mt_bundle::Predictions;
use mt_features::{Column, RawRows, Value};

use crate::error::{Error, Result};
use crate::predictor::{Shared, Version};

/// `mt_rows`: rows, encoded for one version of a bundle, and the row under way. Its memory is used again.
#[derive(Debug)]
pub struct Rows {
    pub(crate) shared: Arc<Shared>,
    version: Arc<Version>,
    rows: RawRows,
    predictions: Predictions,
    row: Row,
}

/// The row under way, copied, as the caller's memory may be gone when it ends.
#[derive(Debug, Default)]
struct Row {
    cells: Vec<(Column, Shape)>,
    items: Vec<Item>,
    text: Vec<u8>,
    /// Always empty, kept for its memory.
    values: Vec<Value<'static>>,
}

/// Which items a cell has.
#[derive(Debug, Clone)]
enum Shape {
    One(usize),
    List(Range<usize>),
}

/// A value of a cell.
#[derive(Debug, Clone)]
enum Item {
    Number(f64),
    Integer(i64),
    Unsigned(u64),
    Text(Range<usize>),
}

impl Rows {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let (shared, version) = (shared.clone(), shared.version());
        let (rows, predictions) = (version.predictor.rows(), Predictions::default());
        Self { rows, shared, version, predictions, row: Row::default() }
    }

    /// The column of this index.
    fn column(&self, column: usize) -> Result<Column> {
        let columns = &self.shared.interface.columns;
        let unknown = Error::Column { column, columns: columns.len() };
        columns.get(column).map(|input| input.column).ok_or(unknown)
    }

    /// Gives the row under way a value.
    pub(crate) fn set(&mut self, column: usize, value: Value<'_>) -> Result<()> {
        let column = self.column(column)?;
        self.row.cells.push((column, Shape::One(self.row.items.len())));
        self.row.push(value);
        Ok(())
    }

    /// Gives the row under way a list of values.
    pub(crate) fn set_list<'a>(
        &mut self,
        column: usize,
        values: impl IntoIterator<Item = Result<Value<'a>>>,
    ) -> Result<()> {
        let column = self.column(column)?;
        let start = self.row.items.len();
        for value in values {
            match value {
                Ok(value) => self.row.push(value),
                Err(error) => {
                    self.row.items.truncate(start);
                    return Err(error);
                }
            }
        }
        self.row.cells.push((column, Shape::List(start..self.row.items.len())));
        Ok(())
    }

    /// Ends the row under way; one that the model cannot read is left out.
    pub(crate) fn add(&mut self) -> Result<()> {
        let added = self.row.add_to(&mut self.rows);
        self.row.clear();
        added.map_err(Error::Row)
    }

    /// Removes all rows. Those to come are for the bundle that is there now.
    pub(crate) fn clear(&mut self) {
        self.row.clear();
        self.rows.clear();
        let now = self.shared.version();
        if !Arc::ptr_eq(&now, &self.version) {
            self.rows = now.predictor.rows();
            self.version = now;
        }
    }

    /// Starts anew after a panic, which may have left anything.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(&self.shared);
    }

    /// Number of rows, without the one under way.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The version that predicts them.
    pub(crate) fn version(&self) -> &Version {
        &self.version
    }

    /// Writes the predictions of all rows, row-major, to the start of `out`.
    pub(crate) fn predict(&mut self, out: &mut [MaybeUninit<f32>]) -> Result<()> {
        if !self.row.cells.is_empty() {
            return Err(Error::Unfinished { row: self.rows.len() });
        }
        let predictor = &self.version.predictor;
        let (expected, found) = (self.rows.len() * predictor.width(), out.len());
        let Some(out) = out.get_mut(..expected) else {
            return Err(Error::TooSmall { argument: "out", expected, unit: "floats", found });
        };
        predictor.predict_into(&self.rows, &mut self.predictions).map_err(Error::Predict)?;
        out.write_copy_of_slice(self.predictions.values());
        Ok(())
    }
}

impl Row {
    fn push(&mut self, value: Value<'_>) {
        self.items.push(match value {
            Value::Number(x) => Item::Number(x),
            // C hands over doubles.
            Value::Single(x) => Item::Number(x.into()),
            Value::Integer(x) => Item::Integer(x),
            Value::Unsigned(x) => Item::Unsigned(x),
            Value::Text(text) => {
                let start = self.text.len();
                self.text.extend_from_slice(text);
                Item::Text(start..self.text.len())
            }
            // Nothing of C's is one of these; in a list, NaN is missing.
            Value::Missing | Value::List(_) => Item::Number(f64::NAN),
        });
    }

    fn add_to(&mut self, rows: &mut RawRows) -> mt_features::Result<()> {
        let text = &self.text;
        let value = |item: &Item| match item {
            Item::Number(x) => Value::Number(*x),
            Item::Integer(x) => Value::Integer(*x),
            Item::Unsigned(x) => Value::Unsigned(*x),
            Item::Text(at) => Value::Text(&text[at.clone()]),
        };
        let mut values = emptied(std::mem::take(&mut self.values));
        values.extend(self.items.iter().map(value));
        let cell = |(column, shape): &(Column, Shape)| match shape {
            Shape::One(at) => (*column, values[*at]),
            Shape::List(at) => (*column, Value::List(&values[at.clone()])),
        };
        let added = rows.push_columns(self.cells.iter().map(cell));
        self.values = emptied(values);
        added
    }

    fn clear(&mut self) {
        self.cells.clear();
        self.items.clear();
        self.text.clear();
    }
}

/// The memory of a list for values that live otherwise: collecting nothing from it keeps it.
fn emptied<'a>(mut values: Vec<Value<'_>>) -> Vec<Value<'a>> {
    values.clear();
    values.into_iter().map(|_| Value::Missing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_an_emptied_list_is_kept() {
        let values = vec![Value::from("a"); 10];
        let (at, capacity) = (values.as_ptr() as usize, values.capacity());
        let values: Vec<Value<'static>> = emptied(values);
        assert_eq!((values.as_ptr() as usize, values.capacity(), values.len()), (at, capacity, 0));
    }
}

//! The rows of a step, from the ranks that keep them, as lookups read them.

use crate::distinct::Distinct;
use crate::lookup::{Lookup, Values};

/// Distinct rows of a table, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    width: usize,
    rows: Distinct,
    values: Vec<f32>,
    /// A bit for each: whatever they are, their values are here.
    seen: Vec<u64>,
}

impl Fetched {
    pub fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    /// Begins with none.
    pub fn clear(&mut self) {
        self.rows.clear();
    }

    /// Takes rows of the table in, and gives the place of each here.
    pub fn take(&mut self, rows: &[u32]) -> Vec<u32> {
        self.rows.reserve(rows.len());
        rows.iter().map(|&row| self.rows.place(row).0).collect()
    }

    /// The rows of the table, by their places.
    pub fn rows(&self) -> &[u32] {
        self.rows.ids()
    }

    /// Room for the values of all of them.
    pub fn values_mut(&mut self) -> &mut [f32] {
        let rows = self.rows.ids().len();
        if self.values.len() < rows * self.width {
            self.values.resize(rows * self.width, 0.0);
        }
        self.seen.resize(self.seen.len().max(rows.div_ceil(64)), u64::MAX);
        &mut self.values[..rows * self.width]
    }

    /// How they are read, in the place of those of the table.
    pub fn lookup<'a>(&'a self, table: Lookup<'a>) -> Lookup<'a> {
        Lookup {
            values: Values::F32(&self.values),
            stride: self.width,
            seen: &self.seen,
            ranks: &[],
            ..table
        }
    }
}

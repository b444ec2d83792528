//! What a table holds, column by column: behind normalisation, and shown by `mt data stats`.

use rayon::prelude::*;
use serde::Serialize;

use crate::rows::Numeric;
use crate::schema::Schema;
use crate::table::Table;

/// Rows a worker takes at once. Fixed, so that sums do not depend on the number of threads.
pub(crate) const CHUNK: usize = 8192;

/// Moments and extremes of one column.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ColumnStats {
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Mean.
    pub mean: f64,
    /// Standard deviation over all rows (divided by n).
    pub sd: f64,
    /// Share of rows whose value is 0, from 0 to 1. Rows without a value are in no other number here.
    pub zeros: f64,
    /// Whether every value is 0 or 1, as in one-hot columns and flags.
    pub indicator: bool,
}

impl ColumnStats {
    /// Whether all rows have one value.
    pub fn is_constant(&self) -> bool {
        self.min == self.max
    }
}

/// A whole table at a glance.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Number of rows.
    pub rows: usize,
    /// Share of the feature values that are not 0, from 0 to 1.
    pub density: f64,
    /// Bytes in memory.
    pub memory_bytes: usize,
    /// The feature columns, in order.
    pub columns: Vec<NamedColumn>,
    /// The tasks, in order.
    pub tasks: Vec<TaskStats>,
}

/// A feature column and its statistics.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NamedColumn {
    /// Its name.
    pub name: String,
    /// Its values.
    #[serde(flatten)]
    pub stats: ColumnStats,
}

/// Labels of one task.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TaskStats {
    /// Its name.
    pub name: String,
    /// Rows with a positive label.
    pub positives: usize,
    /// Rows with a label.
    pub present: usize,
}

impl Stats {
    /// Describes `table`, whose columns `schema` names.
    pub fn new(table: &Table, schema: &Schema) -> Self {
        let named = schema.numeric.iter().zip(column_stats(table, f64::from));
        let tasks = schema.tasks.iter().enumerate();
        Stats {
            rows: table.len(),
            density: table.density(),
            memory_bytes: table.memory_bytes(),
            columns: named.map(|(name, stats)| NamedColumn { name: name.clone(), stats }).collect(),
            tasks: tasks
                .map(|(i, task)| {
                    let (positives, present) = table.positives(i);
                    TaskStats { name: task.name.clone(), positives, present }
                })
                .collect(),
        }
    }
}

/// Statistics of each column of `f(value)`, where `f(0) = 0`; `indicator` is of the values themselves. Sums are in
/// `f64` and in a fixed order.
pub(crate) fn column_stats(table: &Table, f: impl Fn(f32) -> f64 + Sync) -> Vec<ColumnStats> {
    let mut moments = Moments::new(table.width());
    moments.look(table, &f);
    moments.look_again(table, &f);
    moments.stats()
}

/// The statistics of rows that come in blocks, all of them twice, in one order. Each block but the last has a multiple of
/// [`CHUNK`] rows: sums are then those of one table, to the bit.
pub(crate) struct Moments {
    rows: usize,
    sums: Vec<Sums>,
    /// Sums of squares around the means.
    around: Vec<f64>,
}

impl Moments {
    /// Of `width` columns, without rows.
    pub fn new(width: usize) -> Self {
        Self { rows: 0, sums: vec![Sums::default(); width], around: vec![0.0; width] }
    }

    /// Adds rows.
    pub fn look(&mut self, table: &Table, f: impl Fn(f32) -> f64 + Sync) {
        self.rows += table.len();
        let add = |sums: &mut Sums, _, value| sums.add(value, f(value));
        fold_columns(table, Sums::default(), &mut self.sums, add, Sums::merge);
    }

    /// Adds the same rows once more: a sum of squares would cancel in columns of large values, so this is around the means.
    pub fn look_again(&mut self, table: &Table, f: impl Fn(f32) -> f64 + Sync) {
        let means = self.means();
        let add = |sum: &mut f64, column: usize, value| {
            let deviation = f(value) - means[column];
            if !deviation.is_nan() {
                *sum += deviation * deviation;
            }
        };
        fold_columns(table, 0.0, &mut self.around, add, |sum, other| *sum += other);
    }

    /// Rows of the first look.
    pub fn rows(&self) -> usize {
        self.rows
    }

    fn present(&self, sums: &Sums) -> f64 {
        (self.rows as u64 - sums.missing).max(1) as f64
    }

    fn means(&self) -> Vec<f64> {
        self.sums.iter().map(|sums| sums.sum / self.present(sums)).collect()
    }

    /// What the rows have shown.
    pub fn stats(&self) -> Vec<ColumnStats> {
        let rows = self.rows as u64;
        let finish = |((sums, mean), around): ((&Sums, f64), &f64)| {
            let zeros = rows - sums.stored;
            let (mut min, mut max) = (sums.min, sums.max);
            if sums.missing == rows {
                (min, max) = (0.0, 0.0);
            } else if zeros > 0 {
                (min, max) = (min.min(0.0), max.max(0.0));
            }
            let variance = (around + zeros as f64 * mean * mean) / self.present(sums);
            ColumnStats {
                min,
                max,
                mean,
                sd: variance.sqrt(),
                zeros: zeros as f64 / rows.max(1) as f64,
                indicator: sums.ones + sums.missing == sums.stored,
            }
        };
        if rows == 0 {
            let nothing =
                ColumnStats { min: 0.0, max: 0.0, mean: 0.0, sd: 0.0, zeros: 0.0, indicator: false };
            return vec![nothing; self.sums.len()];
        }
        self.sums.iter().zip(self.means()).zip(&self.around).map(finish).collect()
    }
}

/// Sums over the values of a column that are not zero.
#[derive(Clone)]
struct Sums {
    stored: u64,
    /// Of those, cells that hold nothing (NaN).
    missing: u64,
    ones: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Default for Sums {
    fn default() -> Self {
        Sums { stored: 0, missing: 0, ones: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Sums {
    fn add(&mut self, raw: f32, value: f64) {
        self.stored += 1;
        if value.is_nan() {
            self.missing += 1;
            return;
        }
        self.ones += u64::from(raw == 1.0);
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    fn merge(&mut self, other: &Sums) {
        self.stored += other.stored;
        self.missing += other.missing;
        self.ones += other.ones;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// Folds every non-zero value into its column's state: chunks of rows in parallel, merged in order.
fn fold_columns<S: Clone + Send + Sync>(
    table: &Table,
    zero: S,
    total: &mut [S],
    add: impl Fn(&mut S, usize, f32) + Sync,
    merge: impl Fn(&mut S, &S),
) {
    let (rows, width) = (table.len(), table.width());
    let chunk = |start: usize| {
        let mut states = vec![zero.clone(); width];
        let rows = start..(start + CHUNK).min(rows);
        match table.numeric() {
            Numeric::Dense(dense) => {
                for row in rows {
                    let values = dense.row(row).iter().enumerate().filter(|&(_, &v)| v != 0.0);
                    values.for_each(|(column, &value)| add(&mut states[column], column, value));
                }
            }
            Numeric::Sparse(sparse) => {
                let span = sparse.offsets[rows.start] as usize..sparse.offsets[rows.end] as usize;
                let stored = sparse.columns[span.clone()].iter().zip(&sparse.values[span]);
                for (&column, &value) in stored.filter(|&(_, &v)| v != 0.0) {
                    add(&mut states[column as usize], column as usize, value);
                }
            }
        }
        states
    };
    let starts: Vec<usize> = (0..rows).step_by(CHUNK).collect();
    // A few chunks at a time: with many columns, all chunks' states together could outweigh the table.
    for group in starts.chunks(16) {
        let parts: Vec<Vec<S>> = group.par_iter().map(|&start| chunk(start)).collect();
        for part in parts {
            total.iter_mut().zip(&part).for_each(|(into, from)| merge(into, from));
        }
    }
}

//! Many rows in memory in the form batches have: a table *is* the cache, the second epoch parses nothing.

use std::ops::Range;

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::rows::{DenseRows, Layout, Numeric, SparseRows};

/// Rows with their labels. Shapes are checked once, at construction.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    rows: Batch,
}

impl Table {
    /// A table of `numeric` (`rows x width`), `labels` and `mask` (both `rows x tasks`, row-major).
    ///
    /// # Errors
    /// [`Error::Shape`] where lengths do not fit, [`Error::TooLarge`] beyond 32-bit row numbers.
    pub fn new(numeric: Numeric, labels: Vec<f32>, mask: Vec<f32>, tasks: usize) -> Result<Self> {
        let rows = numeric.rows();
        u32::try_from(rows).map_err(|_| Error::TooLarge)?;
        let fits = |what, expected: usize, found: usize| match expected == found {
            true => Ok(()),
            false => Err(Error::Shape { what, expected, found }),
        };
        fits("labels", rows * tasks, labels.len())?;
        fits("mask", rows * tasks, mask.len())?;
        match &numeric {
            Numeric::Dense(dense) => fits("values", rows * dense.width, dense.values.len())?,
            Numeric::Sparse(SparseRows { width, offsets, columns, values }) => {
                let ascending = offsets.first() == Some(&0) && offsets.is_sorted();
                let end = if ascending { offsets[rows] as usize } else { usize::MAX };
                fits("columns", end, columns.len())?;
                fits("values", end, values.len())?;
                let widest = columns.iter().max().map_or(0, |&c| c as usize + 1);
                fits("width", (*width).max(widest), *width)?;
            }
        }
        Ok(Table { rows: Batch { numeric, labels, mask, tasks } })
    }

    /// A table of rows that this crate gathered, whose shape is known to be right.
    pub(crate) fn from_batch(rows: Batch) -> Self {
        Table { rows }
    }

    /// A table without rows.
    pub fn empty(width: usize, tasks: usize) -> Self {
        let numeric = Numeric::Sparse(SparseRows::empty(width));
        Table { rows: Batch { numeric, labels: Vec::new(), mask: Vec::new(), tasks } }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.rows()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of tasks.
    pub fn tasks(&self) -> usize {
        self.rows.tasks
    }

    /// Numeric features a row.
    pub fn width(&self) -> usize {
        self.rows.numeric.width()
    }

    /// Features, `rows x width`.
    pub fn numeric(&self) -> &Numeric {
        &self.rows.numeric
    }

    /// Labels, `rows x tasks`, row-major; 0 where missing.
    pub fn labels(&self) -> &[f32] {
        &self.rows.labels
    }

    /// `rows x tasks`, row-major: 1 where a label is present, 0 where it is missing.
    pub fn mask(&self) -> &[f32] {
        &self.rows.mask
    }

    /// All rows as one batch.
    pub fn as_batch(&self) -> &Batch {
        &self.rows
    }

    /// All rows as one batch, without a copy.
    pub fn into_batch(self) -> Batch {
        self.rows
    }

    /// Rows with a positive label and rows with any label of `task`; `(0, 0)` where there is no such task.
    pub fn positives(&self, task: usize) -> (usize, usize) {
        let tasks = self.tasks();
        if task >= tasks {
            return (0, 0);
        }
        let of_task = |column: &[f32]| column.chunks_exact(tasks).filter(|row| row[task] > 0.0).count();
        (of_task(&self.rows.labels), of_task(&self.rows.mask))
    }

    /// Share of the feature values that are not zero, 0 to 1.
    pub fn density(&self) -> f64 {
        let cells = self.len() * self.width();
        if cells == 0 { 0.0 } else { self.rows.numeric.non_zeros() as f64 / cells as f64 }
    }

    /// Bytes the columns take.
    pub fn memory_bytes(&self) -> usize {
        let numeric = match &self.rows.numeric {
            Numeric::Dense(dense) => dense.values.capacity(),
            Numeric::Sparse(s) => s.offsets.capacity() + s.columns.capacity() + s.values.capacity(),
        };
        4 * (numeric + self.rows.labels.capacity() + self.rows.mask.capacity())
    }

    /// The rows `rows`, in that order.
    ///
    /// # Panics
    /// Where a row number is not below [`len`](Self::len).
    pub fn gather(&self, rows: &[u32]) -> Batch {
        let mut batch = Batch::default();
        self.gather_into(rows, &mut batch);
        batch
    }

    /// As [`gather`](Self::gather), into a batch whose memory is used again.
    ///
    /// # Panics
    /// Where a row number is not below [`len`](Self::len).
    pub fn gather_into(&self, rows: &[u32], batch: &mut Batch) {
        let Table { rows: from } = self;
        batch.tasks = from.tasks;
        gather_labels(&from.labels, from.tasks, rows, &mut batch.labels);
        gather_labels(&from.mask, from.tasks, rows, &mut batch.mask);
        match (&from.numeric, &mut batch.numeric) {
            (Numeric::Dense(from), Numeric::Dense(to)) => gather_dense(from, rows, to),
            (Numeric::Sparse(from), Numeric::Sparse(to)) => gather_sparse(from, rows, to),
            (Numeric::Dense(from), to) => {
                let mut dense = DenseRows::default();
                gather_dense(from, rows, &mut dense);
                *to = Numeric::Dense(dense);
            }
            (Numeric::Sparse(from), to) => {
                let mut sparse = SparseRows::default();
                gather_sparse(from, rows, &mut sparse);
                *to = Numeric::Sparse(sparse);
            }
        }
    }

    /// Consecutive rows.
    ///
    /// # Panics
    /// Where the range ends beyond [`len`](Self::len).
    pub fn slice(&self, rows: Range<usize>) -> Batch {
        let Batch { numeric, labels, mask, tasks } = &self.rows;
        let numeric = match numeric {
            Numeric::Dense(DenseRows { width, values }) => {
                let values = values[rows.start * width..rows.end * width].to_vec();
                Numeric::Dense(DenseRows { width: *width, values })
            }
            Numeric::Sparse(SparseRows { width, offsets, columns, values }) => {
                let first = offsets[rows.start];
                let span = first as usize..offsets[rows.end] as usize;
                Numeric::Sparse(SparseRows {
                    width: *width,
                    offsets: offsets[rows.start..=rows.end].iter().map(|o| o - first).collect(),
                    columns: columns[span.clone()].to_vec(),
                    values: values[span].to_vec(),
                })
            }
        };
        let span = rows.start * tasks..rows.end * tasks;
        Batch { numeric, labels: labels[span.clone()].to_vec(), mask: mask[span].to_vec(), tasks: *tasks }
    }

    /// Adds the rows of `other`, of the same width and tasks; keeps this table's form unless it is empty.
    ///
    /// # Errors
    /// [`Error::Shape`] where width or tasks differ, [`Error::TooLarge`] beyond 32-bit positions.
    pub fn append(&mut self, other: Table) -> Result<()> {
        for (what, expected, found) in
            [("width", self.width(), other.width()), ("tasks", self.tasks(), other.tasks())]
        {
            if expected != found {
                return Err(Error::Shape { what, expected, found });
            }
        }
        u32::try_from(self.len() + other.len()).map_err(|_| Error::TooLarge)?;
        if self.is_empty() {
            *self = other;
            return Ok(());
        }
        let other = other.rows;
        let numeric = other.numeric.into_layout(self.rows.numeric.layout());
        match (&mut self.rows.numeric, numeric) {
            (Numeric::Sparse(to), Numeric::Sparse(from)) => {
                let base = to.values.len() as u32;
                u32::try_from(to.values.len() + from.values.len()).map_err(|_| Error::TooLarge)?;
                to.offsets.extend(from.offsets[1..].iter().map(|o| o + base));
                to.columns.extend_from_slice(&from.columns);
                to.values.extend_from_slice(&from.values);
            }
            (Numeric::Dense(to), Numeric::Dense(from)) => to.values.extend_from_slice(&from.values),
            _ => unreachable!("both sides have this table's form"),
        }
        self.rows.labels.extend_from_slice(&other.labels);
        self.rows.mask.extend_from_slice(&other.mask);
        Ok(())
    }

    /// Keeps only the rows `keep` (ascending, each once), in place, so that a split needs no second copy.
    ///
    /// # Panics
    /// Where a row number is not below [`len`](Self::len).
    pub fn retain(&mut self, keep: &[u32]) {
        debug_assert!(keep.is_sorted());
        let Batch { numeric, labels, mask, tasks } = &mut self.rows;
        for column in [labels, mask] {
            retain_fixed(column, *tasks, keep);
        }
        match numeric {
            Numeric::Dense(dense) => retain_fixed(&mut dense.values, dense.width, keep),
            Numeric::Sparse(SparseRows { offsets, columns, values, .. }) => {
                let mut end = 0;
                for (to, &from) in keep.iter().enumerate() {
                    let span = offsets[from as usize] as usize..offsets[from as usize + 1] as usize;
                    let len = span.len();
                    columns.copy_within(span.clone(), end);
                    values.copy_within(span, end);
                    end += len;
                    // `to <= from`: only offsets that have been read are overwritten.
                    offsets[to] = (end - len) as u32;
                }
                offsets.truncate(keep.len());
                offsets.push(end as u32);
                columns.truncate(end);
                values.truncate(end);
            }
        }
        self.shrink();
    }

    /// Makes room for about `factor` times the rows there are, so that appending them does not copy what there is.
    pub(crate) fn reserve(&mut self, factor: f64) {
        fn grow<T>(column: &mut Vec<T>, factor: f64) {
            column.reserve_exact((column.len() as f64 * (factor - 1.0).max(0.0)) as usize);
        }
        let Batch { numeric, labels, mask, .. } = &mut self.rows;
        grow(labels, factor);
        grow(mask, factor);
        match numeric {
            Numeric::Dense(dense) => grow(&mut dense.values, factor),
            Numeric::Sparse(SparseRows { offsets, columns, values, .. }) => {
                grow(offsets, factor);
                grow(columns, factor);
                grow(values, factor);
            }
        }
    }

    /// Gives unused memory back.
    pub(crate) fn shrink(&mut self) {
        let Batch { numeric, labels, mask, .. } = &mut self.rows;
        labels.shrink_to_fit();
        mask.shrink_to_fit();
        match numeric {
            Numeric::Dense(dense) => dense.values.shrink_to_fit(),
            Numeric::Sparse(sparse) => {
                sparse.offsets.shrink_to_fit();
                sparse.columns.shrink_to_fit();
                sparse.values.shrink_to_fit();
            }
        }
    }

    /// The features, to be changed in place; the number of rows must stay.
    pub(crate) fn numeric_mut(&mut self) -> &mut Numeric {
        &mut self.rows.numeric
    }

    /// Changes the form to `layout`.
    pub fn set_layout(&mut self, layout: Layout) {
        let numeric = std::mem::replace(&mut self.rows.numeric, Numeric::Dense(DenseRows::default()));
        self.rows.numeric = numeric.into_layout(layout);
    }
}

fn gather_labels(from: &[f32], tasks: usize, rows: &[u32], to: &mut Vec<f32>) {
    to.clear();
    for &row in rows {
        let at = row as usize * tasks;
        to.extend_from_slice(&from[at..at + tasks]);
    }
}

fn gather_dense(from: &DenseRows, rows: &[u32], to: &mut DenseRows) {
    to.width = from.width;
    gather_labels(&from.values, from.width, rows, &mut to.values);
}

fn gather_sparse(from: &SparseRows, rows: &[u32], to: &mut SparseRows) {
    to.width = from.width;
    to.offsets.clear();
    to.columns.clear();
    to.values.clear();
    to.offsets.push(0);
    for &row in rows {
        let (columns, values) = from.row(row as usize);
        to.columns.extend_from_slice(columns);
        to.values.extend_from_slice(values);
        to.offsets.push(to.values.len() as u32);
    }
}

fn retain_fixed(values: &mut Vec<f32>, width: usize, keep: &[u32]) {
    for (to, &from) in keep.iter().enumerate() {
        let from = from as usize * width;
        values.copy_within(from..from + width, to * width);
    }
    values.truncate(keep.len() * width);
}

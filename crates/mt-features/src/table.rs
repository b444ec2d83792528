//! Many rows in memory in the form batches have: a table *is* the cache, the second epoch parses nothing.

mod room;

use std::ops::Range;

use crate::batch::Batch;
use crate::error::{BadRow, Error, Result};
use crate::fields::Ids;
use crate::gather::{append_rows, gather_dense, gather_fixed, gather_sparse, retain_fixed};
use crate::rows::{DenseRows, Layout, Numeric, SparseRows, check_values};
use crate::task::Task;

/// Rows with their labels. Shapes are checked once, at construction.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    rows: Batch,
    labelled: Option<Vec<f32>>,
    groups: Option<Vec<u32>>,
}

impl Table {
    /// A table of `numeric` (`rows x width`), `labels` and `mask` (both `rows x tasks`, row-major).
    ///
    /// # Errors
    /// As [`Numeric::check`], [`Error::Shape`] where lengths do not fit, [`Error::Row`] for a label that is no finite number
    /// or a mask below 0.
    pub fn new(numeric: Numeric, labels: Vec<f32>, mask: Vec<f32>, tasks: usize) -> Result<Self> {
        numeric.check()?;
        let rows = numeric.rows();
        let fits = |what, expected: usize, found: usize| match expected == found {
            true => Ok(()),
            false => Err(Error::Shape { what, expected, found }),
        };
        fits("labels", rows * tasks, labels.len())?;
        fits("mask", rows * tasks, mask.len())?;
        check_values(&labels, tasks, "finite labels", |label| label.is_finite())?;
        check_values(&mask, tasks, "a mask of finite numbers from 0", |x| x.is_finite() && x >= 0.0)?;
        Ok(Table::from_batch(Batch { numeric, fields: Vec::new(), labels, mask, tasks }))
    }

    /// The same rows with fields, one [`Ids`] a field of the schema.
    ///
    /// # Errors
    /// [`Error::Shape`] where one has another number of rows.
    pub fn with_fields(mut self, fields: Vec<Ids>) -> Result<Self> {
        for ids in &fields {
            ids.check()?;
            self.fits("rows of a field", self.len(), ids.len())?;
        }
        self.rows.fields = fields;
        Ok(self)
    }

    /// The same rows with a group each.
    ///
    /// # Errors
    /// [`Error::Shape`] where there is another number of groups than rows.
    pub fn with_groups(mut self, groups: Vec<u32>) -> Result<Self> {
        self.fits("groups", self.len(), groups.len())?;
        self.groups = Some(groups);
        Ok(self)
    }

    /// The same rows with the mask that they would have if no task had a sample space, `rows x tasks`.
    ///
    /// # Errors
    /// [`Error::Shape`] where its length is another.
    pub fn with_labelled(mut self, labelled: Vec<f32>) -> Result<Self> {
        self.fits("labelled", self.len() * self.tasks(), labelled.len())?;
        self.labelled = Some(labelled);
        Ok(self)
    }

    fn fits(&self, what: &'static str, expected: usize, found: usize) -> Result<()> {
        if expected == found { Ok(()) } else { Err(Error::Shape { what, expected, found }) }
    }

    /// A table of rows that this crate gathered, whose shape is known to be right.
    pub fn from_batch(rows: Batch) -> Self {
        Table { rows, labelled: None, groups: None }
    }

    /// A table without rows.
    pub fn empty(width: usize, tasks: usize) -> Self {
        let numeric = Numeric::Sparse(SparseRows::empty(width));
        Table::from_batch(Batch { numeric, tasks, ..Batch::default() })
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

    /// Rows of the embedding tables, one entry a field of the schema.
    pub fn fields(&self) -> &[Ids] {
        &self.rows.fields
    }

    /// Where some task has a sample space, the mask without it, `rows x tasks`: the row's weight where a label is
    /// present, in the sample space or not.
    pub fn labelled(&self) -> Option<&[f32]> {
        self.labelled.as_deref()
    }

    /// The group of each row where `data.group` is set: equal codes are equal values of that column. Codes count
    /// up from 0 in order of first appearance among rows read together.
    pub fn groups(&self) -> Option<&[u32]> {
        self.groups.as_deref()
    }

    /// Labels, `rows x tasks`, row-major; 0 where missing.
    pub fn labels(&self) -> &[f32] {
        &self.rows.labels
    }

    /// `rows x tasks`, row-major: the row's weight (1 without weights) where a label is present and in its task's
    /// sample space, 0 elsewhere.
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
        let labels = self.rows.labels.chunks_exact(tasks);
        let present = labels.zip(self.rows.mask.chunks_exact(tasks)).filter(|(_, mask)| mask[task] > 0.0);
        present
            .fold((0, 0), |(positive, all), (label, _)| (positive + usize::from(label[task] > 0.0), all + 1))
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
        let fields: usize = self.rows.fields.iter().map(Ids::memory_bytes).sum();
        let labelled = self.labelled.as_ref().map_or(0, Vec::capacity);
        let groups = self.groups.as_ref().map_or(0, Vec::capacity);
        let labels = self.rows.labels.capacity() + self.rows.mask.capacity();
        4 * (numeric + labels + labelled + groups) + fields
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
        let from = &self.rows;
        batch.tasks = from.tasks;
        gather_fixed(&from.labels, from.tasks, rows, &mut batch.labels);
        gather_fixed(&from.mask, from.tasks, rows, &mut batch.mask);
        batch.fields.resize_with(from.fields.len(), Ids::default);
        from.fields.iter().zip(&mut batch.fields).for_each(|(from, to)| from.gather_into(rows, to));
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

    /// The rows `rows` as a table of their own, with their groups.
    ///
    /// # Panics
    /// Where a row number is not below [`len`](Self::len).
    pub fn take(&self, rows: &[u32]) -> Table {
        let labelled = self.labelled.as_ref().map(|labelled| {
            let mut taken = Vec::new();
            gather_fixed(labelled, self.tasks(), rows, &mut taken);
            taken
        });
        let groups = self.groups.as_ref();
        let groups = groups.map(|groups| rows.iter().map(|&row| groups[row as usize]).collect());
        Table { rows: self.gather(rows), labelled, groups }
    }

    /// Consecutive rows.
    ///
    /// # Panics
    /// Where the range ends beyond [`len`](Self::len).
    pub fn slice(&self, rows: Range<usize>) -> Batch {
        let Batch { numeric, fields, labels, mask, tasks } = &self.rows;
        let fields = fields.iter().map(|ids| ids.slice(rows.clone())).collect();
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
        let (labels, mask) = (labels[span.clone()].to_vec(), mask[span].to_vec());
        Batch { numeric, fields, labels, mask, tasks: *tasks }
    }

    /// Adds the rows of `other`, of the same width, tasks and fields; keeps this table's form unless it is empty.
    ///
    /// # Errors
    /// [`Error::Shape`] where width, tasks or fields differ, [`Error::TooLarge`] beyond 32-bit positions.
    pub fn append(&mut self, other: Table) -> Result<()> {
        self.fits("width", self.width(), other.width())?;
        self.fits("tasks", self.tasks(), other.tasks())?;
        u32::try_from(self.len() + other.len()).map_err(|_| Error::TooLarge)?;
        if self.is_empty() {
            *self = other;
            return Ok(());
        }
        self.fits("fields", self.rows.fields.len(), other.rows.fields.len())?;
        let Table { rows: other, labelled, groups } = other;
        append_rows(&mut self.labelled, labelled, "labelled")?;
        append_rows(&mut self.groups, groups, "groups")?;
        for (to, from) in self.rows.fields.iter_mut().zip(&other.fields) {
            to.append(from)?;
        }
        let numeric = other.numeric.into_layout(self.rows.numeric.layout());
        match (&mut self.rows.numeric, numeric) {
            (Numeric::Sparse(to), Numeric::Sparse(from)) => {
                let base = to.values.len() as u32;
                u32::try_from(to.values.len() + from.values.len()).map_err(|_| Error::TooLarge)?;
                to.offsets.extend(from.offsets[1..].iter().map(|o| o + base));
                // Most of the time goes into pages that were not touched before, which two threads do in half of it.
                rayon::join(
                    || to.columns.extend_from_slice(&from.columns),
                    || to.values.extend_from_slice(&from.values),
                );
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
        let Batch { numeric, fields, labels, mask, tasks } = &mut self.rows;
        fields.iter_mut().for_each(|ids| ids.retain(keep));
        if let Some(groups) = &mut self.groups {
            retain_fixed(groups, 1, keep);
        }
        for column in [Some(labels), Some(mask), self.labelled.as_mut()].into_iter().flatten() {
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

    /// Checks that labels that are there are of their tasks' kinds.
    pub fn check_labels(&self, tasks: &[Task]) -> Result<()> {
        let width = self.tasks().max(1);
        let rows = self.labels().chunks_exact(width).zip(self.mask().chunks_exact(width));
        for (row, (labels, mask)) in rows.enumerate() {
            let given = tasks.iter().zip(labels).zip(mask).filter(|(_, mask)| **mask > 0.0);
            for ((task, &label), _) in given {
                if task.kind.label(f64::from(label)).is_none() {
                    let found = format!("{label} for {:?}", task.name);
                    return Err(Error::Row(BadRow { row, expected: "a label of its task's kind", found }));
                }
            }
        }
        Ok(())
    }

    /// The features, to be changed in place; the number of rows must stay.
    pub(crate) fn numeric_mut(&mut self) -> &mut Numeric {
        &mut self.rows.numeric
    }

    /// The fields, to be changed in place; the number of rows must stay.
    pub(crate) fn fields_mut(&mut self) -> &mut [Ids] {
        &mut self.rows.fields
    }

    /// Changes the form to `layout`.
    pub fn set_layout(&mut self, layout: Layout) {
        let numeric = std::mem::replace(&mut self.rows.numeric, Numeric::Dense(DenseRows::default()));
        self.rows.numeric = numeric.into_layout(layout);
    }
}

//! Rows as they are read, and what was wrong with some: the same for text and columns.

use std::borrow::Cow;

use super::layout::Layout;
use super::record::{Extra, Records};
use crate::batch::Batch;
use crate::error::Place;
use crate::rows::{Numeric, SparseRows};

/// What a block holds.
#[derive(Debug)]
pub(super) struct Parsed {
    /// Its good rows: features, labels and mask.
    pub rows: Batch,
    /// What the layout's plan made of them.
    pub extra: Option<Extra>,
    /// Its lines of text, blank ones too.
    pub lines: u64,
    /// Its records, good or bad.
    pub records: u64,
    /// Its bad records, up to the allowance and one more.
    pub faults: Vec<Fault>,
}

/// A record that cannot be read. Positions are relative to the block, as no one knows yet where that begins.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    /// Lines before it in the block.
    pub line: u64,
    /// Records before it in the block.
    pub record: u64,
    /// Bytes before it in the line.
    pub offset: usize,
    /// What is wrong.
    pub kind: FaultKind,
}

#[derive(Debug, PartialEq)]
pub(super) enum FaultKind {
    Width {
        found: usize,
    },
    /// `field` is what to call the cell, if not by its column.
    Cell {
        column: usize,
        field: Option<String>,
        expected: Cow<'static, str>,
        found: String,
    },
    /// In a side table.
    Side {
        place: Place,
        field: String,
        expected: Cow<'static, str>,
        found: String,
    },
}

/// The row that is being read, and those before it.
pub(super) struct Row<'a> {
    pub layout: &'a Layout,
    sparse: SparseRows,
    labels: Vec<f32>,
    mask: Vec<f32>,
    /// For sorting rows whose features come in another order than the schema's.
    pairs: Vec<(u32, f32)>,
    /// What the layout's plan makes of the rows.
    pub records: Option<Records<'a>>,
}

impl<'a> Row<'a> {
    /// No rows yet.
    pub fn new(layout: &'a Layout) -> Self {
        Row {
            layout,
            sparse: SparseRows::empty(layout.features),
            labels: Vec::new(),
            mask: Vec::new(),
            pairs: Vec::new(),
            records: layout.plan.as_ref().map(|plan| Records::new(plan, layout.delimiter)),
        }
    }

    /// Starts a row, and returns where its labels begin.
    pub fn begin(&mut self) -> usize {
        let labelled = self.labels.len();
        self.labels.resize(labelled + self.layout.tasks, 0.0);
        self.mask.resize(labelled + self.layout.tasks, 0.0);
        labelled
    }

    /// Makes what the plan says of a row that has been read; `next` is where the next one starts.
    pub fn complete(&mut self, text: &[u8], labelled: usize, next: usize) -> Option<usize> {
        if let Some(records) = &mut self.records {
            let (labels, mask) = (&mut self.labels[labelled..], &mut self.mask[labelled..]);
            records.finish(text, &mut self.sparse, labels, mask)?;
        }
        Some(next)
    }

    /// Adds a value of a feature.
    #[inline(always)]
    pub fn push(&mut self, feature: u32, value: f32) {
        if value != 0.0 {
            self.sparse.columns.push(feature);
            self.sparse.values.push(value);
        }
    }

    /// Adds values, none of them 0, of features.
    #[cfg(feature = "parquet")]
    pub fn extend(&mut self, features: &[u32], values: &[f32]) {
        self.sparse.columns.extend_from_slice(features);
        self.sparse.values.extend_from_slice(values);
    }

    /// Sets a binary label; `None` for a value that is none.
    pub fn label(&mut self, at: usize, value: f32) -> Option<()> {
        let binary = value == 0.0 || value == 1.0;
        (self.labels[at], self.mask[at]) = (value, 1.0);
        binary.then_some(())
    }

    /// Ends a row that is good.
    pub fn finish(&mut self) {
        let start = *self.sparse.offsets.last().unwrap_or(&0) as usize;
        if !self.layout.ascending {
            let Row { sparse, pairs, .. } = self;
            let stored = sparse.columns[start..].iter().zip(&sparse.values[start..]);
            pairs.clear();
            pairs.extend(stored.map(|(&column, &value)| (column, value)));
            pairs.sort_unstable_by_key(|&(column, _)| column);
            for (i, &(column, value)) in pairs.iter().enumerate() {
                (sparse.columns[start + i], sparse.values[start + i]) = (column, value);
            }
        }
        self.sparse.offsets.push(self.sparse.values.len() as u32);
    }

    /// Takes back what a bad row left.
    pub fn drop_unfinished(&mut self) {
        let rows = self.sparse.offsets.len() - 1;
        let end = *self.sparse.offsets.last().unwrap_or(&0) as usize;
        self.sparse.columns.truncate(end);
        self.sparse.values.truncate(end);
        self.labels.truncate(rows * self.layout.tasks);
        self.mask.truncate(rows * self.layout.tasks);
        if let Some(records) = &mut self.records {
            records.truncate(rows);
        }
    }
    /// The fault of the row that starts at `start`, if it was one of value.
    pub fn take_fault(&mut self, start: usize, line: u64, record: u64) -> Option<Fault> {
        self.records.as_mut()?.take_fault(start, line, record)
    }

    /// What has been read.
    pub fn into_parsed(self, lines: u64, records: u64, faults: Vec<Fault>) -> Parsed {
        let Row { layout, sparse, labels, mask, records: kept, .. } = self;
        let numeric = Numeric::Sparse(sparse);
        let rows = Batch { numeric, fields: Vec::new(), labels, mask, tasks: layout.tasks };
        Parsed { rows, extra: kept.map(|kept| kept.extra), lines, records, faults }
    }
}

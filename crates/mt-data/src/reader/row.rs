//! Rows as they are read from text, and what was wrong with some.

use std::borrow::Cow;

use mt_features::{Batch, SparseRows};

use super::cell::Content;
use super::cells::{Cells, Span};
use super::encode::{At, BadValue, Extra};
use super::layout::Layout;
use super::matrix::sort;
use super::partition;
use super::plan::Plan;
use crate::error::Place;

/// What a block holds.
#[derive(Debug)]
pub(super) struct Parsed {
    /// Its good rows: features, labels and mask.
    pub rows: Batch,
    /// What the layout's plan made of them beside these.
    pub extra: Extra,
    /// Its lines of text, blank ones too.
    pub lines: u64,
    /// Its records, good or bad.
    pub records: u64,
    /// Its bad records, in order; beyond the allowance some may be left out.
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
    /// A quote that does not close: what is behind it cannot be told to be records, so none of them is left out.
    Open {
        column: usize,
        found: String,
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

impl FaultKind {
    /// What a bad value is, with the column of its cell where it is one: else the record's first one is to blame.
    pub fn of(bad: BadValue, plan: &Plan) -> Self {
        let BadValue { at, field, expected, found } = bad;
        match at {
            At::Side { place, name } => {
                FaultKind::Side { place, field: field.unwrap_or(name), expected, found }
            }
            At::Record => FaultKind::Cell { column: 0, field, expected, found },
            At::Kept(k) => FaultKind::Cell { column: plan.kept[k as usize], field, expected, found },
        }
    }
}

/// The row that is being read, and those before it.
pub(super) struct Row<'a> {
    pub layout: &'a Layout,
    pub sparse: SparseRows,
    /// For sorting rows whose features come in another order than the schema's.
    pairs: Vec<(u32, f32)>,
    /// The cells that a plan wants.
    pub kept: PlanCells,
}

/// Cells that are kept for a plan.
#[derive(Default)]
pub(super) struct PlanCells {
    spans: Vec<Vec<Span>>,
    /// Those with doubled quotes, less the doubles.
    unescaped: Vec<u8>,
    /// Where each row starts in the block, and its number among the block's records.
    pub starts: Vec<(u32, u64)>,
}

impl PlanCells {
    /// The cells of `columns`, which are those that are kept.
    pub fn cells<'t>(&'t self, text: &'t [u8], columns: &[usize], layout: &'t Layout) -> Vec<Cells<'t>> {
        let own = |spans: &'t Vec<Span>| Cells::Text { text, unescaped: &self.unescaped, spans };
        let same = |column: usize| {
            layout.partition(column).map(|partition| Cells::Same(partition::value(partition)))
        };
        self.spans.iter().zip(columns).map(|(spans, &column)| same(column).unwrap_or(own(spans))).collect()
    }
}

impl<'a> Row<'a> {
    /// No rows yet.
    pub fn new(layout: &'a Layout) -> Self {
        let kept = layout.plan.kept.len();
        Row {
            layout,
            sparse: SparseRows::empty(layout.features),
            pairs: Vec::new(),
            kept: PlanCells { spans: vec![Vec::new(); kept], ..PlanCells::default() },
        }
    }

    /// Adds a value of a feature.
    #[inline(always)]
    pub fn push(&mut self, feature: u32, value: f32) {
        if value != 0.0 {
            self.sparse.columns.push(feature);
            self.sparse.values.push(value);
        }
    }

    /// Keeps the cell number `k`, which starts at `at`, and returns the position behind it.
    #[inline]
    pub fn keep(&mut self, text: &[u8], at: usize, k: u32) -> Option<usize> {
        let content = Content::at(text, at, self.layout.delimiter);
        let PlanCells { spans, unescaped, .. } = &mut self.kept;
        spans[k as usize].push(Span::of(content, text, unescaped));
        (!content.bad_quotes).then_some(content.next)
    }

    /// Ends a row that is good, the record of this number, which starts at `start`.
    pub fn finish(&mut self, start: usize, record: u64) {
        let first = *self.sparse.offsets.last().unwrap_or(&0) as usize;
        if !self.layout.ascending {
            let Row { sparse, pairs, .. } = self;
            sort(&mut sparse.columns[first..], &mut sparse.values[first..], pairs);
        }
        self.sparse.offsets.push(self.sparse.values.len() as u32);
        self.kept.starts.push((start as u32, record));
    }

    /// Takes back what a bad row left.
    pub fn drop_unfinished(&mut self) {
        let rows = self.sparse.offsets.len() - 1;
        let end = *self.sparse.offsets.last().unwrap_or(&0) as usize;
        self.sparse.columns.truncate(end);
        self.sparse.values.truncate(end);
        self.kept.spans.iter_mut().for_each(|spans| spans.truncate(rows));
    }
}

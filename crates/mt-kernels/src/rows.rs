//! The rows of an input, sparse or dense, and how they are shared out.

use std::ops::Range;

use crate::sparse::Entries;

/// Input width from which a dense product pays for its packing.
const WIDE: usize = 48;

/// The input as the kernels see it.
#[derive(Clone, Copy)]
pub enum Rows<'a> {
    /// Mostly zeros, of which nothing is said.
    Sparse(SparseBlock<'a>),
    /// Every value.
    Dense {
        /// Row-major.
        values: &'a [f32],
        /// Columns.
        width: usize,
    },
}

/// Consecutive sparse rows.
#[derive(Clone, Copy)]
pub struct SparseBlock<'a> {
    offsets: &'a [u32],
    columns: &'a [u32],
    values: &'a [f32],
}

impl<'a> SparseBlock<'a> {
    #[inline(always)]
    pub(crate) fn row(self, r: usize) -> Entries<'a> {
        let (from, to) = (self.offsets[r] as usize, self.offsets[r + 1] as usize);
        Entries { columns: &self.columns[from..to], values: &self.values[from..to], first: 0 }
    }

    /// The entries of a row in columns `first..last`, counted from `first`.
    #[inline(always)]
    pub(crate) fn row_within(self, r: usize, first: usize, last: usize) -> Entries<'a> {
        let Entries { columns, values, .. } = self.row(r);
        let from = columns.partition_point(|&c| (c as usize) < first);
        let to = columns.partition_point(|&c| (c as usize) < last);
        Entries { columns: &columns[from..to], values: &values[from..to], first }
    }
}

impl<'a> Rows<'a> {
    /// Sparse rows, whose entries are `offsets[r]..offsets[r + 1]` of the ascending `columns` and of `values`.
    #[inline]
    pub fn sparse(offsets: &'a [u32], columns: &'a [u32], values: &'a [f32]) -> Self {
        Self::Sparse(SparseBlock { offsets, columns, values })
    }

    /// Whether there are no rows.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Number of rows.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            Self::Sparse(rows) => rows.offsets.len() - 1,
            Self::Dense { values, width } => values.len() / width,
        }
    }

    /// The rows `from..to`.
    #[inline]
    pub fn range(self, from: usize, to: usize) -> Self {
        match self {
            Self::Sparse(rows) => Self::Sparse(SparseBlock { offsets: &rows.offsets[from..=to], ..rows }),
            Self::Dense { values, width } => Self::Dense { values: &values[from * width..to * width], width },
        }
    }

    /// Values that are there: of dense rows all.
    #[inline]
    pub fn entries(self) -> usize {
        match self {
            Self::Sparse(SparseBlock { offsets, .. }) => (offsets[offsets.len() - 1] - offsets[0]) as usize,
            Self::Dense { values, .. } => values.len(),
        }
    }

    /// The columns of `width` that hold an entry, as runs; `None` where most of them will.
    pub(crate) fn occupied(self, width: usize) -> Option<Vec<Range<u32>>> {
        let Self::Sparse(rows) = self else { return None };
        let (first, end) = (rows.offsets[0] as usize, rows.offsets[rows.offsets.len() - 1] as usize);
        if end - first >= 8 * width {
            return None;
        }
        let mut marks = vec![false; width];
        rows.columns[first..end].iter().for_each(|&column| marks[column as usize] = true);
        let mut runs: Vec<Range<u32>> = Vec::new();
        for (column, _) in (0..).zip(marks).filter(|(_, mark)| *mark) {
            match runs.last_mut() {
                Some(run) if run.end == column => run.end += 1,
                _ => runs.push(column..column + 1),
            }
        }
        Some(runs)
    }

    /// The values, if so many columns of them are better left to the matrix product, which a single row is not: it
    /// reads each weight once.
    #[inline]
    pub(crate) fn wide(self, inputs: usize) -> Option<(&'a [f32], usize)> {
        match self {
            Self::Dense { values, width } if inputs >= WIDE && values.len() > width => Some((values, width)),
            _ => None,
        }
    }
}

/// Weight rows each parallel task takes: about equally many entries, by a sample of the rows. The split decides who
/// adds, never in which order, so it may depend on the number of threads.
pub(crate) fn shares(rows: Rows, weight_rows: usize, parallel: bool) -> Vec<usize> {
    let parts = if parallel { rayon::current_num_threads().min(weight_rows) } else { 1 };
    let Rows::Sparse(SparseBlock { offsets, columns, .. }) = rows else {
        return (0..parts).map(|p| (p + 1) * weight_rows / parts - p * weight_rows / parts).collect();
    };
    if parts == 1 {
        return vec![weight_rows];
    }
    let sampled = offsets[(offsets.len() - 1).min(64)] as usize;
    let mut sample = columns[offsets[0] as usize..sampled].to_vec();
    sample.sort_unstable();
    let mut counts = Vec::with_capacity(parts);
    let mut first = 0;
    for p in 1..=parts {
        let end = match p == parts {
            true => weight_rows,
            false => sample.get(p * sample.len() / parts).map_or(0, |&c| c as usize),
        };
        let end = end.max(first);
        counts.push(end - first);
        first = end;
    }
    counts
}

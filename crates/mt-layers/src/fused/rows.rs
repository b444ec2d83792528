//! The rows of an input, sparse or dense, and how they are shared out.

use crate::input::SparseRows;

/// Input width from which a dense product pays for its packing.
const WIDE: usize = 48;

/// The input as the kernels see it.
#[derive(Clone, Copy)]
pub(super) enum Rows<'a> {
    Sparse { offsets: &'a [u32], columns: &'a [u32], values: &'a [f32] },
    Dense { values: &'a [f32], width: usize },
}

impl<'a> Rows<'a> {
    pub fn of(sparse: Option<&'a SparseRows>, dense: &'a [f32], width: usize) -> Self {
        match sparse {
            Some(rows) => {
                let (offsets, columns, values) = rows.parts();
                Self::Sparse { offsets, columns, values }
            }
            None => Self::Dense { values: dense, width },
        }
    }

    pub fn len(self) -> usize {
        match self {
            Self::Sparse { offsets, .. } => offsets.len() - 1,
            Self::Dense { values, width } => values.len() / width,
        }
    }

    pub fn range(self, from: usize, to: usize) -> Self {
        match self {
            Self::Sparse { offsets, columns, values } => {
                Self::Sparse { offsets: &offsets[from..=to], columns, values }
            }
            Self::Dense { values, width } => Self::Dense { values: &values[from * width..to * width], width },
        }
    }

    pub fn entries(self) -> usize {
        match self {
            Self::Sparse { offsets, .. } => (offsets[offsets.len() - 1] - offsets[0]) as usize,
            Self::Dense { values, .. } => values.len(),
        }
    }

    pub fn wide(self, inputs: usize) -> Option<(&'a [f32], usize)> {
        match self {
            Self::Dense { values, width } if inputs >= WIDE => Some((values, width)),
            _ => None,
        }
    }
}

/// Weight rows each parallel task takes: about equally many entries, by a sample of the rows. The split decides who
/// adds, never in which order, so it may depend on the number of threads.
pub(super) fn shares(rows: Rows, weight_rows: usize, parallel: bool) -> Vec<usize> {
    let parts = if parallel { rayon::current_num_threads().min(weight_rows) } else { 1 };
    let Rows::Sparse { offsets, columns, .. } = rows else {
        return (0..parts).map(|p| (p + 1) * weight_rows / parts - p * weight_rows / parts).collect();
    };
    let sampled = offsets[(offsets.len() - 1).min(64)] as usize;
    let mut sample = columns[offsets[0] as usize..sampled].to_vec();
    sample.sort_unstable();
    let mut counts = Vec::with_capacity(parts);
    let mut first = 0;
    for p in 1..=parts {
        let end = if p == parts {
            weight_rows
        } else {
            sample.get(p * sample.len() / parts).map_or(0, |&c| c as usize)
        };
        let end = end.max(first);
        counts.push(end - first);
        first = end;
    }
    counts
}

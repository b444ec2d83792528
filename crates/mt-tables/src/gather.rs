//! Forward: pooled rows of a field into its columns of the output.

use std::ops::Range;

use mt_kernels::blocks::add_scaled;
use mt_kernels::kernel;

use crate::field::Pooling;
use crate::ids::Ids;
use crate::lookup::Lookup;
use crate::prefetch::ahead;

/// A field's columns `at..at + width` of a row-major matrix with rows of `stride`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub at: usize,
    pub width: usize,
    pub stride: usize,
}

/// Fetches what [`gather`] of the batch rows `batch` begins with; up to where.
pub(crate) fn fetch(lookup: Lookup, ids: &Ids, batch: Range<usize>, width: usize) -> usize {
    let listed = ids.lists(batch);
    let mut fetched = listed.start;
    for e in ahead(&mut fetched, listed.start, listed.end) {
        lookup.prefetch(ids.rows[e], width);
    }
    fetched
}

kernel! {
    /// Writes the pooled rows of the batch rows `batch` to the zeroed rows of `out`. Ids before `fetched` were
    /// [fetched](fetch).
    pub(crate) fn gather(
        _simd: S,
        lookup: Lookup<'_>,
        ids: &Ids,
        pooling: Pooling,
        batch: Range<usize>,
        fetched: usize,
        place: Place,
        spare: &mut [f32],
        out: &mut [f32],
    ) {
        let (end, spare) = (ids.lists(batch.clone()).end, &mut spare[..place.width]);
        let mut fetched = fetched;
        for b in 0..batch.len() {
            let list = ids.list(batch.start + b);
            let out = &mut out[b * place.stride + place.at..][..place.width];
            if list.is_empty() {
                continue;
            }
            let (from, count) = (list.start, list.len());
            for e in ahead(&mut fetched, list.end, end) {
                lookup.prefetch(ids.rows[e], place.width);
            }
            if let Some(weights) = &ids.weights {
                for e in list {
                    add_scaled(weights[e], lookup.row(ids.rows[e], spare), out);
                }
                continue;
            }
            lookup.read(ids.rows[from], out);
            for e in from + 1..from + count {
                let row = lookup.row(ids.rows[e], spare);
                if pooling == Pooling::Max {
                    for i in 0..row.len() {
                        out[i] = if row[i] > out[i] { row[i] } else { out[i] };
                    }
                } else {
                    add_scaled(1.0, row, out);
                }
            }
            if pooling == Pooling::Mean && count > 1 {
                for i in 0..out.len() {
                    out[i] /= count as f32;
                }
            }
        }
    }
}

kernel! {
    /// For the list `ids`, writes to `winners` which of its rows has each coordinate's largest value first.
    pub(crate) fn arg_max(
        _simd: S,
        lookup: Lookup<'_>,
        ids: &[u32],
        spare: &mut [f32],
        best: &mut [f32],
        winners: &mut [u32],
    ) {
        for e in 0..ids.len() {
            let row = lookup.row(ids[e], spare);
            for i in 0..row.len() {
                if e == 0 || row[i] > best[i] {
                    (best[i], winners[i]) = (row[i], e as u32);
                }
            }
        }
    }
}

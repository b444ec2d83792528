//! The two inner loops of an affine map over the non-zero entries of a row.

use pulp::Simd;

use crate::panels::{Columns, Panel, Tail, by_panels};

/// The entries of a row, with `first` taken off each column.
#[derive(Clone, Copy)]
pub struct Entries<'a> {
    pub columns: &'a [u32],
    pub values: &'a [f32],
    pub first: usize,
}

/// `out = bias + Σ value · weight[column]`.
#[inline(always)]
pub fn forward<S: Simd>(
    simd: S,
    entries: Entries,
    weight: &[f32],
    columns: Columns,
    bias: &[f32],
    out: &mut [f32],
) {
    by_panels!(8, columns.width, forward_panel(simd, entries, weight, columns, bias, out));
}

#[inline(always)]
fn forward_panel<S: Simd, const V: usize, const TAIL: bool>(
    simd: S,
    entries: Entries,
    weight: &[f32],
    columns: Columns,
    bias: &[f32],
    out: &mut [f32],
    first: usize,
) {
    let tail = Tail::of(simd, columns.width);
    let mut sums = Panel::<S, V, TAIL>::load(simd, tail, &bias[first..]);
    let values = &entries.values[..entries.columns.len()];
    for e in 0..values.len() {
        let start = (entries.columns[e] as usize - entries.first) * columns.stride + columns.at + first;
        let weights = Panel::load(simd, tail, &weight[start..]);
        sums = sums.add_scaled(simd, simd.splat_f32s(values[e]), weights);
    }
    sums.store(simd, tail, &mut out[first..]);
}

/// `gradient[column] += value · delta`, the transpose of [`forward`].
#[inline(always)]
pub fn backward<S: Simd>(simd: S, entries: Entries, delta: &[f32], columns: Columns, gradient: &mut [f32]) {
    by_panels!(8, columns.width, backward_panel(simd, entries, delta, columns, gradient));
}

#[inline(always)]
fn backward_panel<S: Simd, const V: usize, const TAIL: bool>(
    simd: S,
    entries: Entries,
    delta: &[f32],
    columns: Columns,
    gradient: &mut [f32],
    first: usize,
) {
    let tail = Tail::of(simd, columns.width);
    let delta = Panel::<S, V, TAIL>::load(simd, tail, &delta[first..]);
    let values = &entries.values[..entries.columns.len()];
    for e in 0..values.len() {
        let start = (entries.columns[e] as usize - entries.first) * columns.stride + columns.at + first;
        let sums = Panel::load(simd, tail, &gradient[start..]);
        sums.add_scaled(simd, simd.splat_f32s(values[e]), delta).store(simd, tail, &mut gradient[start..]);
    }
}

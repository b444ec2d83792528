//! Small dense products, where packing for a general matrix product would cost more than the arithmetic.
#![allow(clippy::too_many_arguments, reason = "matrices come with sizes and strides")]

use pulp::Simd;

use crate::kernel;
use crate::panels::{Columns, Panel, Tail, by_panels};

/// Columns `at..at + width` of row-major rows that are `stride` apart.
#[derive(Clone, Copy)]
pub struct Block<'a> {
    pub values: &'a [f32],
    pub columns: Columns,
}

impl<'a> Block<'a> {
    pub fn new(values: &'a [f32], at: usize, width: usize, stride: usize) -> Self {
        Self { values, columns: Columns { at, width, stride } }
    }

    #[inline(always)]
    fn row(self, r: usize) -> &'a [f32] {
        &self.values[r * self.columns.stride + self.columns.at..][..self.columns.width]
    }
}

/// Rows whose sums are held in registers at once.
const ROWS: usize = 4;

kernel! {
    /// `out[r] = xs[r] · weight` for all `rows`, or `+=` that if it `adds`; `weight` has as many rows as `xs` has columns.
    pub fn multiply(
        simd: S,
        rows: usize,
        xs: Block<'_>,
        weight: Block<'_>,
        out: &mut [f32],
        to: Columns,
        adds: bool,
    ) {
        let mut r = 0;
        // Sums of a narrow product wait for each other unless there are twice as many rows.
        while to.width <= S::F32_LANES && r + 2 * ROWS <= rows {
            match to.width == S::F32_LANES {
                true => multiply_panel::<S, { 2 * ROWS }, 1, false>(simd, xs, r, weight, out, to, adds, 0),
                false => multiply_panel::<S, { 2 * ROWS }, 0, true>(simd, xs, r, weight, out, to, adds, 0),
            }
            r += 2 * ROWS;
        }
        while r + ROWS <= rows {
            by_panels!(2, to.width, multiply_panel[ROWS](simd, xs, r, weight, out, to, adds));
            r += ROWS;
        }
        while r < rows {
            by_panels!(2, to.width, multiply_panel[1](simd, xs, r, weight, out, to, adds));
            r += 1;
        }
    }
}

#[inline(always)]
fn multiply_panel<S: Simd, const R: usize, const V: usize, const TAIL: bool>(
    simd: S,
    xs: Block,
    row: usize,
    weight: Block,
    out: &mut [f32],
    to: Columns,
    adds: bool,
    first: usize,
) {
    let tail = Tail::of(simd, to.width);
    let mut sums = [Panel::<S, V, TAIL>::zero(simd); R];
    let mut from = [xs.row(row); R];
    for r in 1..R {
        from[r] = xs.row(row + r);
    }
    for i in 0..xs.columns.width {
        let weights =
            Panel::load(simd, tail, &weight.values[i * weight.columns.stride + weight.columns.at + first..]);
        for r in 0..R {
            sums[r] = sums[r].add_scaled(simd, simd.splat_f32s(from[r][i]), weights);
        }
    }
    for r in 0..R {
        let out = &mut out[(row + r) * to.stride + to.at + first..];
        let sums = if adds { Panel::load(simd, tail, out).add(simd, sums[r]) } else { sums[r] };
        sums.store(simd, tail, out);
    }
}

kernel! {
    /// `gradient[i] += Σ_r xs[r][i] · delta[r]`: the transpose of [`multiply`] in its weight. `gradient` has a row
    /// for each column of `xs`.
    pub fn multiply_transposed(
        simd: S,
        rows: usize,
        xs: Block<'_>,
        delta: Block<'_>,
        gradient: &mut [f32],
        to: Columns,
    ) {
        let inputs = xs.columns.width;
        let whole = inputs / ROWS * ROWS;
        let mut i = 0;
        while i < whole {
            by_panels!(2, to.width, transposed_panel[ROWS](simd, rows, xs, i, delta, gradient, to));
            i += ROWS;
        }
        while i < inputs {
            by_panels!(2, to.width, transposed_panel[1](simd, rows, xs, i, delta, gradient, to));
            i += 1;
        }
    }
}

#[inline(always)]
fn transposed_panel<S: Simd, const R: usize, const V: usize, const TAIL: bool>(
    simd: S,
    rows: usize,
    xs: Block,
    input: usize,
    delta: Block,
    gradient: &mut [f32],
    to: Columns,
    first: usize,
) {
    let tail = Tail::of(simd, to.width);
    let mut sums = [Panel::<S, V, TAIL>::zero(simd); R];
    for r in 0..rows {
        let xs = &xs.values[r * xs.columns.stride + xs.columns.at + input..][..R];
        let delta =
            Panel::load(simd, tail, &delta.values[r * delta.columns.stride + delta.columns.at + first..]);
        for i in 0..R {
            sums[i] = sums[i].add_scaled(simd, simd.splat_f32s(xs[i]), delta);
        }
    }
    for i in 0..R {
        let gradient = &mut gradient[(input + i) * to.stride + to.at + first..];
        Panel::load(simd, tail, gradient).add(simd, sums[i]).store(simd, tail, gradient);
    }
}

kernel! {
    /// Negative values become 0.
    pub fn relu(_simd: S, xs: &mut [f32]) {
        for i in 0..xs.len() {
            // Not `max`, which would make 0 of NaN and hide it from the loss; this is one instruction less, too.
            xs[i] = if xs[i] < 0.0 { 0.0 } else { xs[i] };
        }
    }
}

/// The transpose of a block of `rows` rows, row-major and without gaps.
pub fn transpose(block: Block, rows: usize) -> Vec<f32> {
    let mut transposed = crate::buffer::buffer(rows * block.columns.width);
    for r in 0..rows {
        for (c, x) in block.row(r).iter().enumerate() {
            transposed[c * rows + r] = *x;
        }
    }
    transposed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 + seed * 11) % 19) as f32 - 9.0).collect()
    }

    #[test]
    fn both_products_match_the_definition_for_all_remainders() {
        for (rows, inputs, width) in
            [(1, 1, 1), (3, 5, 5), (4, 8, 8), (9, 17, 13), (17, 5, 16), (10, 3, 48), (13, 6, 117)]
        {
            let (xs, w) = (values(rows * (inputs + 2), 1), values(inputs * (width + 3), 2));
            let (x, weight) = (Block::new(&xs, 1, inputs, inputs + 2), Block::new(&w, 2, width, width + 3));
            let to = Columns { at: 1, width, stride: width + 2 };
            let mut out = vec![0.5; rows * to.stride];
            multiply(rows, x, weight, &mut out, to, true);
            let mut written = vec![f32::NAN; rows * to.stride];
            multiply(rows, x, weight, &mut written, to, false);
            for r in 0..rows {
                for j in 0..width {
                    let sum: f32 = (0..inputs).map(|i| x.row(r)[i] * weight.row(i)[j]).sum();
                    let at = r * to.stride + 1 + j;
                    assert_eq!((out[at], written[at]), (0.5 + sum, sum), "{rows} x {inputs} x {width}");
                }
            }
            let mut gradient = vec![0.5; inputs * (width + 3)];
            let delta = Block::new(&out, 1, width, to.stride);
            let to = Columns { at: 2, width, stride: width + 3 };
            multiply_transposed(rows, x, delta, &mut gradient, to);
            for i in 0..inputs {
                for j in 0..width {
                    let sum: f32 = (0..rows).map(|r| x.row(r)[i] * delta.row(r)[j]).sum();
                    assert_eq!(gradient[i * to.stride + 2 + j], 0.5 + sum, "{rows} x {inputs} x {width}");
                }
            }
            assert_eq!(transpose(weight, inputs)[inputs * (width - 1)], weight.row(0)[width - 1]);
        }
    }
}

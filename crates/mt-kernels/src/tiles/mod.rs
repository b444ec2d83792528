//! Products in single precision on the tile unit of Intel processors (AMX), which multiplies bfloat16.
//!
//! A value of 24 bits is the exact sum of three of 8 bits, `x = x₀ + x₁ + x₂`, so `x · y` is a sum of nine products. The
//! three smallest are below the last bit and left out; the others are summed up in single precision, with fewer roundings
//! than a chain of multiply-adds has: errors come out half as large. Six times the work on a unit sixteen times as fast.
//! (Henry, Tang, Heinecke: Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision
//! Computations, ARITH 2019.) Infinite factors come out as NaN, and denormal numbers count as zero.

mod shape;
mod split;
mod unit;

use rayon::prelude::*;
use shape::{DEPTH, EDGE, Halves, PARTS, TILE};
use split::{Factor, Side};
pub use unit::Tiles;
use unit::Unit;

use crate::matrix::Matrix;
use crate::scratch::aligned;

/// Rows and columns of the sums that are made at once.
const BLOCK: usize = 2 * EDGE;

/// Words of a right factor's parts that are gone through at once: half of a second-level cache of 2 MB. What is left of
/// the inner size comes in further rounds, each of which adds to the sums in memory.
const ROUND: usize = 1 << 18;

/// Steps of a round at least, so that it is more than reading and writing sums.
const STEPS: usize = 4;

/// Sizes from which, and multiply-adds from which, taking the factors apart pays.
const WIDE: usize = 64;
const LARGE: usize = 1 << 20;

impl Tiles {
    /// The unit, if there is one and it is better at a product of these sizes.
    pub fn for_product(rows: usize, columns: usize, inner: usize) -> Option<Self> {
        let pays = rows.min(columns).min(inner) >= WIDE && rows * columns * inner >= LARGE;
        if pays { Self::get() } else { None }
    }

    /// `out = lhs · rhs`, or with `add` `out += lhs · rhs`; `out` is row-major, starts at `at` and has rows `stride` apart.
    /// Each sum has one order, whichever thread makes it.
    ///
    /// # Panics
    /// If a matrix leaves its slice, or neither its rows nor its columns lie value by value.
    pub fn multiply(self, out: &mut [f32], at: usize, stride: usize, lhs: Matrix, rhs: Matrix, add: bool) {
        let (rows, columns, steps) = (lhs.rows, rhs.columns, lhs.columns.div_ceil(DEPTH));
        assert!(columns <= stride, "product outside of its output");
        let out = &mut out[at..][..(rows - 1) * stride + columns];
        let (lhs, rhs) = (Factor::new(self, lhs, Side::Left), Factor::new(self, rhs, Side::Right));
        let (blocks, per_step) = (columns.div_ceil(BLOCK), 2 * PARTS * TILE);
        let rounds = steps.div_ceil((ROUND / (blocks * per_step)).max(STEPS));
        let per_round = steps.div_ceil(rounds);
        let mut rights = aligned(blocks * per_round * per_step);
        for first in (0..steps).step_by(per_round) {
            let (from, len) = (first * DEPTH, per_round.min(steps - first) * per_step);
            let rights: &mut [u32] = bytemuck::cast_slice_mut(&mut rights);
            let rights = &mut rights[..blocks * len];
            rights.par_chunks_exact_mut(len).enumerate().for_each(|(c, to)| pack(&rhs, c * BLOCK, from, to));
            out.par_chunks_mut(BLOCK * stride).enumerate().for_each(|(r, out)| {
                let mut left = aligned(len);
                let left: &mut [u32] = bytemuck::cast_slice_mut(&mut left);
                pack(&lhs, r * BLOCK, from, left);
                // From here on this thread must take up no other task: it would give the unit back.
                let (unit, left) = (self.hold(), left.split_at(len / 2));
                for (c, right) in rights.chunks_exact(len).enumerate() {
                    let size = (BLOCK.min(rows - r * BLOCK), BLOCK.min(columns - c * BLOCK));
                    let (right, out) = (right.split_at(len / 2), &mut out[c * BLOCK..]);
                    block(&unit, left, right, out, stride, size, add || first > 0);
                }
            });
        }
    }
}

/// Two times 16 outer values of a factor from `first` on, inner ones from `from` on.
fn pack(factor: &Factor, first: usize, from: usize, to: &mut [u32]) {
    let (left, right) = to.split_at_mut(to.len() / 2);
    factor.pack(first, from, left);
    factor.pack(first + EDGE, from, right);
}

/// One block of sums, of which as many rows and columns are wanted as `size` says.
fn block(
    unit: &Unit,
    left: Halves,
    right: Halves,
    out: &mut [f32],
    stride: usize,
    size: (usize, usize),
    add: bool,
) {
    if size == (BLOCK, BLOCK) {
        return unit.multiply(left, right, out, stride, add);
    }
    let (height, width) = size;
    let mut whole = [0.0; BLOCK * BLOCK];
    if add {
        for (to, from) in whole.chunks_exact_mut(BLOCK).zip(out.chunks(stride)).take(height) {
            to[..width].copy_from_slice(&from[..width]);
        }
    }
    unit.multiply(left, right, &mut whole, BLOCK, add);
    for (to, from) in out.chunks_mut(stride).zip(whole.chunks_exact(BLOCK)).take(height) {
        to[..width].copy_from_slice(&from[..width]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deterministic values of many magnitudes.
    fn values(count: usize, seed: u64) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next() * 2_f32.powi((8.0 * next()) as i32)).collect()
    }

    /// Runs `test` where there is a unit.
    #[expect(clippy::print_stdout, reason = "a test that skips must say so")]
    fn with_tiles(test: impl Fn(Tiles)) {
        match Tiles::get() {
            Some(tiles) => test(tiles),
            None => println!("skipped, as the processor has no tile unit"),
        }
    }

    /// Both factors as they lie and transposed, at columns of wider rows; sizes with and without edges.
    #[test]
    fn errors_are_those_of_single_precision() {
        with_tiles(|tiles| {
            let sizes = [(64, 64, 64), (1, 1, 1), (33, 17, 5), (70, 130, 513), (16, 48, 1100), (31, 32, 33)];
            let sides = [(false, false), (false, true), (true, false), (true, true)];
            let cases = sizes.into_iter().flat_map(|size| sides.map(|side| (size, side)));
            for (((m, n, k), (left, right)), add) in cases.flat_map(|case| [(case, false), (case, true)]) {
                let (xs, ys) = (values((m + 5) * (k + 5), 1), values((k + 5) * (n + 5), 2));
                let (lhs, rhs) = (matrix(&xs, m, k, left), matrix(&ys, k, n, right));
                let stride = n + 2;
                let before = values(m * stride, 3);
                let mut out = before.clone();
                tiles.multiply(&mut out, 1, stride, lhs, rhs, add);
                let (mut ours, mut chain) = (0.0_f64, 0.0_f64);
                for (at, (&result, &before)) in out.iter().zip(&before).enumerate() {
                    let (i, j) = (at / stride, at % stride);
                    if !(1..=n).contains(&j) {
                        assert_eq!(result, before, "outside of the product");
                        continue;
                    }
                    let start = if add { before } else { 0.0 };
                    let (mut sum, mut single, mut size) = (f64::from(start), start, f64::from(start.abs()));
                    for l in 0..k {
                        let (x, y) = (element(lhs, i, l), element(rhs, l, j - 1));
                        let term = f64::from(x) * f64::from(y);
                        (sum, single, size) = (sum + term, x.mul_add(y, single), size + term.abs());
                    }
                    ours += ((f64::from(result) - sum) / size).powi(2);
                    chain += ((f64::from(single) - sum) / size).powi(2);
                }
                let [ours, chain] = [ours, chain].map(|squares| (squares / (m * n) as f64).sqrt());
                assert!(ours < 7e-8, "{m} x {n} x {k}: {ours:e}");
                assert!(k < 32 || ours < chain, "{m} x {n} x {k}: {ours:e}, a chain {chain:e}");
            }
        });
    }

    fn matrix(values: &[f32], rows: usize, columns: usize, transposed: bool) -> Matrix<'_> {
        match transposed {
            false => Matrix::new(values, 3, rows, columns, columns + 5),
            true => Matrix::new(values, 3, columns, rows, rows + 5).transposed(),
        }
    }

    fn element(m: Matrix, row: usize, column: usize) -> f32 {
        m.values[m.at + row * m.row_stride + column * m.column_stride]
    }

    #[test]
    fn a_product_with_one_is_the_value_itself() {
        with_tiles(|tiles| {
            let xs = values(64 * 64, 4);
            let mut one = vec![0.0; 64 * 64];
            (0..64).for_each(|i| one[i * 64 + i] = 1.0);
            let (xs_matrix, one) = (Matrix::new(&xs, 0, 64, 64, 64), Matrix::new(&one, 0, 64, 64, 64));
            let mut out = vec![f32::NAN; 64 * 64];
            tiles.multiply(&mut out, 0, 64, xs_matrix, one, false);
            assert_eq!(out, xs);
            tiles.multiply(&mut out, 0, 64, one, xs_matrix, false);
            assert_eq!(out, xs);
        });
    }

    #[test]
    fn what_is_not_finite_stays_so() {
        with_tiles(|tiles| {
            for value in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::from_bits(0x7fff_ffff)]
            {
                let mut xs = vec![1.0; 64 * 64];
                xs[64 * 5 + 7] = value;
                let (matrix, mut out) = (Matrix::new(&xs, 0, 64, 64, 64), vec![0.0; 64 * 64]);
                tiles.multiply(&mut out, 0, 64, matrix, matrix, false);
                let finite = |row: usize, column: usize| out[64 * row + column].is_finite();
                assert!((0..64).all(|i| !finite(5, i) && !finite(i, 7)), "{value}");
                assert!(finite(0, 0));
            }
        });
    }
}

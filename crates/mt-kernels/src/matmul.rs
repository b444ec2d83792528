//! Dense products on strided slices: large ones on the processor's tile unit where it has one, others by the `gemm` crate
//! candle uses itself.
#![allow(unsafe_code)]

use gemm::Parallelism;
use rayon::prelude::*;

use crate::matrix::Matrix;
use crate::tiles::Tiles;

/// Rows of a product that a thread takes at least: each packs the right factor for itself.
///
/// The crate's own threads meet twice for each block of the inner size: for 320 x 512 with 1,024 between them two took
/// 1.62 ms and with rows of their own 1.53 ms, and 2.2 and 1.6 ms beside other work on the same cores.
const SHARE: usize = 32;

/// Multiply-adds from which rows are shared out: the two gates of a step with embeddings have 2.6 million in each of
/// their products, which took 0.6 of its 8 ms on one thread.
const SHARED: usize = 1 << 20;

/// Where both sizes of a product are at most `SMALL`, the crate cuts an inner size beyond `BLOCK` elsewhere than for
/// large ones, so a share of so few rows would be summed up in another order than the whole.
const SMALL: usize = 64;
const BLOCK: usize = 512;

/// `out += lhs · rhs`; `out` is row-major, starts at `at` and has rows `stride` apart.
///
/// # Panics
/// If the shapes do not match or a matrix leaves its slice.
pub fn add_product(out: &mut [f32], at: usize, stride: usize, lhs: Matrix, rhs: Matrix) {
    product(out, at, stride, lhs, rhs, true);
}

/// `out = lhs · rhs`, otherwise as [`add_product`].
pub fn write_product(out: &mut [f32], at: usize, stride: usize, lhs: Matrix, rhs: Matrix) {
    product(out, at, stride, lhs, rhs, false);
}

fn product(out: &mut [f32], at: usize, stride: usize, lhs: Matrix, rhs: Matrix, add: bool) {
    let (m, n, k) = (lhs.rows, rhs.columns, lhs.columns);
    assert_eq!(k, rhs.rows, "inner sizes of a product");
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    if let Some(tiles) = Tiles::for_product(m, n, k) {
        return tiles.multiply(out, at, stride, lhs, rhs, add);
    }
    by_shares(out, at, stride, lhs, rhs, add);
}

/// A product by the `gemm` crate, a share of its rows for each thread.
fn by_shares(out: &mut [f32], at: usize, stride: usize, lhs: Matrix, rhs: Matrix, add: bool) {
    let (m, n, k) = (lhs.rows, rhs.columns, lhs.columns);
    let threads = if m * n * k < SHARED { 1 } else { rayon::current_num_threads() };
    let least = if n <= SMALL && k > BLOCK { SMALL + 1 } else { SHARE };
    let count = threads.min(m / least).max(1);
    let (mut shares, mut rest) = (Vec::with_capacity(count), out);
    for i in 0..count {
        let (first, end) = (i * m / count, (i + 1) * m / count);
        let size = if i + 1 < count { (end - first) * stride } else { rest.len() };
        let (out, others) = rest.split_at_mut(size);
        shares.push((out, lhs.rows_between(first, end)));
        rest = others;
    }
    shares.into_par_iter().for_each(|(out, lhs)| part(out, at, stride, lhs, rhs, add));
}

/// As many rows of a product as `lhs` has.
fn part(out: &mut [f32], at: usize, stride: usize, lhs: Matrix, rhs: Matrix, add: bool) {
    let (m, n, k) = (lhs.rows, rhs.columns, lhs.columns);
    assert!(n <= stride && at + (m - 1) * stride + n <= out.len(), "product outside of its output");
    assert!(lhs.end() <= lhs.values.len() && rhs.end() <= rhs.values.len(), "factor outside of its slice");
    // SAFETY: the asserts above keep every element addressed by the shapes and strides inside its slice; rows of
    // `out` do not overlap as `n <= stride`; `out` is borrowed mutably, so it aliases neither factor.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr().add(at),
            1,
            stride as isize,
            add,
            lhs.values.as_ptr().add(lhs.at),
            lhs.column_stride as isize,
            lhs.row_stride as isize,
            rhs.values.as_ptr().add(rhs.at),
            rhs.column_stride as isize,
            rhs.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strided_and_transposed_products_match_the_definition() {
        let a: Vec<f32> = (0..12).map(|i| i as f32).collect();
        let b: Vec<f32> = (0..12).map(|i| 0.5 * i as f32 - 2.0).collect();
        // Columns 1..3 of a 3 x 4 matrix, transposed, times columns 1..3 of another: 2 x 2 at column 1 of rows of 3.
        let (x, y) = (Matrix::new(&a, 1, 3, 2, 4), Matrix::new(&b, 1, 3, 2, 4));
        let mut out = vec![1.0; 6];
        add_product(&mut out, 1, 3, x.transposed(), y);
        for i in 0..2 {
            for j in 0..2 {
                let sum: f32 = (0..3).map(|r| a[r * 4 + 1 + i] * b[r * 4 + 1 + j]).sum();
                assert_eq!(out[i * 3 + 1 + j], 1.0 + sum);
            }
        }
        assert_eq!((out[0], out[3]), (1.0, 1.0));
    }

    #[test]
    fn products_do_not_depend_on_the_number_of_threads() {
        for (m, n, k) in
            [(1024, 96, 48), (320, 16, 1024), (90, 48, 1000), (90, 70, 1000), (65, 300, 513), (300, 65, 700)]
        {
            let xs: Vec<f32> = (0..m * k).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
            let ys: Vec<f32> = (0..k * n).map(|i| (i * 53 % 97) as f32 / 48.0 - 1.0).collect();
            let run = |threads: usize, transposed: bool, shared: bool| {
                let xs = match transposed {
                    true => Matrix::new(&xs, 0, k, m, m).transposed(),
                    false => Matrix::new(&xs, 0, m, k, k),
                };
                let ys = match transposed {
                    true => Matrix::new(&ys, 0, n, k, k).transposed(),
                    false => Matrix::new(&ys, 0, k, n, n),
                };
                let mut out = vec![0.25; m * (n + 3)];
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
                pool.install(|| match shared {
                    false => add_product(&mut out, 2, n + 3, xs, ys),
                    true => by_shares(&mut out, 2, n + 3, xs, ys, true),
                });
                out
            };
            for (transposed, shared) in [(false, false), (false, true), (true, false), (true, true)] {
                let one = run(1, transposed, shared);
                assert!([2, 3, 5, 16].iter().all(|&t| run(t, transposed, shared) == one), "{m} x {k} x {n}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "outside of its output")]
    fn an_output_that_is_too_small_is_refused() {
        let a = [1.0; 4];
        add_product(&mut [0.0; 3], 0, 2, Matrix::new(&a, 0, 2, 2, 2), Matrix::new(&a, 0, 2, 2, 2));
    }

    #[test]
    #[should_panic(expected = "outside of its output")]
    fn a_large_output_whose_rows_overlap_is_refused() {
        let a = vec![1.0; 128 * 128];
        let a = Matrix::new(&a, 0, 128, 128, 128);
        add_product(&mut vec![0.0; 128 * 128], 0, 127, a, a);
    }
}

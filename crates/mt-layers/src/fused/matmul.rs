//! Dense products on strided slices, by the `gemm` crate candle uses itself.
#![allow(unsafe_code)]

use gemm::Parallelism;

/// A read-only matrix inside a slice.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub values: &'a [f32],
    pub at: usize,
    pub rows: usize,
    pub columns: usize,
    pub row_stride: usize,
    pub column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix whose rows are `stride` apart.
    pub fn new(values: &'a [f32], at: usize, rows: usize, columns: usize, stride: usize) -> Self {
        Self { values, at, rows, columns, row_stride: stride, column_stride: 1 }
    }

    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    fn end(&self) -> usize {
        match (self.rows, self.columns) {
            (0, _) | (_, 0) => self.at,
            (r, c) => self.at + (r - 1) * self.row_stride + (c - 1) * self.column_stride + 1,
        }
    }
}

/// `out += lhs · rhs`; `out` is row-major, starts at `at` and has rows `stride` apart.
///
/// # Panics
/// If the shapes do not match or a matrix leaves its slice.
pub(super) fn add_product(out: &mut [f32], at: usize, stride: usize, lhs: Matrix, rhs: Matrix) {
    let (m, n, k) = (lhs.rows, rhs.columns, lhs.columns);
    assert_eq!(k, rhs.rows, "inner sizes of a product");
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    assert!(n <= stride && at + (m - 1) * stride + n <= out.len(), "product outside of its output");
    assert!(lhs.end() <= lhs.values.len() && rhs.end() <= rhs.values.len(), "factor outside of its slice");
    let threads = if m * n * k < super::PARALLEL * 16 {
        Parallelism::None
    } else {
        Parallelism::Rayon(rayon::current_num_threads())
    };
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
            true,
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
            threads,
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
    #[should_panic(expected = "outside of its output")]
    fn an_output_that_is_too_small_is_refused() {
        let a = [1.0; 4];
        add_product(&mut [0.0; 3], 0, 2, Matrix::new(&a, 0, 2, 2, 2), Matrix::new(&a, 0, 2, 2, 2));
    }
}

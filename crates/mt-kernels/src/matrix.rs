//! Matrices as the factors of products.

/// A read-only matrix inside a slice.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
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

    pub fn rows_between(self, first: usize, end: usize) -> Self {
        Self { at: self.at + first * self.row_stride, rows: end - first, ..self }
    }

    pub fn end(&self) -> usize {
        match (self.rows, self.columns) {
            (0, _) | (_, 0) => self.at,
            (r, c) => self.at + (r - 1) * self.row_stride + (c - 1) * self.column_stride + 1,
        }
    }
}

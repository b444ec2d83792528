//! Numeric columns of many rows, dense or sparse: the one form in which features travel.

use std::ops::Range;

use crate::error::{BadRow, Error, Result};

/// Numeric features of `rows() x width()`.
#[derive(Debug, Clone, PartialEq)]
pub enum Numeric {
    /// Every value is there.
    Dense(DenseRows),
    /// Only values other than zero are there.
    Sparse(SparseRows),
}

/// Whether rows are kept dense or sparse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// Four bytes a value.
    #[default]
    Dense,
    /// Eight bytes a value other than zero.
    Sparse,
}

impl Layout {
    /// The sparse form below this share of explicit values. At one quarter it takes half the memory, and a
    /// sparse product, slower per value than a dense one, is still the faster.
    pub const SPARSE_BELOW: f64 = 0.25;

    /// The form for rows with `explicit` of `cells` values other than zero.
    pub fn choose(explicit: u64, cells: u64) -> Self {
        let sparse = cells > 0 && (explicit as f64) < Self::SPARSE_BELOW * cells as f64;
        if sparse { Layout::Sparse } else { Layout::Dense }
    }
}

/// Rows of `width` values each.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DenseRows {
    /// Values a row.
    pub width: usize,
    /// Row-major, `rows x width`.
    pub values: Vec<f32>,
}

/// Rows of `width` values of which only some are stored (CSR); an absent value is 0.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseRows {
    /// Values a row, stored or not.
    pub width: usize,
    /// `rows + 1` positions in `columns` and `values`, from 0: row `i` is `offsets[i]..offsets[i + 1]`.
    pub offsets: Vec<u32>,
    /// Column of each stored value, ascending within a row.
    pub columns: Vec<u32>,
    /// The stored values. A stored value may be 0.
    pub values: Vec<f32>,
}

impl Default for SparseRows {
    fn default() -> Self {
        SparseRows::empty(0)
    }
}

impl DenseRows {
    /// Number of rows; 0 where `width` is 0.
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// The values of one row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    /// The same rows, without their zeros.
    pub fn to_sparse(&self) -> SparseRows {
        let mut sparse = SparseRows::empty(self.width);
        for row in self.values.chunks_exact(self.width.max(1)) {
            let stored = row.iter().enumerate().filter(|&(_, &v)| v != 0.0);
            for (column, &value) in stored {
                sparse.columns.push(column as u32);
                sparse.values.push(value);
            }
            sparse.offsets.push(sparse.values.len() as u32);
        }
        sparse
    }
}

impl SparseRows {
    /// No rows yet, of `width` values each.
    pub fn empty(width: usize) -> Self {
        SparseRows { width, offsets: vec![0], columns: Vec::new(), values: Vec::new() }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Positions of one row's stored values.
    pub fn span(&self, row: usize) -> Range<usize> {
        self.offsets[row] as usize..self.offsets[row + 1] as usize
    }

    /// Columns and values stored of one row.
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let span = self.span(row);
        (&self.columns[span.clone()], &self.values[span])
    }

    /// The same rows with every zero written out.
    pub fn to_dense(&self) -> DenseRows {
        let mut values = vec![0.0; self.rows() * self.width];
        for (row, out) in values.chunks_exact_mut(self.width.max(1)).enumerate() {
            let (columns, stored) = self.row(row);
            for (&column, &value) in columns.iter().zip(stored) {
                out[column as usize] = value;
            }
        }
        DenseRows { width: self.width, values }
    }
}

impl Numeric {
    /// Checks what the types of its parts do not say: lengths that fit, columns that exist and ascend, finite numbers.
    ///
    /// # Errors
    /// [`Error::Shape`] where lengths do not fit, [`Error::Row`] for the first row whose columns or numbers cannot be,
    /// [`Error::TooLarge`] beyond 32-bit row numbers.
    pub fn check(&self) -> Result<()> {
        let rows = self.rows();
        u32::try_from(rows).map_err(|_| Error::TooLarge)?;
        let fits = |what, expected: usize, found: usize| match expected == found {
            true => Ok(()),
            false => Err(Error::Shape { what, expected, found }),
        };
        let finite = "finite numbers";
        match self {
            Numeric::Dense(DenseRows { width, values }) => {
                fits("values", rows * width, values.len())?;
                check_values(values, *width, finite, f32::is_finite)
            }
            Numeric::Sparse(sparse @ SparseRows { width, offsets, columns, values }) => {
                let ascending = offsets.first() == Some(&0) && offsets.is_sorted();
                let end = if ascending { offsets[rows] as usize } else { usize::MAX };
                fits("columns", end, columns.len())?;
                fits("values", end, values.len())?;
                let widest = columns.iter().max().map_or(0, |&c| c as usize + 1);
                fits("width", (*width).max(widest), *width)?;
                for row in 0..rows {
                    let (columns, values) = sparse.row(row);
                    if let Some(pair) = columns.windows(2).find(|pair| pair[0] >= pair[1]) {
                        let found = format!("{} before {}", pair[0], pair[1]);
                        return Err(Error::Row(BadRow {
                            row,
                            expected: "columns that ascend, each once",
                            found,
                        }));
                    }
                    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                        return Err(Error::Row(BadRow { row, expected: finite, found: value.to_string() }));
                    }
                }
                Ok(())
            }
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Numeric::Dense(dense) => dense.rows(),
            Numeric::Sparse(sparse) => sparse.rows(),
        }
    }

    /// Values a row.
    pub fn width(&self) -> usize {
        match self {
            Numeric::Dense(dense) => dense.width,
            Numeric::Sparse(sparse) => sparse.width,
        }
    }

    /// Which of the two forms this is.
    pub fn layout(&self) -> Layout {
        match self {
            Numeric::Dense(_) => Layout::Dense,
            Numeric::Sparse(_) => Layout::Sparse,
        }
    }

    /// Number of values that are stored and other than zero.
    pub fn non_zeros(&self) -> u64 {
        let (Numeric::Dense(DenseRows { values, .. }) | Numeric::Sparse(SparseRows { values, .. })) = self;
        values.iter().filter(|&&v| v != 0.0).count() as u64
    }

    /// The same rows in the given form; sparse where there is no column, as dense rows of nothing cannot be counted.
    pub fn into_layout(self, layout: Layout) -> Self {
        match (self, layout) {
            (as_is @ Numeric::Sparse(SparseRows { width: 0, .. }), _) => as_is,
            (Numeric::Dense(dense), Layout::Sparse) => Numeric::Sparse(dense.to_sparse()),
            (Numeric::Sparse(sparse), Layout::Dense) => Numeric::Dense(sparse.to_dense()),
            (as_is, _) => as_is,
        }
    }

    /// The same rows with every zero written out.
    pub fn to_dense(&self) -> DenseRows {
        match self {
            Numeric::Dense(dense) => dense.clone(),
            Numeric::Sparse(sparse) => sparse.to_dense(),
        }
    }
}

/// Checks values that lie row by row, `width` a row.
pub(crate) fn check_values(
    values: &[f32],
    width: usize,
    expected: &'static str,
    good: impl Fn(f32) -> bool,
) -> Result<()> {
    match values.iter().position(|&value| !good(value)) {
        None => Ok(()),
        Some(at) => {
            Err(Error::Row(BadRow { row: at / width.max(1), expected, found: values[at].to_string() }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_and_sparse_convert_into_each_other() {
        let dense = DenseRows { width: 3, values: vec![0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, -1.0] };
        let sparse = dense.to_sparse();
        assert_eq!(sparse.offsets, [0, 1, 1, 3]);
        assert_eq!(sparse.columns, [1, 0, 2]);
        assert_eq!(sparse.row(2), (&[0, 2][..], &[2.0, -1.0][..]));
        assert_eq!(sparse.to_dense(), dense);
    }

    #[test]
    fn a_quarter_full_is_dense() {
        assert_eq!(Layout::choose(25, 100), Layout::Dense);
        assert_eq!(Layout::choose(24, 100), Layout::Sparse);
        assert_eq!(Layout::choose(0, 0), Layout::Dense);
    }
}

//! What a model reads: a dense tensor, or sparse rows.

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor, bail};

/// Rows of mostly-zero numbers in compressed sparse row form.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseRows {
    width: usize,
    offsets: Vec<u32>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl SparseRows {
    /// Rows of `width` columns; row `r` has its entries at `offsets[r]..offsets[r + 1]`.
    ///
    /// # Errors
    /// If the offsets do not rise from 0 to the number of entries, or a column is not below `width`.
    pub fn new(width: usize, offsets: Vec<u32>, columns: Vec<u32>, values: Vec<f32>) -> Result<Self> {
        let rising = offsets.first() == Some(&0) && offsets.is_sorted();
        if !rising
            || offsets.last().map(|&n| n as usize) != Some(columns.len())
            || columns.len() != values.len()
        {
            bail!("sparse rows: offsets, columns and values do not belong together")
        }
        // A fold instead of `any`: without an early exit the scan vectorises.
        let largest = columns.iter().fold(0, |m, &c| c.max(m));
        if !columns.is_empty() && largest as usize >= width {
            bail!("sparse rows: column {largest} of {width}")
        }
        Ok(Self { width, offsets, columns, values })
    }

    /// The sparse form of a dense `(B, D)` matrix.
    pub fn from_dense(xs: &Tensor) -> Result<Self> {
        let (_, width) = xs.dims2()?;
        let (mut offsets, mut columns, mut values) = (vec![0], Vec::new(), Vec::new());
        for row in xs.to_vec2::<f32>()? {
            for (column, value) in row.into_iter().enumerate().filter(|(_, v)| *v != 0.0) {
                columns.push(column as u32);
                values.push(value);
            }
            offsets.push(columns.len() as u32);
        }
        Self::new(width, offsets, columns, values)
    }

    /// Number of rows `B`.
    pub fn rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of columns `D`.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Where the entries of each row end in the other two, behind a 0; the columns, ascending in a row; the values.
    pub fn parts(&self) -> (&[u32], &[u32], &[f32]) {
        (&self.offsets, &self.columns, &self.values)
    }

    fn to_dense(&self, dtype: DType, device: &Device) -> Result<Tensor> {
        let mut dense = vec![0f32; self.rows() * self.width];
        for (r, bounds) in self.offsets.windows(2).enumerate() {
            for i in bounds[0] as usize..bounds[1] as usize {
                dense[r * self.width + self.columns[i] as usize] += self.values[i];
            }
        }
        Tensor::from_vec(dense, (self.rows(), self.width), device)?.to_dtype(dtype)
    }
}

/// The input `(B, D)` of a trunk.
#[derive(Debug, Clone)]
pub enum Input {
    /// A dense matrix.
    Dense(Tensor),
    /// Mostly-zero rows; only the non-zero entries are multiplied.
    Sparse(Arc<SparseRows>),
}

impl Input {
    /// Number of rows `B`.
    pub fn rows(&self) -> Result<usize> {
        match self {
            Self::Dense(xs) => xs.dim(0),
            Self::Sparse(rows) => Ok(rows.rows()),
        }
    }

    /// Number of columns `D`.
    pub fn width(&self) -> Result<usize> {
        match self {
            Self::Dense(xs) => xs.dim(1),
            Self::Sparse(rows) => Ok(rows.width()),
        }
    }

    /// The input where a model on `device` wants it: sparse rows stay as they are on the CPU and become dense elsewhere.
    pub fn to_device(self, device: &Device) -> Result<Self> {
        match (self, device) {
            (Self::Dense(xs), _) => Ok(Self::Dense(xs.to_device(device)?)),
            (sparse, Device::Cpu) => Ok(sparse),
            (Self::Sparse(rows), _) => Ok(Self::Dense(rows.to_dense(DType::F32, device)?)),
        }
    }

    /// The input as a dense tensor on a device.
    pub fn to_dense(&self, dtype: DType, device: &Device) -> Result<Tensor> {
        match self {
            Self::Dense(xs) => xs.to_device(device)?.to_dtype(dtype),
            Self::Sparse(rows) => rows.to_dense(dtype, device),
        }
    }
}

impl From<Tensor> for Input {
    fn from(xs: Tensor) -> Self {
        Self::Dense(xs)
    }
}

impl From<&Tensor> for Input {
    fn from(xs: &Tensor) -> Self {
        Self::Dense(xs.clone())
    }
}

impl From<SparseRows> for Input {
    fn from(rows: SparseRows) -> Self {
        Self::Sparse(Arc::new(rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparse_and_dense_forms_are_the_same_matrix() -> Result<()> {
        let dense = Tensor::new(&[[0f32, 2.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, -3.0]], &Device::Cpu)?;
        let sparse = SparseRows::from_dense(&dense)?;
        assert_eq!(sparse.parts().1, [1, 0, 2]);
        let back = Input::from(sparse).to_dense(DType::F32, &Device::Cpu)?;
        assert_eq!(back.to_vec2::<f32>()?, dense.to_vec2::<f32>()?);
        Ok(())
    }

    #[test]
    fn rows_that_do_not_fit_are_refused() {
        assert!(SparseRows::new(3, vec![0, 1], vec![3], vec![1.0]).is_err());
        assert!(SparseRows::new(3, vec![0, 2], vec![1], vec![1.0]).is_err());
        assert!(SparseRows::new(3, vec![], vec![], vec![]).is_err());
    }
}

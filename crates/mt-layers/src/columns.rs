//! Some columns of an input.

use std::ops::Range;

use candle_core::{Device, Result, Tensor, bail};

use crate::input::{Input, SparseRows};

/// Columns of an input that lie anywhere in it, gathered before they are read.
#[derive(Debug, Clone)]
pub struct Columns {
    places: Vec<u32>,
    /// The same on the input's device.
    index: Tensor,
}

impl Columns {
    /// The columns `places`, ascending, of inputs on `device`.
    ///
    /// # Errors
    /// If there are none, or they do not ascend.
    pub fn new(places: Vec<u32>, device: &Device) -> Result<Self> {
        if places.is_empty() || !places.is_sorted_by(|a, b| a < b) {
            bail!("columns to be gathered must ascend, and be at least one: {places:?}")
        }
        let index = Tensor::new(places.as_slice(), device)?;
        Ok(Self { places, index })
    }

    /// Number of columns `C`.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Never true: there is at least one.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Where they are gathered.
    pub fn device(&self) -> &Device {
        self.index.device()
    }

    /// These columns of `xs`: `(B, D)` to `(B, C)`. Sparse rows stay sparse.
    ///
    /// # Errors
    /// If `xs` has not all of them.
    pub fn of(&self, xs: &Input) -> Result<Input> {
        let (last, width) = (self.places[self.places.len() - 1] as usize, xs.width()?);
        if last >= width {
            bail!("column {last} of an input of {width}")
        }
        Ok(match xs {
            Input::Dense(xs) => xs.index_select(&self.index, 1)?.into(),
            Input::Sparse(rows) => self.of_sparse(rows)?.into(),
        })
    }

    fn of_sparse(&self, rows: &SparseRows) -> Result<SparseRows> {
        let (offsets, columns, values) = rows.parts();
        let (mut kept, mut places, mut numbers) = (Vec::with_capacity(offsets.len()), Vec::new(), Vec::new());
        kept.push(0);
        for row in offsets.windows(2) {
            for entry in row[0] as usize..row[1] as usize {
                if let Ok(place) = self.places.binary_search(&columns[entry]) {
                    places.push(place as u32);
                    numbers.push(values[entry]);
                }
            }
            kept.push(places.len() as u32);
        }
        SparseRows::new(self.places.len(), kept, places, numbers)
    }
}

/// What a gate reads of the input of its level.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Read {
    /// Columns side by side, read where they lie.
    Range(Range<usize>),
    /// Columns that are gathered first.
    Columns(Columns),
}

impl Read {
    /// Number of columns.
    pub fn width(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::Columns(columns) => columns.len(),
        }
    }
}

impl From<Range<usize>> for Read {
    fn from(range: Range<usize>) -> Self {
        Self::Range(range)
    }
}

impl From<Columns> for Read {
    fn from(columns: Columns) -> Self {
        Self::Columns(columns)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;

    #[test]
    fn columns_of_sparse_and_dense_rows_are_the_same() -> Result<()> {
        let rows = [[0f32, 2.0, 0.0, 5.0], [0.0; 4], [1.0, 0.0, -3.0, 0.0], [4.0, 6.0, 7.0, 8.0]];
        let dense = Tensor::new(&rows, &Device::Cpu)?;
        let sparse = SparseRows::from_dense(&dense)?.into();
        let columns = Columns::new(vec![0, 3], &Device::Cpu)?;
        let expected = [[0f32, 5.0], [0.0, 0.0], [1.0, 0.0], [4.0, 8.0]];
        for xs in [&Input::from(&dense), &sparse] {
            let own = columns.of(xs)?;
            assert_eq!(matches!(own, Input::Sparse(_)), matches!(xs, Input::Sparse(_)));
            assert_eq!(own.to_dense(DType::F32, &Device::Cpu)?.to_vec2::<f32>()?, expected);
        }
        Ok(())
    }

    #[test]
    fn columns_that_are_not_there_or_out_of_order_are_refused() -> Result<()> {
        for places in [vec![], vec![1, 1], vec![2, 0]] {
            assert!(Columns::new(places, &Device::Cpu).is_err());
        }
        let columns = Columns::new(vec![0, 3], &Device::Cpu)?;
        let xs = Tensor::zeros((2, 3), DType::F32, &Device::Cpu)?;
        assert!(columns.of(&Input::from(&xs)).is_err());
        assert!(columns.of(&SparseRows::from_dense(&xs)?.into()).is_err());
        Ok(())
    }
}

//! Dropout. N. Srivastava et al., *Dropout: A Simple Way to Prevent Neural Networks from Overfitting*, JMLR 2014.

use std::sync::Arc;

use candle_core::{Result, Tensor, bail};
use mt_kernels::counter::{draw, mix};

use crate::input::{Input, SparseRows};

impl Input {
    /// The input with each value zeroed with probability `share`, the others divided by `1 - share`, so that sums keep
    /// their expectation. Which ones follows from `key` and the value's place alone: a run that is continued drops
    /// what it would have dropped. Of sparse rows only entries are drawn, as zeros stay zeros.
    ///
    /// # Errors
    /// If `share` is not from 0 to below 1.
    pub fn dropout(&self, share: f64, key: u64) -> Result<Self> {
        if !(0.0..1.0).contains(&share) {
            bail!("dropout takes a share from 0 to below 1, not {share}")
        }
        if share == 0.0 {
            return Ok(self.clone());
        }
        Ok(match self {
            Self::Dense(xs) => {
                let mask = Tensor::from_vec(mask(xs.elem_count(), share, key), xs.shape(), xs.device())?;
                Self::Dense((xs * mask.to_dtype(xs.dtype())?)?)
            }
            Self::Sparse(rows) => {
                let (offsets, columns, values) = rows.parts();
                let kept = values.iter().zip(mask(values.len(), share, key)).map(|(x, factor)| x * factor);
                let rows = SparseRows::new(rows.width(), offsets.to_vec(), columns.to_vec(), kept.collect())?;
                Self::Sparse(Arc::new(rows))
            }
        })
    }
}

/// 0 with probability `share`, else `1 / (1 - share)`. Two values a draw.
fn mask(len: usize, share: f64, key: u64) -> Vec<f32> {
    let (key, factor) = (mix(key), (1.0 / (1.0 - share)) as f32);
    let limit = (share * f64::from(u32::MAX)) as u32;
    let value = |bits: u32| if bits < limit { 0.0 } else { factor };
    let mut mask = vec![0.0; len];
    for (n, pair) in mask.chunks_mut(2).enumerate() {
        let bits = draw(key, n as u64);
        pair[0] = value(bits as u32);
        if let Some(second) = pair.get_mut(1) {
            *second = value((bits >> 32) as u32);
        }
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    #[test]
    fn a_share_is_dropped_the_mean_stays_and_the_key_decides() -> Result<()> {
        let xs = Input::from(Tensor::ones((300, 201), DType::F32, &Device::Cpu)?);
        let values = |share, key| -> Result<Vec<f32>> {
            xs.dropout(share, key)?.to_dense(DType::F32, &Device::Cpu)?.flatten_all()?.to_vec1()
        };
        for share in [0.1, 0.5] {
            let dropped = values(share, 7)?;
            let zeros = dropped.iter().filter(|x| **x == 0.0).count() as f64 / dropped.len() as f64;
            // Five standard errors of 60,300 draws.
            assert!((zeros - share).abs() < 0.0105, "{zeros} of {share}");
            assert!(dropped.iter().all(|&x| x == 0.0 || (f64::from(x) * (1.0 - share) - 1.0).abs() < 1e-6));
            assert_eq!(dropped, values(share, 7)?);
            assert_ne!(dropped, values(share, 8)?);
        }
        assert_eq!(values(0.0, 7)?, vec![1.0; 60_300]);
        assert!(xs.dropout(1.0, 7).is_err());
        Ok(())
    }
}

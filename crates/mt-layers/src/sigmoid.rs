//! The logistic function of a tensor, of which no platform decides a bit.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use crate::fused::{readable, slice};
use crate::simd;

/// `1 / (1 + e⁻ˣ)` of each value.
///
/// # Errors
/// Whatever candle's operations fail with.
pub fn sigmoid(xs: &Tensor) -> Result<Tensor> {
    if readable(xs) { xs.apply_op1(Sigmoid) } else { candle_nn::ops::sigmoid(xs) }
}

struct Sigmoid;

impl CustomOp1 for Sigmoid {
    fn name(&self) -> &'static str {
        "sigmoid"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let out = slice(storage, layout)?.iter().map(|&x| simd::sigmoid(x)).collect();
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, _: &Tensor, result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some((gradient * (result * result.affine(-1.0, 1.0)?)?)?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Var};

    use super::*;

    #[test]
    fn values_and_gradients_are_candles() -> Result<()> {
        let values: Vec<f32> = (-40..40).map(|i| i as f32 * 0.7).collect();
        let xs = Var::from_tensor(&Tensor::from_vec(values, (8, 10), &Device::Cpu)?)?;
        let of = |ys: Tensor| -> Result<[Vec<f32>; 2]> {
            let slopes = (&ys * xs.as_detached_tensor())?.sum_all()?.backward()?;
            let slopes = slopes.get(&xs).expect("a gradient").flatten_all()?.to_vec1()?;
            Ok([ys.flatten_all()?.to_vec1()?, slopes])
        };
        let (ours, theirs) = (of(sigmoid(&xs)?)?, of(candle_nn::ops::sigmoid(&xs)?)?);
        for (ours, theirs) in ours.iter().zip(&theirs) {
            approx::assert_relative_eq!(ours[..], theirs[..], epsilon = 1e-6);
        }
        assert_eq!(sigmoid(&xs.to_dtype(DType::F64)?)?.dtype(), DType::F64);
        Ok(())
    }
}

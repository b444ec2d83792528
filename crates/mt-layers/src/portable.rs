//! Functions of a tensor of which no platform decides a bit: candle's call the machine's C library.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use mt_kernels::simd;

use crate::fused::{readable, slice};

/// `1 / (1 + e⁻ˣ)` of each value.
///
/// # Errors
/// Whatever candle's operations fail with.
pub fn sigmoid(xs: &Tensor) -> Result<Tensor> {
    let slope = |_: &Tensor, ys: &Tensor| ys * ys.affine(-1.0, 1.0)?;
    match readable(xs) {
        true => xs.apply_op1(Function { name: "sigmoid", of: simd::sigmoid, slope }),
        false => candle_nn::ops::sigmoid(xs),
    }
}

/// `eˣ` of each value; of one beyond -87 and 88 that of these.
///
/// # Errors
/// Whatever candle's operations fail with.
pub fn exp(xs: &Tensor) -> Result<Tensor> {
    let slope = |_: &Tensor, ys: &Tensor| Ok(ys.clone());
    if readable(xs) { xs.apply_op1(Function { name: "exp", of: simd::exp, slope }) } else { xs.exp() }
}

/// The natural logarithm of each value.
///
/// # Errors
/// Whatever candle's operations fail with.
pub fn ln(xs: &Tensor) -> Result<Tensor> {
    let slope = |xs: &Tensor, _: &Tensor| xs.recip();
    if readable(xs) { xs.apply_op1(Function { name: "ln", of: simd::ln, slope }) } else { xs.log() }
}

struct Function {
    name: &'static str,
    of: fn(f32) -> f32,
    /// Of argument and result.
    slope: fn(&Tensor, &Tensor) -> Result<Tensor>,
}

impl CustomOp1 for Function {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let out = slice(storage, layout)?.iter().map(|&x| (self.of)(x)).collect();
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, xs: &Tensor, result: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some((gradient * (self.slope)(xs, result)?)?))
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
        let positive = xs.sqr()?.affine(1.0, 0.1)?;
        for (ours, theirs) in [
            (sigmoid(&xs)?, candle_nn::ops::sigmoid(&xs)?),
            (exp(&xs)?, xs.exp()?),
            (ln(&positive)?, positive.log()?),
        ] {
            for (ours, theirs) in of(ours)?.iter().zip(&of(theirs)?) {
                approx::assert_relative_eq!(ours[..], theirs[..], epsilon = 1e-6, max_relative = 1e-6);
            }
        }
        for function in [sigmoid, exp, ln] {
            assert_eq!(function(&xs.to_dtype(DType::F64)?)?.dtype(), DType::F64);
        }
        Ok(())
    }
}

//! Gradient clipping by norm. R. Pascanu et al., *On the difficulty of training recurrent neural networks*, 2013.

use candle_core::Result;
use mt_layers::{Gradient, Param};

/// Scales the gradients of all parameters together so that their Euclidean norm is at most `max`, and returns what it
/// was. Gradients of embedding tables are not part of it.
///
/// # Errors
/// If a tensor operation fails.
pub fn clip_norm(params: &[Param], max: f64) -> Result<f64> {
    let mut squares = 0.0;
    for param in params {
        squares += sum_of_squares(&param.gradient.lock())?;
    }
    let norm = squares.sqrt();
    // Written so that a norm that is no number is not taken for a small one.
    if norm > max {
        let factor = (max / norm) as f32;
        for param in params {
            let mut gradient = param.gradient.lock();
            gradient.host.iter_mut().for_each(|g| *g *= factor);
            if let Some(device) = &mut gradient.device {
                *device = device.affine(f64::from(factor), 0.0)?;
            }
        }
    }
    Ok(norm)
}

pub(crate) fn sum_of_squares(gradient: &Gradient) -> Result<f64> {
    if !gradient.touched {
        return Ok(0.0);
    }
    match &gradient.device {
        Some(gradient) => Ok(f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?)),
        None => Ok(sum(&gradient.host)),
    }
}

/// Sum of squares, in eight sums side by side, a vector's worth: one would wait for each addition.
pub(crate) fn sum(values: &[f32]) -> f64 {
    let (blocks, rest) = values.as_chunks::<8>();
    let mut sums = [0f64; 8];
    for block in blocks {
        for (sum, x) in sums.iter_mut().zip(block) {
            *sum += f64::from(*x) * f64::from(*x);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};
    use mt_layers::Params;

    use super::*;

    #[test]
    fn gradients_longer_than_the_limit_keep_their_direction() -> Result<()> {
        let params = Params::new(1);
        let vb = params.builder(DType::F32, &Device::Cpu);
        let (a, b) = (vb.get(2, "a")?, vb.get(1, "b")?);
        let slopes = [Tensor::new(&[3f32, 0.0], &Device::Cpu)?, Tensor::new(&[4f32], &Device::Cpu)?];
        let collect = || params.backward(|| (&a * &slopes[0])?.sum_all()? + (&b * &slopes[1])?.sum_all()?);
        let gradients =
            || params.all().iter().flat_map(|p| p.gradient.lock().host.clone()).collect::<Vec<_>>();

        collect()?;
        assert_eq!(clip_norm(&params.all(), 10.0)?, 5.0);
        assert_eq!(gradients(), [3.0, 0.0, 4.0]);
        assert_eq!(clip_norm(&params.all(), 1.0)?, 5.0);
        assert_eq!(gradients(), [0.6, 0.0, 0.8]);
        Ok(())
    }
}

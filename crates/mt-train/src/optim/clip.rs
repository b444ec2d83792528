//! Gradient clipping by norm. R. Pascanu et al., *On the difficulty of training recurrent neural networks*, 2013.

use candle_core::{Result, Tensor};
use mt_layers::{Gradient, Param};

/// Scales the gradients of all parameters together so that their Euclidean norm is at most `max`, and returns what it
/// was. Gradients of embedding tables are not part of it. Another device than the CPU is waited for once.
///
/// # Errors
/// If a tensor operation fails.
pub fn clip_norm(params: &[Param], max: f64) -> Result<f64> {
    let (mut squares, mut unread) = (0.0, Vec::new());
    for param in params {
        let gradient = param.gradient.lock();
        match &gradient.device {
            Some(gradient) => unread.push(gradient.sqr()?.sum_all()?),
            None => squares += sum_of_squares(&gradient)?,
        }
    }
    if !unread.is_empty() {
        squares += Tensor::stack(&unread, 0)?.to_vec1::<f32>()?.into_iter().map(f64::from).sum::<f64>();
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

/// As [`clip_norm`], but another device than the CPU is not waited for.
///
/// # Errors
/// If a tensor operation fails.
pub(crate) fn clip(params: &[Param], max: f64) -> Result<()> {
    let mut gradients: Vec<_> = params.iter().map(|param| param.gradient.lock()).collect();
    let mut unread: Vec<_> = gradients.iter_mut().filter_map(|gradient| gradient.device.as_mut()).collect();
    if unread.is_empty() {
        drop(gradients);
        return clip_norm(params, max).map(drop);
    }
    let squares = unread.iter().map(|gradient| gradient.sqr()?.sum_all()).collect::<Result<Vec<_>>>()?;
    let factor = factor(&Tensor::stack(&squares, 0)?.sum_all()?.sqrt()?, max)?;
    for gradient in &mut unread {
        **gradient = gradient.broadcast_mul(&factor)?;
    }
    Ok(())
}

/// `1 / max(norm / max, 1)`, in operations that bring no number to the device; 1 where the norm is no number.
fn factor(norm: &Tensor, max: f64) -> Result<Tensor> {
    norm.affine(1.0 / max, -1.0)?.relu()?.affine(1.0, 1.0)?.recip()
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
    use candle_core::{DType, Device};
    use mt_layers::Params;

    use super::*;

    #[test]
    fn gradients_longer_than_the_limit_keep_their_direction() -> Result<()> {
        let params = Params::new(1);
        let vb = params.builder(DType::F32, &Device::Cpu);
        let (a, b) = (vb.get(2, "a")?, vb.get(1, "b")?);
        let slopes = [Tensor::new(&[3f32, 0.0], &Device::Cpu)?, Tensor::new(&[4f32], &Device::Cpu)?];
        let collect = || params.backward(|_| (&a * &slopes[0])?.sum_all()? + (&b * &slopes[1])?.sum_all()?);
        let gradients =
            || params.all().iter().flat_map(|p| p.gradient.lock().host.clone()).collect::<Vec<_>>();

        collect()?;
        assert_eq!(clip_norm(&params.all(), 10.0)?, 5.0);
        assert_eq!(gradients(), [3.0, 0.0, 4.0]);
        assert_eq!(clip_norm(&params.all(), 1.0)?, 5.0);
        assert_eq!(gradients(), [0.6, 0.0, 0.8]);
        Ok(())
    }

    #[test]
    fn gradients_on_a_device_are_clipped_alike_whether_or_not_their_norm_is_read() -> Result<()> {
        let params = Params::new(1);
        let vb = params.builder(DType::F32, &Device::Cpu);
        let _ = (vb.get(2, "a")?, vb.get(1, "b")?);
        let all = params.all();
        let clipped = |max, read: bool| {
            for (param, slopes) in all.iter().zip([&[3f32, 0.0][..], &[4.0]]) {
                let mut gradient = param.gradient.lock();
                gradient.device = Some(Tensor::new(slopes, &Device::Cpu)?);
                gradient.touched = true;
            }
            if read { clip_norm(&all, max).map(drop) } else { clip(&all, max) }?;
            all.iter()
                .map(|param| param.gradient.lock().device.as_ref().map(Tensor::to_vec1::<f32>).transpose())
                .collect::<Result<Vec<_>>>()
        };
        for max in [0.5, 1.0, 4.0, 5.0, 6.0] {
            assert_eq!(clipped(max, true)?, clipped(max, false)?);
        }
        Ok(())
    }

    #[test]
    fn norms_over_the_limit_are_scaled_down_to_it_and_others_left() -> Result<()> {
        let factors = [0.0, 3.0, 4.0, 16.0, f32::INFINITY, f32::NAN]
            .map(|norm| factor(&Tensor::new(norm, &Device::Cpu)?, 4.0)?.to_scalar::<f32>());
        assert_eq!(factors.into_iter().collect::<Result<Vec<_>>>()?, [1.0, 1.0, 1.0, 0.25, 0.0, 1.0]);
        Ok(())
    }
}

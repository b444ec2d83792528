//! The multi-task loss and its gradient in one pass over the logits.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{buffer, with_values};
use crate::loss::{BinaryLoss, Loss, MultiTaskLoss, PADDLEREC_EPSILON, TaskLoss};
use crate::simd::{exp, ln_1p};

/// A scalar whose gradient towards its argument is already known.
struct Known {
    value: f32,
    gradient: Tensor,
}

impl CustomOp1 for Known {
    fn name(&self) -> &'static str {
        "multi-task-loss"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![self.value]), Shape::from(())))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let scale = grad.to_scalar::<f32>()?;
        if scale == 1.0 {
            Ok(Some(self.gradient.clone()))
        } else {
            Ok(Some((&self.gradient * f64::from(scale))?))
        }
    }
}

pub(crate) fn loss_and_gradient(loss: &MultiTaskLoss, logits: &Tensor) -> Result<Loss> {
    let (rows, columns) = logits.dims2()?;
    let counts = loss.counts();
    let mut gradient = buffer(rows * columns);
    let mut sums = vec![0f64; loss.tasks.len()];
    with_values(logits, |logits| {
        let tasks = loss.tasks.len();
        for (r, (z, g)) in logits.chunks_exact(columns).zip(gradient.chunks_exact_mut(columns)).enumerate() {
            let mut at = 0;
            for (t, task) in loss.tasks.iter().enumerate() {
                let mask = loss.mask[r * tasks + t];
                if mask != 0.0 {
                    let z = if task.logits == 1 { z[at] } else { z[at + 1] - z[at] };
                    let (value, slope) = row(task, z, loss.labels[r * tasks + t]);
                    sums[t] += f64::from(value * mask);
                    let slope = slope * mask * task.weight / counts[t];
                    if task.logits == 2 {
                        g[at] = -slope;
                    }
                    g[at + task.logits - 1] = slope;
                }
                at += task.logits;
            }
        }
        Ok(())
    })?;
    let mean = |(sum, &count): (&f64, &f32)| if count > 0.0 { (sum / f64::from(count)) as f32 } else { 0.0 };
    let means: Vec<f32> = sums.iter().zip(&counts).map(mean).collect();
    let value = means.iter().zip(loss.tasks).map(|(mean, task)| mean * task.weight).sum();
    let gradient = Tensor::from_vec(gradient, (rows, columns), logits.device())?;
    let total = logits.apply_op1(Known { value, gradient })?;
    Ok(Loss { total, tasks: Tensor::from_vec(means, loss.tasks.len(), logits.device())? })
}

/// Loss of one row and its slope in the logit.
#[inline(always)]
fn row(task: &TaskLoss, z: f32, y: f32) -> (f32, f32) {
    // e^-|z| serves both the logarithm and the sigmoid; `rest` is the smaller of p and 1 - p, exact near 0.
    let small = exp(-z.abs());
    let rest = small / (1.0 + small);
    match task.kind {
        BinaryLoss::CrossEntropy => {
            let slope = if z >= 0.0 { (1.0 - y) - rest } else { rest - y };
            (z.max(0.0) - z * y + ln_1p(small), slope)
        }
        BinaryLoss::PaddlerecLog => {
            let p = if z >= 0.0 { 1.0 - rest } else { rest };
            let e = PADDLEREC_EPSILON as f32;
            let (positive, negative) = (p + e, 1.0 - p + e);
            let slope = -y / positive + (1.0 - y) / negative;
            (-y * positive.ln() - (1.0 - y) * negative.ln(), slope * p * (1.0 - p))
        }
    }
}

//! The multi-task loss and its gradient in one pass over the logits.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use mt_kernels::buffer::buffer;
use mt_kernels::loss::losses_and_gradient;

use super::{readable, with_values};
use crate::loss::{Loss, MultiTaskLoss};

/// A scalar whose gradient towards `xs` is `gradient`, to go on with a backward pass from there.
pub(crate) fn known(xs: &Tensor, gradient: Tensor) -> Result<Tensor> {
    if readable(xs) { xs.apply_op1(Known { value: 0.0, gradient }) } else { (xs * gradient)?.sum_all() }
}

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
    let sums = with_values(logits, |logits| {
        let MultiTaskLoss { tasks, labels, mask } = *loss;
        Ok(losses_and_gradient(tasks, labels, mask, &counts, logits, &mut gradient))
    })?;
    let mean = |(sum, &count): (&f64, &f32)| if count > 0.0 { (sum / f64::from(count)) as f32 } else { 0.0 };
    let means: Vec<f32> = sums.iter().zip(&counts).map(mean).collect();
    let value = means.iter().zip(loss.tasks).map(|(mean, task)| mean * task.weight).sum();
    let gradient = Tensor::from_vec(gradient, (rows, columns), logits.device())?;
    let total = logits.apply_op1(Known { value, gradient })?;
    Ok(Loss { total, tasks: Tensor::from_vec(means, loss.tasks.len(), logits.device())? })
}

//! The multi-task loss and its gradient in one pass over the logits.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::{CHUNK, buffer, loss_rows, with_values};
use crate::loss::{Loss, LossKind, MultiTaskLoss};

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
        let mut at = 0;
        for (t, (sum, &count)) in sums.iter_mut().zip(&counts).enumerate() {
            // Without a label the gradient stays 0.
            if count > 0.0 {
                *sum = task(loss, t, count, (logits, &mut gradient), (at, columns));
            }
            at += loss.tasks[t].logits;
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

/// Sum of the masked losses of task `t`, whose logits start at column `at`; writes its columns of the gradient.
///
/// A chunk of rows at a time is laid out column by column, so that loops over rows vectorise.
fn task(
    loss: &MultiTaskLoss,
    t: usize,
    count: f32,
    (logits, gradient): (&[f32], &mut [f32]),
    (at, columns): (usize, usize),
) -> f64 {
    let (task, tasks) = (&loss.tasks[t], loss.tasks.len());
    let binary_pair =
        task.logits == 2 && matches!(task.kind, LossKind::CrossEntropy | LossKind::PaddlerecLog);
    // Of two logits of a binary task only the difference matters.
    let outputs = if binary_pair { 1 } else { task.logits };
    let [mut z, mut slopes] = [vec![0.0; outputs * CHUNK], vec![0.0; outputs * CHUNK]];
    let [mut y, mut mask, mut values] = [[0.0; CHUNK]; 3];
    let mut sum = 0.0;
    for (chunk, gradient) in gradient.chunks_mut(CHUNK * columns).enumerate() {
        let (start, n) = (chunk * CHUNK, gradient.len() / columns);
        for i in 0..n {
            let label = (start + i) * tasks + t;
            let row = &logits[(start + i) * columns + at..][..task.logits];
            mask[i] = loss.mask[label];
            // What a missing label holds could be NaN, which no factor of 0 removes.
            let present = mask[i] != 0.0;
            y[i] = if present { task.kind.target(loss.labels[label]) } else { 0.0 };
            for c in 0..outputs {
                let value = if binary_pair { row[1] - row[0] } else { row[c] };
                z[c * CHUNK + i] = if present { value } else { 0.0 };
            }
        }
        loss_rows::losses_and_slopes(task.kind, n, &z, &y, &mut values, &mut slopes);
        for i in 0..n {
            sum += f64::from(values[i] * mask[i]);
            let row = &mut gradient[i * columns + at..][..task.logits];
            for c in 0..outputs {
                let slope = slopes[c * CHUNK + i] * mask[i] * task.weight / count;
                if binary_pair {
                    (row[0], row[1]) = (-slope, slope);
                } else {
                    row[c] = slope;
                }
            }
        }
    }
    sum
}

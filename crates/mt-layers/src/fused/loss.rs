//! The multi-task loss and its gradient in one pass over the logits.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::loss_rows::{Rows, losses_and_slopes};
use super::{CHUNK, buffer, readable, with_values};
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
    let binary_pair = task.logits == 2 && task.kind.takes(1);
    // Of two logits of a binary task only the difference matters.
    let mut rows = Rows::new(if binary_pair { 1 } else { task.logits });
    let mut sum = 0.0;
    let (mut labels, mut masks) = (loss.labels.chunks(CHUNK * tasks), loss.mask.chunks(CHUNK * tasks));
    for (z, gradient) in logits.chunks(CHUNK * columns).zip(gradient.chunks_mut(CHUNK * columns)) {
        rows.count = z.len() / columns;
        column(labels.next().unwrap_or_default(), t, tasks, &mut rows.y);
        column(masks.next().unwrap_or_default(), t, tasks, &mut rows.mask);
        if binary_pair {
            for (to, row) in rows.z.iter_mut().zip(z.chunks_exact(columns)) {
                *to = row[at + 1] - row[at];
            }
        } else {
            for (c, to) in rows.z.chunks_exact_mut(CHUNK).enumerate() {
                column(z, at + c, columns, to);
            }
        }
        losses_and_slopes(task, count, &mut rows);
        for loss in &rows.losses[..rows.count] {
            sum += f64::from(*loss);
        }
        if binary_pair {
            for (row, slope) in gradient.chunks_exact_mut(columns).zip(&rows.slopes) {
                (row[at], row[at + 1]) = (-slope, *slope);
            }
        } else {
            for (c, slopes) in rows.slopes.chunks_exact(CHUNK).enumerate() {
                for (row, slope) in gradient.chunks_exact_mut(columns).zip(slopes) {
                    row[at + c] = *slope;
                }
            }
        }
    }
    sum
}

/// Column `at` of rows of so many `columns`.
fn column(rows: &[f32], at: usize, columns: usize, to: &mut [f32]) {
    for (to, row) in to.iter_mut().zip(rows.chunks_exact(columns)) {
        *to = row[at];
    }
}

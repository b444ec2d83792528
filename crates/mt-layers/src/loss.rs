//! The multi-task loss: masked mean of each task's loss, weighted and summed.

use candle_core::{DType, Result, Tensor, bail};

use crate::fused::loss::loss_and_gradient;
use crate::fused::readable;

/// How a binary task is scored.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BinaryLoss {
    /// Binary cross-entropy, exact from the logit `z`: `max(z, 0) - z·y + ln(1 + e^-|z|)`. Finite, with a useful
    /// gradient, for any logit.
    #[default]
    CrossEntropy,
    /// PaddleRec's `-y·ln(p + 1e-4) - (1 - y)·ln(1 - p + 1e-4)`, whose gradient vanishes on confident mistakes. For
    /// parity runs only.
    PaddlerecLog,
}

/// One task's part of the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TaskLoss {
    /// Logits of the task: 1 (sigmoid), or 2 (softmax, the second is the positive class).
    pub logits: usize,
    /// Factor of the task's mean loss in the sum.
    pub weight: f32,
    /// The loss of a row.
    pub kind: BinaryLoss,
}

/// The labels of a batch and how they are scored.
#[derive(Debug, Clone)]
pub struct MultiTaskLoss<'a> {
    /// One entry a task, in the order of the logits.
    pub tasks: &'a [TaskLoss],
    /// Labels `(B, T)`, row-major.
    pub labels: &'a [f32],
    /// Weight of each label `(B, T)`; 0 where it is missing.
    pub mask: &'a [f32],
}

/// What [`MultiTaskLoss::forward`] returns.
#[derive(Debug, Clone)]
pub struct Loss {
    /// The scalar to differentiate: `Σ_t weight_t · mean_t`.
    pub total: Tensor,
    /// Each task's masked mean loss `(T)`, unweighted; 0 for a task without a label in the batch. No gradient.
    pub tasks: Tensor,
}

impl MultiTaskLoss<'_> {
    /// The loss of logits `(B, L)`. A missing label adds nothing, neither to the loss nor to the count of its mean.
    pub fn forward(&self, logits: &Tensor) -> Result<Loss> {
        let (rows, columns) = logits.dims2()?;
        let expected = self.tasks.iter().map(|t| t.logits).sum::<usize>();
        let labels = rows * self.tasks.len();
        if columns != expected || self.labels.len() != labels || self.mask.len() != labels {
            bail!(
                "loss of {rows} x {columns} logits with {} labels and {expected} logits a row",
                self.labels.len()
            )
        }
        if let Some(task) = self.tasks.iter().find(|t| !(1..=2).contains(&t.logits)) {
            bail!("a binary task has 1 or 2 logits, not {}", task.logits)
        }
        if readable(logits) { loss_and_gradient(self, logits) } else { self.composed(logits) }
    }

    /// Sum of the mask of each task.
    pub(crate) fn counts(&self) -> Vec<f32> {
        let mut counts = vec![0.0; self.tasks.len()];
        for row in self.mask.chunks_exact(self.tasks.len()) {
            counts.iter_mut().zip(row).for_each(|(count, m)| *count += m);
        }
        counts
    }

    /// The same in candle's own operations: the oracle of the fused one, and the path on other devices.
    pub(crate) fn composed(&self, logits: &Tensor) -> Result<Loss> {
        let (rows, _) = logits.dims2()?;
        let (device, dtype) = (logits.device(), logits.dtype());
        let columns =
            |values: &[f32]| Tensor::from_slice(values, (rows, self.tasks.len()), device)?.to_dtype(dtype);
        let (labels, mask) = (columns(self.labels)?, columns(self.mask)?);
        let mut means = Vec::with_capacity(self.tasks.len());
        let mut at = 0;
        for (t, (task, count)) in self.tasks.iter().zip(self.counts()).enumerate() {
            let z = match task.logits {
                1 => logits.narrow(1, at, 1)?,
                _ => (logits.narrow(1, at + 1, 1)? - logits.narrow(1, at, 1)?)?,
            };
            let y = labels.narrow(1, t, 1)?;
            let loss = match task.kind {
                // ln(1 + e^z) - z·y with the larger exponent taken out.
                BinaryLoss::CrossEntropy => {
                    (((z.relu()? - (&z * y)?)?) + (z.abs()?.neg()?.exp()? + 1.0)?.log()?)?
                }
                BinaryLoss::PaddlerecLog => {
                    let p = candle_nn::ops::sigmoid(&z)?;
                    let positive = (&y * (&p + PADDLEREC_EPSILON)?.log()?)?;
                    let negative =
                        (y.affine(-1.0, 1.0)? * p.affine(-1.0, 1.0 + PADDLEREC_EPSILON)?.log()?)?;
                    (positive + negative)?.neg()?
                }
            };
            means.push(
                ((loss * mask.narrow(1, t, 1)?)?.sum_all()? / f64::from(count.max(f32::MIN_POSITIVE)))?,
            );
            at += task.logits;
        }
        let means = Tensor::stack(&means, 0)?;
        let weights: Vec<f32> = self.tasks.iter().map(|t| t.weight).collect();
        let total = (&means * Tensor::new(weights, device)?.to_dtype(dtype)?)?.sum_all()?;
        Ok(Loss { total, tasks: means.detach().to_dtype(DType::F32)? })
    }
}

/// The constant of PaddleRec's log loss.
pub(crate) const PADDLEREC_EPSILON: f64 = 1e-4;

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    fn task(logits: usize, kind: BinaryLoss) -> TaskLoss {
        TaskLoss { logits, weight: 1.0, kind }
    }

    #[test]
    fn extreme_logits_have_finite_losses_and_gradients() -> Result<()> {
        let logits = Var::new(&[[17f32], [-800.0], [800.0], [100.0]], &Device::Cpu)?;
        let tasks = [task(1, BinaryLoss::CrossEntropy)];
        let loss = MultiTaskLoss { tasks: &tasks, labels: &[1.0, 1.0, 1.0, 0.0], mask: &[1.0; 4] };
        let Loss { total, .. } = loss.forward(&logits)?;
        assert!((total.to_scalar::<f32>()? - 225.0).abs() < 1e-3, "{total}");
        let gradient = total.backward()?.get(&logits).expect("a gradient").flatten_all()?.to_vec1::<f32>()?;
        approx::assert_abs_diff_eq!(gradient[1..], [-0.25f32, 0.0, 0.25], epsilon = 1e-30);
        assert!(gradient[0] < 0.0 && gradient[0] > -1e-7);
        Ok(())
    }

    #[test]
    fn a_task_without_labels_has_no_loss_and_no_gradient() -> Result<()> {
        let logits = Var::new(&[[1f32, 2.0], [3.0, 4.0]], &Device::Cpu)?;
        let tasks = [task(1, BinaryLoss::CrossEntropy); 2];
        let loss =
            MultiTaskLoss { tasks: &tasks, labels: &[1.0, 0.0, 0.0, 0.0], mask: &[1.0, 0.0, 1.0, 0.0] };
        let Loss { total, tasks } = loss.forward(&logits)?;
        assert_eq!(tasks.to_vec1::<f32>()?[1], 0.0);
        let gradient = total.backward()?.get(&logits).expect("a gradient").to_vec2::<f32>()?;
        assert_eq!((gradient[0][1], gradient[1][1]), (0.0, 0.0));
        Ok(())
    }

    #[test]
    fn the_fused_loss_is_the_composed_one() -> Result<()> {
        let logits = Var::new(&[[0.5f32, -1.0, 2.0], [-3.0, 0.1, 0.2], [1.5, 4.0, -4.0]], &Device::Cpu)?;
        for kind in [BinaryLoss::CrossEntropy, BinaryLoss::PaddlerecLog] {
            let tasks = [TaskLoss { weight: 0.7, ..task(1, kind) }, task(2, kind)];
            let (labels, mask) = ([1.0, 0.0, 0.0, 1.0, 1.0, 1.0], [1.0, 1.0, 0.0, 1.0, 2.0, 1.0]);
            let loss = MultiTaskLoss { tasks: &tasks, labels: &labels, mask: &mask };
            let (fused, composed) = (loss.forward(&logits)?, loss.composed(&logits)?);
            approx::assert_relative_eq!(
                fused.total.to_scalar::<f32>()?,
                composed.total.to_scalar::<f32>()?,
                max_relative = 1e-6
            );
            let of = |total: &Tensor| -> Result<Vec<f32>> {
                total.backward()?.get(&logits).expect("a gradient").flatten_all()?.to_vec1()
            };
            for (f, c) in of(&fused.total)?.into_iter().zip(of(&composed.total)?) {
                approx::assert_relative_eq!(f, c, epsilon = 1e-6, max_relative = 1e-5);
            }
        }
        Ok(())
    }
}

//! The multi-task loss: masked mean of each task's loss, weighted and summed.

mod composed;
mod kind;
mod ordinal;
mod ziln;

use candle_core::{Result, Tensor, bail};

pub use kind::LossKind;
pub use ordinal::ordinal_base;
pub(crate) use ziln::HALF_LN_2_PI;
pub use ziln::{LEAST_SIGMA, ziln_log_mean};

use crate::fused::loss::loss_and_gradient;
use crate::fused::readable;

/// A term of the multi-task loss: that of one task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossTerm {
    /// Logits of the task, as many as its [`kind`](Self::kind) takes.
    pub logits: usize,
    /// Factor of the task's mean loss in the sum.
    pub weight: f32,
    /// The loss of a row.
    pub kind: LossKind,
}

/// The labels of a batch and how they are scored.
#[derive(Debug, Clone)]
pub struct MultiTaskLoss<'a> {
    /// One entry a task, in the order of the logits.
    pub tasks: &'a [LossTerm],
    /// Labels `(B, T)`, row-major.
    pub labels: &'a [f32],
    /// Sample weight of each label `(B, T)`, not negative; 0 where it is missing, and then the label may be anything.
    pub mask: &'a [f32],
}

/// What [`MultiTaskLoss::forward`] returns.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Loss {
    /// The scalar to differentiate: `Σ_t weight_t · mean_t`.
    pub total: Tensor,
    /// Each task's masked mean loss `(T)`, unweighted; 0 for a task without a label in the batch. No gradient.
    pub tasks: Tensor,
}

impl Loss {
    /// The scalar to differentiate, and each task's mean loss `(T)`, without a gradient.
    pub fn new(total: Tensor, tasks: Tensor) -> Self {
        Self { total, tasks }
    }
}

impl MultiTaskLoss<'_> {
    /// The loss of logits `(B, L)`: of each task `Σ mask · loss / Σ mask` over the rows.
    ///
    /// A missing label adds nothing, neither to the loss nor to the weight of its mean; a task without any has a loss
    /// and a gradient of exactly 0.
    ///
    /// # Errors
    /// If the sizes do not fit, there is no task, a task has a number of logits its kind does not take, a mask is negative or not finite,
    /// or a label that is not missing is out of its kind's range.
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
        if self.tasks.is_empty() {
            bail!("a loss of no tasks")
        }
        self.check()?;
        if readable(logits) { loss_and_gradient(self, logits) } else { self.composed(logits) }
    }

    /// An error unless every task has logits and labels of its kind.
    fn check(&self) -> Result<()> {
        let tasks = self.tasks.len();
        if let Some(i) = self.mask.iter().position(|mask| !(0.0..=f32::MAX).contains(mask)) {
            let (row, t) = (i / tasks, i % tasks);
            bail!("task {t}, row {row}: a mask is a finite number from 0, not {}", self.mask[i])
        }
        for (t, task) in self.tasks.iter().enumerate() {
            if !task.kind.takes(task.logits) {
                let (_, logits) = task.kind.logits();
                bail!("task {t} has {} logits, but its loss takes {logits}", task.logits)
            }
            if let Some((key, expected)) = task.kind.problem() {
                bail!("task {t}: {key} of {:?}: expected {expected}", task.kind)
            }
            let (labels, mask) = (self.labels.iter().skip(t), self.mask.iter().skip(t));
            let pairs = labels.step_by(tasks).copied().zip(mask.step_by(tasks).copied());
            if let (Some(row), allowed) = task.kind.first_refused(task.logits, pairs) {
                bail!("task {t}, row {row}: the label is {allowed}, not {}", self.labels[row * tasks + t])
            }
        }
        Ok(())
    }

    /// Sum of the mask of each task.
    pub(crate) fn counts(&self) -> Vec<f32> {
        let mut counts = vec![0.0; self.tasks.len()];
        for row in self.mask.chunks_exact(self.tasks.len()) {
            counts.iter_mut().zip(row).for_each(|(count, m)| *count += m);
        }
        counts
    }
}

/// The constant of PaddleRec's log loss.
pub(crate) const PADDLEREC_EPSILON: f64 = 1e-4;

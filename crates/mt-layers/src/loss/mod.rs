//! The multi-task loss: masked mean of each task's loss, weighted and summed.

mod batch;
mod composed;

use candle_core::{Result, Tensor, bail};

pub use batch::{Loss, MultiTaskLoss};

use crate::fused::loss::loss_and_gradient;
use crate::fused::readable;

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
}

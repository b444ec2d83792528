//! The labels of a batch, and what their loss comes to.

use candle_core::Tensor;
use mt_kernels::loss::LossTerm;

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
    /// Sum of the mask of each task.
    pub(crate) fn counts(&self) -> Vec<f32> {
        let mut counts = vec![0.0; self.tasks.len()];
        for row in self.mask.chunks_exact(self.tasks.len()) {
            counts.iter_mut().zip(row).for_each(|(count, m)| *count += m);
        }
        counts
    }
}

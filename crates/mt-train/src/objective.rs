//! What is minimised: the tasks' losses, weighted.

use candle_core::Tensor;
use mt_data::Task;
use mt_layers::{Loss, MultiTaskLoss, TaskLoss};

use crate::config::TrainConfig;
use crate::error::Result;

/// The weighted sum of the tasks' masked mean losses.
#[derive(Debug, Clone)]
pub struct Objective {
    tasks: Vec<TaskLoss>,
}

impl Objective {
    /// The objective that a configuration describes.
    pub fn new(cfg: &TrainConfig, tasks: &[Task]) -> Self {
        let loss = |task: &Task| TaskLoss {
            logits: task.kind.outputs(),
            weight: cfg.task_weights.get(&task.name).copied().unwrap_or(1.0),
            kind: cfg.loss_of(task),
        };
        Self { tasks: tasks.iter().map(loss).collect() }
    }

    /// The loss of logits `(B, L)` for labels and mask `(B, T)`.
    ///
    /// # Errors
    /// If the sizes do not fit.
    pub fn loss(&self, logits: &Tensor, labels: &[f32], mask: &[f32]) -> Result<Loss> {
        Ok(MultiTaskLoss { tasks: &self.tasks, labels, mask }.forward(logits)?)
    }

    /// Whether some task has no label at all in a batch with this mask `(B, T)`.
    pub(crate) fn lacks_labels(&self, mask: &[f32]) -> bool {
        let tasks = self.tasks.len();
        (0..tasks).any(|t| mask.iter().skip(t).step_by(tasks).all(|mask| *mask == 0.0))
    }
}

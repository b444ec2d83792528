//! What is minimised: the tasks' losses, weighted.

use candle_core::Tensor;
use mt_data::Task;
use mt_layers::{Loss, LossKind, MultiTaskLoss, TaskLoss};

use crate::config::TrainConfig;
use crate::error::Result;

/// The weighted sum of the tasks' masked mean losses.
#[derive(Debug, Clone)]
pub struct Objective {
    tasks: Vec<TaskLoss>,
    /// Of binary tasks' labels.
    smoothing: f32,
}

impl Objective {
    /// The objective that a configuration describes.
    pub fn new(cfg: &TrainConfig, tasks: &[Task]) -> Self {
        let loss = |task: &Task| TaskLoss {
            logits: task.kind.outputs(),
            weight: cfg.task_weights.get(&task.name).copied().unwrap_or(1.0),
            kind: cfg.loss_of(task),
        };
        Self { tasks: tasks.iter().map(loss).collect(), smoothing: cfg.label_smoothing as f32 }
    }

    /// The loss of logits `(B, L)` for labels and mask `(B, T)`.
    ///
    /// # Errors
    /// If the sizes do not fit.
    pub fn loss(&self, logits: &Tensor, labels: &[f32], mask: &[f32]) -> Result<Loss> {
        let smoothed: Vec<f32>;
        let labels = if self.smoothing > 0.0 {
            smoothed = self.smoothed(labels);
            &smoothed
        } else {
            labels
        };
        Ok(MultiTaskLoss { tasks: &self.tasks, labels, mask }.forward(logits)?)
    }

    /// Labels of binary tasks moved towards ½ by the share ε: `(1 - ε) · y + ε / 2`. C. Szegedy et al., *Rethinking the
    /// Inception Architecture for Computer Vision*, 2016, section 7, for two classes.
    fn smoothed(&self, labels: &[f32]) -> Vec<f32> {
        let binary = |task: &TaskLoss| matches!(task.kind, LossKind::CrossEntropy | LossKind::PaddlerecLog);
        let smooth = |(task, label): (&TaskLoss, &f32)| match binary(task) {
            true => (1.0 - self.smoothing) * label + self.smoothing / 2.0,
            false => *label,
        };
        self.tasks.iter().cycle().zip(labels).map(smooth).collect()
    }

    /// Whether some task has no label at all in a batch with this mask `(B, T)`.
    pub(crate) fn lacks_labels(&self, mask: &[f32]) -> bool {
        let tasks = self.tasks.len();
        (0..tasks).any(|t| mask.iter().skip(t).step_by(tasks).all(|mask| *mask == 0.0))
    }
}

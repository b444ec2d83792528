//! What a task adds to a multi-task loss.

use super::kind::LossKind;

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

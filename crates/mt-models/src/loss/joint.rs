//! What several tasks are trained on together, beside the loss of each.

use std::fmt;

use candle_core::{Result as TensorResult, Tensor, bail};
use mt_features::TaskKind;

use super::Coupling;

/// A loss over what several tasks predict of the same rows, with all its parameters: what an entry of `train.joint_losses` describes.
/// It is added to the tasks' losses by its weight; predictions need none of it.
///
/// [`Registry::with_joint_loss`](crate::Registry::with_joint_loss) shows one.
pub trait JointLoss: fmt::Debug + Send + Sync {
    /// The tasks that it reads, by name, at least one, each once.
    fn tasks(&self) -> &[String];

    /// Whether it reads tasks of this kind, of which it then gets as many logits as [`TaskKind::outputs`].
    fn is_for(&self, kind: TaskKind) -> bool;

    /// The mean loss of the rows of a batch: a scalar, from which candle finds its slope in the logits.
    ///
    /// # Errors
    /// If a tensor operation fails.
    fn forward(&self, rows: &JointRows<'_>) -> TensorResult<Tensor>;

    /// Which other rows count for what a row costs. By default none.
    fn coupling(&self) -> Coupling {
        Coupling::None
    }
}

/// The rows of a batch as a [`JointLoss`] gets them, with its tasks in its order.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct JointRows<'a> {
    /// The logits `(B, k)` of each task, single precision, on the device of the model. That of a regression is in the unit of its labels.
    pub logits: &'a [Tensor],
    /// The labels `(B)` of each task; anything where the weight is 0.
    pub labels: &'a [Vec<f32>],
    /// The weights `(B)` of these labels: 0 where there is none, else 1 without `data.weight`.
    pub weights: &'a [Vec<f32>],
    /// The group of each row `(B)` where `data.group` is set.
    pub groups: Option<&'a [u32]>,
}

impl<'a> JointRows<'a> {
    /// Rows of some tasks with their logits `(B, k)`, labels and weights `(B)`, and groups.
    ///
    /// # Errors
    /// If there are not as many of each, or none.
    pub fn new(
        logits: &'a [Tensor],
        (labels, weights): (&'a [Vec<f32>], &'a [Vec<f32>]),
        groups: Option<&'a [u32]>,
    ) -> TensorResult<Self> {
        let Some(first) = logits.first() else { bail!("a joint loss of no tasks") };
        let (rows, _) = first.dims2()?;
        let alike = |values: &[Vec<f32>]| values.iter().all(|values| values.len() == rows);
        let tasks = labels.len() == logits.len() && weights.len() == logits.len();
        let own = logits.iter().all(|logits| logits.dim(0).is_ok_and(|own| own == rows));
        let grouped = groups.is_none_or(|groups| groups.len() == rows);
        if rows == 0 || !tasks || !own || !alike(labels) || !alike(weights) || !grouped {
            bail!("logits, labels, weights and groups of {} tasks that are not of as many rows", logits.len())
        }
        Ok(Self { logits, labels, weights, groups })
    }

    /// A number a row as `(B, 1)`, of the logits' type and on their device.
    ///
    /// # Errors
    /// If there are not as many.
    pub fn column(&self, values: &[f32]) -> TensorResult<Tensor> {
        let first = &self.logits[0];
        Tensor::from_slice(values, (first.dim(0)?, 1), first.device())?.to_dtype(first.dtype())
    }

    /// The mean of what each row costs, `(B, 1)` or `(B)`, by these weights; 0 where they are all 0.
    ///
    /// # Errors
    /// If there are not as many.
    pub fn mean(&self, losses: &Tensor, weights: &[f32]) -> TensorResult<Tensor> {
        let all: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
        let losses = losses.reshape((weights.len(), 1))?;
        (losses * self.column(weights)?)?.sum_all()? / if all > 0.0 { all } else { 1.0 }
    }
}

//! What a task is trained on: a loss of [`LossKind`], or one of your own.

mod config;
mod kinds;

use std::fmt;

use candle_core::{Result as TensorResult, Tensor, bail};
use mt_features::TaskKind;
use mt_layers::LossKind;

pub use self::config::LossConfig;
pub(crate) use self::kinds::KINDS;

/// The loss of a task with all its parameters: what an entry of `train.task_losses` describes. Predictions are those of the task's
/// kind, whatever the loss, so that a model is used without it.
///
/// [`Registry::with_loss`](crate::Registry::with_loss) shows one.
pub trait TaskLoss: fmt::Debug + Send + Sync {
    /// Whether it is a loss of tasks of this kind, whose logits it then gets: as many as [`TaskKind::outputs`].
    fn is_for(&self, kind: TaskKind) -> bool;

    /// In words what it takes in place of a label of the task's kind that it does not take, such as `a number from 0`. By default
    /// it takes every label.
    fn refuses(&self, _label: f32) -> Option<String> {
        None
    }

    /// The mean loss of some rows, by their weights: a scalar, from which candle finds its slope in the logits.
    ///
    /// # Errors
    /// If a tensor operation fails.
    fn forward(&self, rows: &LossRows<'_>) -> TensorResult<Tensor>;

    /// Which other rows count for what a row costs. By default none.
    fn coupling(&self) -> Coupling {
        Coupling::None
    }

    /// Whether it may be below 0, which some methods of balancing cannot weigh. By default not.
    fn may_be_negative(&self) -> bool {
        false
    }

    /// The kind that it is, if it is one of those here under its own or another name: these are computed for all tasks in one
    /// pass, in place of [`forward`](Self::forward). By default none.
    fn fused(&self) -> Option<LossKind> {
        None
    }
}

/// Which other rows count for what a row costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Coupling {
    /// None: the mean over a step is that of its batches' means.
    #[default]
    None,
    /// Those of its batch, which `train.accumulate` would split.
    Batch,
}

/// The rows of a batch that have a label of a task, as its loss gets them.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct LossRows<'a> {
    /// The task's logits `(B, k)`, single precision, on the device of the model. That of a regression is in the unit of its labels.
    pub logits: &'a Tensor,
    /// Labels `(B)`, finite, and none that [`TaskLoss::refuses`].
    pub labels: &'a [f32],
    /// Weights `(B)`, finite and above 0: 1 without `data.weight`.
    pub weights: &'a [f32],
    /// The group of each row `(B)` where `data.group` is set.
    pub groups: Option<&'a [u32]>,
}

impl<'a> LossRows<'a> {
    /// Rows with their logits `(B, k)`, labels and weights `(B)`, and groups.
    ///
    /// # Errors
    /// If there are not as many of each, or none.
    pub fn new(
        logits: &'a Tensor,
        (labels, weights): (&'a [f32], &'a [f32]),
        groups: Option<&'a [u32]>,
    ) -> TensorResult<Self> {
        let (rows, _) = logits.dims2()?;
        let fits = labels.len() == rows && weights.len() == rows;
        if rows == 0 || !fits || groups.is_some_and(|groups| groups.len() != rows) {
            bail!("logits of {rows} rows with {} labels and {} weights", labels.len(), weights.len())
        }
        Ok(Self { logits, labels, weights, groups })
    }

    /// The labels `(B, 1)`, beside the logits.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn targets(&self) -> TensorResult<Tensor> {
        self.column(self.labels)
    }

    /// The mean of what each row costs, `(B, 1)` or `(B)`, by the rows' weights.
    ///
    /// # Errors
    /// If there are not as many.
    pub fn mean(&self, losses: &Tensor) -> TensorResult<Tensor> {
        let all: f64 = self.weights.iter().map(|weight| f64::from(*weight)).sum();
        let losses = losses.reshape((self.labels.len(), 1))?;
        (losses * self.column(self.weights)?)?.sum_all()? / all
    }

    /// A number a row as `(B, 1)`, of the logits' type and on their device.
    ///
    /// # Errors
    /// If there are not as many.
    pub fn column(&self, values: &[f32]) -> TensorResult<Tensor> {
        Tensor::from_slice(values, (self.labels.len(), 1), self.logits.device())?
            .to_dtype(self.logits.dtype())
    }
}

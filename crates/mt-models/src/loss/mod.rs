//! What a task is trained on: a loss of [`LossKind`], or one of your own.

mod config;
mod joint;
mod jrc;
mod kinds;
mod order;
mod ranknet;

use std::collections::BTreeMap;
use std::fmt;

use candle_core::{DType, Result as TensorResult, Tensor, bail};
use mt_features::TaskKind;
use mt_layers::LossKind;

pub use self::config::LossConfig;
pub use self::joint::{JointLoss, JointRows};
pub(crate) use self::jrc::read as jrc;
pub(crate) use self::kinds::KINDS;
pub(crate) use self::order::read as order;
pub(crate) use self::ranknet::read as ranknet;

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
    /// Those of its group: batches are then drawn by group, and `data.group` must be set.
    Group,
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

    /// The rows of each group, each in order; the groups in order of appearance. Without groups all rows are one.
    pub fn by_group(&self) -> Vec<Vec<u32>> {
        let (numbers, count) = self.numbered();
        let mut all = vec![Vec::new(); count];
        (0..).zip(numbers).for_each(|(row, number)| all[number as usize].push(row));
        all
    }

    /// The group of each row `(B)`, numbered in the order in which they come, and how many there are; one where groups are not
    /// known.
    pub fn numbered(&self) -> (Vec<u32>, usize) {
        let Some(groups) = self.groups else { return (vec![0; self.labels.len()], 1) };
        let mut numbers = BTreeMap::new();
        let mut number = |group| {
            let next = numbers.len() as u32;
            *numbers.entry(group).or_insert(next)
        };
        (groups.iter().map(&mut number).collect(), numbers.len())
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

    /// 0, with a slope of 0 in the logits, whatever they are: the loss of rows that leave nothing to compare.
    ///
    /// # Errors
    /// If a tensor operation fails.
    pub fn nothing(logits: &Tensor) -> TensorResult<Tensor> {
        let none = Tensor::zeros(logits.shape(), DType::U8, logits.device())?;
        none.where_cond(logits, &logits.zeros_like()?)?.sum_all()
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

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    /// What the losses within groups are compared with PyTorch on.
    pub(super) const GROUPS: [u32; 8] = [4, 1, 4, 4, 1, 9, 1, 4];
    pub(super) const LABELS: [f32; 8] = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0];
    pub(super) const WEIGHTS: [f32; 8] = [1.0, 2.0, 0.5, 1.0, 1.0, 1.0, 3.0, 1.0];

    pub(super) fn wave(count: u32) -> Vec<f32> {
        (0..count).map(|i| (2.0 * (f64::from(i) * 1.7 + 0.3).sin()) as f32).collect()
    }

    #[test]
    fn rows_are_told_apart_by_group_and_must_fit() -> TensorResult<()> {
        let logits = Tensor::from_vec(wave(8), (8, 1), &Device::Cpu)?;
        let rows = LossRows::new(&logits, (&LABELS, &WEIGHTS), Some(&GROUPS))?;
        assert_eq!(rows.by_group(), [vec![0, 2, 3, 7], vec![1, 4, 6], vec![5]]);
        assert_eq!(LossRows { groups: None, ..rows }.by_group(), [(0..8).collect::<Vec<u32>>()]);
        assert!(LossRows::new(&logits, (&LABELS[1..], &WEIGHTS), None).is_err());
        assert!(LossRows::new(&logits, (&LABELS, &WEIGHTS), Some(&GROUPS[1..])).is_err());
        Ok(())
    }
}

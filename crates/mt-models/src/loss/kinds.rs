//! The losses of [`LossKind`] as those that a registry has.

use candle_core::{Result as TensorResult, Tensor};
use mt_features::TaskKind;
use mt_layers::{LossKind, LossTerm, MultiTaskLoss};

use super::{LossRows, TaskLoss};
use crate::error::Result;
use crate::section::Section;

type Read = fn(&mut Section<'_>) -> Result<LossKind>;

/// By name. Products of probabilities have theirs, whatever is written.
pub(crate) const KINDS: [(&str, Read); 12] = [
    ("cross-entropy", |_| Ok(LossKind::CrossEntropy)),
    ("paddlerec-log", |_| Ok(LossKind::PaddlerecLog)),
    ("focal", |section| with(section, "gamma", |gamma| LossKind::Focal { gamma })),
    ("multiclass", |_| Ok(LossKind::Multiclass)),
    ("mse", |_| Ok(LossKind::Mse)),
    ("mae", |_| Ok(LossKind::Mae)),
    ("huber", |section| with(section, "delta", |delta| LossKind::Huber { delta })),
    ("quantile", |section| with(section, "level", |level| LossKind::Quantile { level })),
    ("log-mse", |_| Ok(LossKind::LogMse)),
    ("weighted-logistic", |_| Ok(LossKind::WeightedLogistic)),
    ("ziln", |_| Ok(LossKind::Ziln)),
    ("ordinal", |section| Ok(LossKind::Ordinal { thresholds: section.count("thresholds", 1, 32)? as u32 })),
];

/// A kind with a number that has to be given.
fn with(section: &mut Section<'_>, key: &'static str, kind: impl Fn(f32) -> LossKind) -> Result<LossKind> {
    let number: Option<f32> = section.get(key)?;
    // What is wrong with none is wrong with NaN.
    let kind = kind(number.unwrap_or(f32::NAN));
    let Some((_, expected)) = kind.problem() else { return Ok(kind) };
    let found = number.map_or_else(|| "nothing".to_owned(), |number| number.to_string());
    Err(section.error(key, format!("expected {expected}, found {found}")))
}

impl TaskLoss for LossKind {
    fn is_for(&self, kind: TaskKind) -> bool {
        match kind {
            TaskKind::Binary | TaskKind::BinarySoftmax => self.is_binary(),
            TaskKind::Multiclass { .. } => *self == Self::Multiclass,
            TaskKind::Regression | TaskKind::ZeroInflated | TaskKind::Ordinal { .. } => {
                !self.is_binary() && *self != Self::Multiclass
            }
        }
    }

    fn refuses(&self, label: f32) -> Option<String> {
        // How many classes there are, the task's kind says.
        let (refused, expected) = self.first_refused(usize::MAX, [(label, 1.0)].into_iter());
        refused.map(|_| expected.to_owned())
    }

    fn forward(&self, rows: &LossRows<'_>) -> TensorResult<Tensor> {
        let tasks = [LossTerm { logits: rows.logits.dim(1)?, weight: 1.0, kind: *self }];
        let loss = MultiTaskLoss { tasks: &tasks, labels: rows.labels, mask: rows.weights };
        Ok(loss.forward(rows.logits)?.total)
    }

    fn may_be_negative(&self) -> bool {
        *self == Self::Ziln
    }

    fn fused(&self) -> Option<LossKind> {
        Some(*self)
    }
}

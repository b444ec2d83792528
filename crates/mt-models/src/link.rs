//! What undoes the scale that a loss compares on.

use mt_layers::LossKind;
use serde::{Deserialize, Serialize};

/// From the output of a regression to its prediction, the inverse of what its loss compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// The output itself.
    #[default]
    Identity,
    /// `e^z - 1`, of a loss on `ln(1 + y)`.
    ExpM1,
    /// `e^z`, the odds of a weighted logistic regression, and of [`TaskKind::ZeroInflated`](mt_features::TaskKind::ZeroInflated) with `z` the logarithm of its mean.
    Exp,
}

impl Link {
    /// What undoes a loss.
    pub fn of(loss: LossKind) -> Self {
        match loss {
            LossKind::LogMse => Self::ExpM1,
            LossKind::WeightedLogistic | LossKind::Ziln => Self::Exp,
            _ => Self::Identity,
        }
    }
}

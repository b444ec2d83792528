//! What is kept of a trial.

use serde::{Deserialize, Serialize};

/// A finished trial: a line of `trials.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub trial: usize,
    /// As it would be said to `--set`.
    pub set: Vec<String>,
    /// What `train.select` says of the best epoch, on the validation rows.
    pub value: Option<f64>,
    pub best_epoch: Option<usize>,
    pub ended: Ended,
    pub parameters: usize,
    /// What it says of every epoch.
    pub epochs: Vec<Option<f64>>,
    /// Of the last process that worked on it; `None` if that had nothing left to train.
    pub rows_per_second: Option<f64>,
    pub seconds: f64,
    /// What was wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Why a trial was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// After its last epoch.
    Done,
    /// Early, as it was below the median of the others.
    Hopeless,
    /// Its loss was not finite.
    Diverged,
    /// Before it began: values that are good alone and not together, as where a model is larger than its budget.
    Refused,
}

//! How the best epoch is chosen.

use serde::{Deserialize, Serialize};

use crate::evaluate::{Evaluation, Metrics};
use crate::run::Best;

/// How the best epoch is chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Select {
    /// The metric. Default `auc`.
    pub metric: SelectMetric,
    /// The task it is taken of. Default: the mean over all tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
}

/// Metrics by which an epoch can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SelectMetric {
    /// The larger the better; of a multiclass task the mean of its classes' AUC, of a regression XAUC.
    #[default]
    Auc,
    /// The smaller the better; regressions have none.
    LogLoss,
}

impl Select {
    /// The metric by which epochs are chosen, on the validation rows.
    pub fn value(&self, valid: &Evaluation) -> Option<f64> {
        let metric = |metrics: &Metrics| match self.metric {
            SelectMetric::Auc => metrics.ranking(),
            SelectMetric::LogLoss => metrics.log_loss(),
        };
        match &self.task {
            Some(task) => valid.task(task).and_then(|task| metric(&task.metrics)),
            None => valid.mean(metric),
        }
    }

    /// The best of all epochs so far, by their values in order.
    pub fn best(&self, values: &[Option<f64>]) -> Option<Best> {
        let mut best: Option<Best> = None;
        for (epoch, &value) in (1..).zip(values) {
            if best.is_none_or(|best| self.is_better(value, best.value)) {
                best = Some(Best { epoch, value });
            }
        }
        best
    }

    /// Whether `value` beats `best`. A later epoch wins over an undefined one, so without validation the last is best.
    pub fn is_better(&self, value: Option<f64>, best: Option<f64>) -> bool {
        match (value, best) {
            (Some(value), Some(best)) if self.metric == SelectMetric::Auc => value > best,
            (Some(value), Some(best)) => value < best,
            (value, best) => value.is_some() || best.is_none(),
        }
    }
}

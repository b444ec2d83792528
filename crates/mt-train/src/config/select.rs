//! How the best epoch is chosen.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::evaluate::{Evaluation, Metrics};
use crate::run::Best;

/// How the best epoch is chosen.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Select {
    /// The metric. Default `auc`.
    pub metric: SelectMetric,
    /// The task it is taken of. Default: the mean over all tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Weights of the tasks in the mean, in place of `task`; one that is not named weighs 0. Default 1 each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, f64>,
}

impl fmt::Display for Select {
    /// The metric and what it is taken of.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.metric {
            SelectMetric::Auc => "AUC, ",
            SelectMetric::LogLoss => "log loss, ",
        })?;
        match &self.task {
            Some(task) => f.write_str(task),
            None if self.weights.is_empty() => f.write_str("mean of all tasks"),
            None => {
                let terms: Vec<String> =
                    self.weights.iter().map(|(task, weight)| format!("{weight} {task}")).collect();
                write!(f, "mean of {}", terms.join(" + "))
            }
        }
    }
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
            None if self.weights.is_empty() => valid.mean(metric),
            None => self.weighted(valid, metric),
        }
    }

    /// The mean by weight; `None` if it is undefined for a task that has one.
    fn weighted(&self, valid: &Evaluation, metric: impl Fn(&Metrics) -> Option<f64>) -> Option<f64> {
        let (mut sum, mut all) = (0.0, 0.0);
        for (task, &weight) in self.weights.iter().filter(|(_, weight)| **weight > 0.0) {
            sum += weight * metric(&valid.task(task)?.metrics)?;
            all += weight;
        }
        Some(sum / all)
    }

    /// Whether the choice looks at a task.
    pub(super) fn looks_at(&self, task: &str) -> bool {
        match &self.task {
            Some(name) => name == task,
            None => self.weights.is_empty() || self.weights.get(task).is_some_and(|weight| *weight > 0.0),
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

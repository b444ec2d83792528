//! How the best epoch is chosen.

use std::collections::BTreeMap;
use std::fmt;

use mt_features::{Table, Task};
use serde::{Deserialize, Serialize};

use crate::best::Best;
use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, Metrics};

/// How the best epoch is chosen.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
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

impl Select {
    /// By a metric, the mean over all tasks.
    pub fn new(metric: SelectMetric) -> Self {
        Self { metric, ..Self::default() }
    }
}

impl fmt::Display for Select {
    /// The metric and what it is taken of.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric.name())?;
        if self.metric == SelectMetric::None {
            return Ok(());
        }
        f.write_str(", ")?;
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
#[non_exhaustive]
pub enum SelectMetric {
    /// The larger the better; of a multiclass task the mean of its classes' AUC, of a regression XAUC.
    #[default]
    Auc,
    /// The smaller the better; regressions have none.
    LogLoss,
    /// Epochs are not compared: the last is the best.
    None,
}

impl SelectMetric {
    fn name(self) -> &'static str {
        match self {
            Self::Auc => "AUC",
            Self::LogLoss => "log loss",
            Self::None => "none",
        }
    }

    fn of(self, metrics: &Metrics) -> Option<f64> {
        match self {
            Self::Auc => metrics.ranking(),
            Self::LogLoss => metrics.log_loss(),
            Self::None => None,
        }
    }
}

impl Select {
    /// The metric by which epochs are chosen, on the validation rows.
    pub fn value(&self, valid: &Evaluation) -> Option<f64> {
        let metric = |metrics: &Metrics| self.metric.of(metrics);
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

    /// The same choice by the tasks alone whose metric the labels of the validation rows define, and what to say of the
    /// others.
    ///
    /// # Errors
    /// [`Error::Unselectable`] if it is defined for none.
    pub(super) fn defined_on(&self, valid: &Table, tasks: &[Task]) -> Result<(Self, Option<String>)> {
        if self.metric == SelectMetric::None {
            return Ok((self.clone(), None));
        }
        // What is undefined for predictions that say nothing is so for all that are numbers.
        let blind = vec![0.5; valid.len() * mt_models::row_width(tasks)];
        let blind = Evaluation::new(&blind, valid, tasks);
        let looked_at = blind.tasks.iter().filter(|(name, _)| self.looks_at(name));
        let (defined, undefined): (Vec<_>, Vec<_>) =
            looked_at.partition(|(_, task)| self.metric.of(&task.metrics).is_some());
        if undefined.is_empty() {
            return Ok((self.clone(), None));
        }
        let metric = self.metric.name();
        let named = undefined.iter().map(|(name, task)| format!("{name} ({})", lacking(&task.metrics)));
        let undefined = named.collect::<Vec<_>>().join(", ");
        let weight = |name: &String| (name.clone(), self.weights.get(name).copied().unwrap_or(1.0));
        let select = match &defined[..] {
            [] => return Err(Error::Unselectable { metric, undefined }),
            [(name, _)] => Self { task: Some(name.clone()), weights: BTreeMap::new(), metric: self.metric },
            several => {
                Self { weights: several.iter().map(|(name, _)| weight(name)).collect(), ..self.clone() }
            }
        };
        let warning = format!(
            "train.select: {metric} is undefined on the validation rows for {undefined}; epochs are chosen by what is \
             defined: {select}"
        );
        Ok((select, Some(warning)))
    }

    /// The best of all epochs so far, by their values in order; the last where none has a value, as without validation
    /// rows.
    pub fn best(&self, values: &[Option<f64>]) -> Option<Best> {
        let mut best = Best { epoch: values.len(), value: None };
        for (epoch, &value) in (1..).zip(values) {
            if self.is_better(value, best.value) {
                best = Best { epoch, value };
            }
        }
        (best.epoch > 0).then_some(best)
    }

    /// Whether `value` beats `best`. An undefined one beats nothing, and is beaten by any other.
    pub fn is_better(&self, value: Option<f64>, best: Option<f64>) -> bool {
        match (value, best) {
            (Some(value), Some(best)) if self.metric == SelectMetric::LogLoss => value < best,
            (Some(value), Some(best)) => value > best,
            (value, _) => value.is_some(),
        }
    }
}

/// Why a metric of these rows is undefined.
fn lacking(metrics: &Metrics) -> String {
    let rows = metrics.rows();
    match metrics {
        _ if rows == 0 => "no row has a label".to_owned(),
        Metrics::Binary(summary) if summary.positives == 0 => format!("none of its {rows} rows is positive"),
        Metrics::Binary(_) => format!("all of its {rows} rows are positive"),
        Metrics::Multiclass(_) => format!("all of its {rows} rows are of one class"),
        Metrics::Regression(_) => format!("all of its {rows} rows have one value"),
    }
}

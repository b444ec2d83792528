//! A row of the table.

use serde::Serialize;

use super::outcome::{Outcome, Over};

/// A row of the table: one model on one task.
#[derive(Debug, Default, Serialize)]
pub struct Row {
    pub model: String,
    pub kind: String,
    pub task: String,
    pub parameters: usize,
    pub seeds: usize,
    /// Whether rows count by `data.weight` in all metrics.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub weighted: bool,
    /// Mean over the seeds of the test AUC; of a multiclass task the classes' mean, of a regression XAUC.
    pub auc: Option<f64>,
    /// Mean over the seeds of the AUC within groups, if the data has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gauc: Option<f64>,
    /// Standard deviation between the seeds; `None` with one.
    pub auc_sd: Option<f64>,
    /// 95 % confidence interval of the mean, over `p_over`.
    pub auc_interval: Option<(f64, f64)>,
    /// Mean AUC on the training rows.
    pub train_auc: Option<f64>,
    /// Mean test log loss over the seeds.
    pub log_loss: Option<f64>,
    /// `auc` minus that of the baseline; `None` for the baseline itself.
    pub difference: Option<f64>,
    /// 95 % confidence interval of `difference`, and its p-value, over `p_over`; `None` where `auc` is.
    pub difference_interval: Option<(f64, f64)>,
    pub p_value: Option<f64>,
    /// What the intervals and the p-value take as drawn by chance.
    pub p_over: Over,
    /// Of the variance between seeds; `None` with one.
    pub degrees_of_freedom: Option<f64>,
    /// `None` with one seed: that tells of trained models, not of what another seed would give.
    pub outcome: Option<Outcome>,
    /// Training rows a second, and seconds of training a run; means over the seeds.
    pub rows_per_second: f64,
    pub train_seconds: f64,
}

//! The section `train`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use mt_features::{TaskConfig, TaskKind, imputed_problem};
use mt_layers::LossKind;
use mt_models::LossConfig;
use mt_tables::RowOptimizer;
use serde::{Deserialize, Serialize};

use super::propensity::PropensityConfig;
use super::select::{Select, SelectMetric};
use super::warm_start::{WarmScaling, WarmStart};
use crate::balance::{BalanceConfig, BalanceKind};
use crate::error::Result;
use crate::optim::OptimizerConfig;
use crate::schedule::{Schedule, ScheduleKind};

/// How a model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct TrainConfig {
    /// Passes over the training rows. Default 10.
    pub epochs: usize,
    /// Rows a step. Default 512. The last batch of an epoch is as small as it comes out.
    pub batch_size: usize,
    /// Equal parts of a step, a power of two: each is a batch of its own, and their gradients are summed along a binary tree. They
    /// can be shared among as many processes, of any number the bytes are the same; one process passes one after the other, in the
    /// memory of one. Default 1.
    #[serde(skip_serializing_if = "is_one")]
    pub shards: usize,
    /// Seed of start values and shuffling. Default 1.
    pub seed: u64,
    /// Shuffle the rows of every epoch. Default true.
    pub shuffle: bool,
    /// The optimizer. Default Adam with a learning rate of 0.001.
    pub optimizer: OptimizerConfig,
    /// The update rule of embedding tables, applied to the rows a batch looked up. Default `adam`, lazy.
    pub table_optimizer: RowOptimizer,
    /// Learning rate of embedding tables. Default that of `optimizer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_lr: Option<f64>,
    /// Share of the network's input, embeddings and numeric columns, set to 0 in training. Default 0.
    pub dropout: f64,
    /// Start from the weights of another model. Default: from random ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_start: Option<WarmStart>,
    /// How the learning rate changes during the run. Default constant.
    pub schedule: Schedule,
    /// Factors of the learning rate by pattern of parameter names, with `*` for any text; tables are `tables.NAME`.
    /// 0 freezes. Default 1 each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rates: BTreeMap<String, f64>,
    /// Largest norm of the network's gradient; a longer one is scaled down to it. Default no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// Decay of a moving average of the network's weights, which evaluations and predictions then use. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average: Option<f64>,
    /// Share by which labels of binary tasks are moved towards ½. Default 0.
    pub label_smoothing: f64,
    /// The loss of binary tasks, `cross-entropy`, the default, or `paddlerec-log`.
    pub loss: LossKind,
    /// Losses of single tasks, each by its name in [`ModelConfig::registry`](mt_models::ModelConfig::registry), with its keys if
    /// it has any: `mae`, `{huber: {delta: 1}}`. Default [`loss`](Self::loss) for binary tasks, `mse` for regressions.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub task_losses: BTreeMap<String, LossConfig>,
    /// Learn regressions on the scale of their training labels, mean 0 and standard deviation 1, and undo it in
    /// predictions. Default true.
    #[serde(skip_serializing_if = "is_true")]
    pub standardize: bool,
    /// Predict the mean under `log-mse` and `ziln`, by a factor taken on the training rows. Default true.
    #[serde(skip_serializing_if = "is_true")]
    pub smearing: bool,
    /// Weight of a task's loss in the sum, by task. Default 1 each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub task_weights: BTreeMap<String, f32>,
    /// Tasks whose rows count in the loss by the inverse of the probability that another task, a binary one, predicts of them:
    /// `{cvr: click}`, where `cvr` has labels on clicked rows alone; or, with what the loss of the others is estimated to be, `{cvr:
    /// {of: click, imputed: cvr_error}}`. Default none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub propensities: BTreeMap<String, PropensityConfig>,
    /// Losses over what several tasks predict together, which are added to theirs: `[order: {tasks: [click, buy], weight: 0.6}]`.
    /// Default none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub joint_losses: Vec<LossConfig>,
    /// How the tasks are weighed against each other, besides `task_weights`. Default `fixed`.
    pub balance: BalanceConfig,
    /// Weight of the gates' importance loss in what is minimised: how unevenly each uses its experts. Default 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub load_balance: f64,
    /// How the best epoch is chosen, on the validation rows. Default the mean AUC of all tasks.
    pub select: Select,
    /// Epochs without a better one after which training ends. Default: it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// Checkpoints kept: so many of the last epochs, and the best. Default 10.
    pub keep: usize,
    /// Checkpoints within an epoch. Default every ten minutes.
    pub checkpoint: CheckpointConfig,
    /// Steps between two lines of the log. Default 100.
    pub log_every: u64,
    /// Train although units of a layer start equal. Default false.
    pub allow_symmetry: bool,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 10,
            batch_size: 512,
            shards: 1,
            seed: 1,
            shuffle: true,
            optimizer: OptimizerConfig::default(),
            table_optimizer: RowOptimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
            table_lr: None,
            dropout: 0.0,
            warm_start: None,
            schedule: Schedule::default(),
            rates: BTreeMap::new(),
            clip_norm: None,
            average: None,
            label_smoothing: 0.0,
            loss: LossKind::default(),
            task_losses: BTreeMap::new(),
            standardize: true,
            smearing: true,
            task_weights: BTreeMap::new(),
            propensities: BTreeMap::new(),
            joint_losses: Vec::new(),
            balance: BalanceConfig::default(),
            load_balance: 0.0,
            select: Select::default(),
            patience: None,
            keep: 10,
            checkpoint: CheckpointConfig::default(),
            log_every: 100,
            allow_symmetry: false,
        }
    }
}

/// When a checkpoint is written in the middle of an epoch: at the first line of the log after either. One is written
/// at the end of every epoch anyway.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct CheckpointConfig {
    /// Every so many steps. Default: not by steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// When so many minutes have passed since the last. Default 10.
    pub minutes: f64,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { steps: None, minutes: 10.0 }
    }
}

impl CheckpointConfig {
    /// Whether one is due `since` the last, at a step that writes a line of the log, as every `log_every`th does.
    pub(crate) fn is_due(&self, step: u64, log_every: u64, since: Duration) -> bool {
        let by_steps = self.steps.is_some_and(|every| step % every < log_every);
        by_steps || since.as_secs_f64() >= 60.0 * self.minutes
    }
}

impl TrainConfig {
    /// The model whose scaling of inputs stays, if it does.
    pub fn scaled_as(&self) -> Option<&Path> {
        let start = self.warm_start.as_ref().filter(|start| start.scaling == WarmScaling::Keep);
        start.map(|start| start.from.as_path())
    }

    /// Learning rate of embedding tables.
    pub fn table_rate(&self) -> f64 {
        self.table_lr.unwrap_or(self.optimizer.lr)
    }

    fn table_problems(&self) -> Vec<(String, bool, String)> {
        let rate = self.table_rate();
        let good = rate.is_finite() && rate > 0.0;
        let mut checks = vec![("table_lr".into(), good, format!("expected a number above 0, found {rate}"))];
        if let Err((key, problem)) = self.table_optimizer.check() {
            checks.push((format!("table_optimizer.{key}"), false, problem));
        }
        checks
    }

    fn check_rates(&self, check: &dyn Fn(&str, bool, String) -> Result<()>) -> Result<()> {
        for (pattern, factor) in &self.rates {
            let key = format!("train.rates.{pattern}");
            let good = factor.is_finite() && *factor >= 0.0;
            check(&key, good, format!("expected a number from 0, found {factor}"))?;
            let problem = glob::Pattern::new(pattern).err().map(|error| error.msg);
            check(&key, problem.is_none(), format!("is no pattern: {}", problem.unwrap_or_default()))?;
        }
        for pattern in self.warm_start.iter().flat_map(|start| &start.take) {
            let problem = glob::Pattern::new(pattern).err().map(|error| error.msg);
            let text = format!("{pattern:?} is no pattern: {}", problem.unwrap_or_default());
            check("train.warm_start.take", problem.is_none(), text)?;
        }
        if let Some(norm) = self.clip_norm {
            let good = norm.is_finite() && norm > 0.0;
            check("train.clip_norm", good, format!("expected a number above 0, found {norm}"))?;
        }
        if let Some(decay) = self.average {
            let good = decay > 0.0 && decay < 1.0;
            check("train.average", good, format!("expected a number between 0 and 1, found {decay}"))?;
        }
        Ok(())
    }

    /// Checks that each is of a probability, and looks at one batch a step.
    fn check_propensities(
        &self,
        tasks: &[TaskConfig],
        check: &dyn Fn(&str, bool, String) -> Result<()>,
    ) -> Result<()> {
        for (task, PropensityConfig { of, imputed }) in &self.propensities {
            let key = format!("train.propensities.{task}");
            let (good, problem) = known(tasks, task);
            check(&key, good, problem)?;
            let (good, problem) = known(tasks, of);
            check(&key, good, problem)?;
            let binary = |of: &TaskConfig| of.kind == TaskKind::Binary && of.prediction.is_none();
            let good = task != of && tasks.iter().any(|other| other.name == *of && binary(other));
            let expected = "expected another task, of the kind binary and with a head of its own";
            check(&key, good || tasks.is_empty(), format!("{expected}, found {of}"))?;
            let shards = self.shards;
            let problem = format!(
                "{task} weighs rows by what all of a step predict, and it has {shards} shards; expected 1"
            );
            check("train.shards", shards == 1, problem)?;
            let Some(imputed) = imputed else { continue };
            let key = format!("{key}.imputed");
            let problem = imputed_problem(imputed, tasks);
            check(&key, problem.is_none(), problem.unwrap_or_default())?;
            let own = tasks.iter().any(|other| other.name == *task && binary(other));
            let problem = format!("expected {task} to be of the kind binary and with a head of its own");
            check(&key, own || tasks.is_empty(), problem)?;
            let kind = self.balance.kind;
            let problem = format!(
                "{kind} needs losses above 0, and that of {task} may be below with an imputed one (train.propensities); expected \
                 fixed, schedule, random or a method of gradients other than gradnorm"
            );
            check("train.balance.kind", !kind.needs_positive(), problem)?;
        }
        Ok(())
    }

    /// Whether nothing asks which epoch is better where none is compared with another.
    fn check_unselected(&self, check: &dyn Fn(&str, bool, String) -> Result<()>) -> Result<()> {
        let set = [
            ("select.task", self.select.task.is_some()),
            ("select.weights", !self.select.weights.is_empty()),
            ("patience", self.patience.is_some()),
            ("schedule.kind", self.schedule.kind == ScheduleKind::Plateau),
        ];
        for (key, set) in set {
            let good = !set || self.select.metric != SelectMetric::None;
            check(&format!("train.{key}"), good, "compares epochs, and train.select.metric is none".into())?;
        }
        Ok(())
    }

    pub(super) fn check(
        &self,
        tasks: &[TaskConfig],
        check: &dyn Fn(&str, bool, String) -> Result<()>,
    ) -> Result<()> {
        let counts = [("epochs", Some(self.epochs)), ("keep", Some(self.keep)), ("patience", self.patience)];
        for (key, n) in counts {
            check(&format!("train.{key}"), n != Some(0), "expected at least 1, found 0".into())?;
        }
        let good = (1..=MAX_BATCH).contains(&self.batch_size);
        check("train.batch_size", good, format!("expected 1 to {MAX_BATCH}, found {}", self.batch_size))?;
        let (shards, rows) = (self.shards, self.batch_size);
        let good = shards.is_power_of_two() && rows.is_multiple_of(shards);
        let problem = format!(
            "expected a power of two that divides the {rows} rows of train.batch_size, found {shards}"
        );
        check("train.shards", good, problem)?;
        let kind = self.balance.kind;
        let problem = format!("{kind} looks at all of a step at once, and train.shards is {shards}");
        check("train.balance.kind", shards == 1 || kind == BalanceKind::Fixed, problem)?;
        for (key, n) in [("log_every", Some(self.log_every)), ("checkpoint.steps", self.checkpoint.steps)] {
            check(&format!("train.{key}"), n != Some(0), "expected at least 1, found 0".into())?;
        }
        let minutes = self.checkpoint.minutes;
        let problem = format!("expected a number above 0, found {minutes}");
        check("train.checkpoint.minutes", minutes > 0.0, problem)?;
        for (key, good, problem) in self.optimizer.problems() {
            check(&format!("train.optimizer.{key}"), good, problem)?;
        }
        let good = matches!(self.loss, LossKind::CrossEntropy | LossKind::PaddlerecLog);
        let expected = "expected cross-entropy or paddlerec-log; see train.task_losses for others";
        check("train.loss", good, expected.into())?;
        let product =
            tasks.iter().find(|task| is_product(task)).filter(|_| self.loss != LossKind::CrossEntropy);
        let problem = format!(
            "expected cross-entropy, as {} predicts a product of probabilities; other tasks may have others in \
             train.task_losses",
            product.map_or("a task", |task| &task.name)
        );
        check("train.loss", product.is_none(), problem)?;
        for (key, good, problem) in self.table_problems() {
            check(&format!("train.{key}"), good, problem)?;
        }
        for (key, share) in [("dropout", self.dropout), ("label_smoothing", self.label_smoothing)] {
            let good = (0.0..1.0).contains(&share);
            check(&format!("train.{key}"), good, format!("expected 0 to below 1, found {share}"))?;
        }
        for (key, good, problem) in self.schedule.problems() {
            check(&format!("train.schedule.{key}"), good, problem)?;
        }
        self.check_rates(check)?;
        let names = || tasks.iter().map(|task| task.name.as_str());
        let known = |name: &str| known(tasks, name);
        for (task, &weight) in &self.task_weights {
            let (good, problem) = known(task);
            check(&format!("train.task_weights.{task}"), good, problem)?;
            let good = weight.is_finite() && weight >= 0.0;
            check(
                &format!("train.task_weights.{task}"),
                good,
                format!("expected a number from 0, found {weight}"),
            )?;
        }
        self.check_propensities(tasks, check)?;
        let weighs = |name: &str| self.task_weights.get(name).is_none_or(|&weight| weight > 0.0);
        check(
            "train.task_weights",
            tasks.is_empty() || names().any(weighs),
            "expected a weight above 0 for at least one task, found only 0".into(),
        )?;
        if let Some(task) = &self.select.task {
            let (good, problem) = known(task);
            check("train.select.task", good, problem)?;
        }
        for (task, weight) in &self.select.weights {
            let (good, problem) = known(task);
            let key = format!("train.select.weights.{task}");
            check(&key, good, problem)?;
            let good = weight.is_finite() && *weight >= 0.0;
            check(&key, good, format!("expected a number from 0, found {weight}"))?;
        }
        let weighs =
            self.select.weights.is_empty() || self.select.weights.values().any(|weight| *weight > 0.0);
        let problem = "expected a weight above 0 for at least one task, found only 0";
        check("train.select.weights", weighs, problem.into())?;
        let one = self.select.weights.is_empty() || self.select.task.is_none();
        check("train.select.weights", one, "train.select.task names a single one already".into())?;
        self.check_unselected(check)?;
        let chosen = |task: &&TaskConfig| self.select.looks_at(&task.name);
        if let Some(task) = tasks.iter().filter(chosen).find(|task| task.kind.is_regression()) {
            let good = self.select.metric != SelectMetric::LogLoss;
            let problem =
                format!("expected auc, or a train.select.task with a log loss: {} has none", task.name);
            check("train.select.metric", good, problem)?;
        }
        Ok(())
    }
}

/// A larger batch is a typing mistake: its activations would exhaust memory before anything is said.
const MAX_BATCH: usize = 1 << 20;

fn is_product(task: &TaskConfig) -> bool {
    task.prediction.is_some()
}

fn is_one(n: &usize) -> bool {
    *n == 1
}

fn is_true(x: &bool) -> bool {
    *x
}

fn is_zero(x: &f64) -> bool {
    *x == 0.0
}

/// Whether a task has this name, and what to say if not.
pub(super) fn known(tasks: &[TaskConfig], name: &str) -> (bool, String) {
    let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
    (names.contains(&name), format!("there is no task {name:?}; the tasks are {}", names.join(", ")))
}

//! Configurations: as written in YAML, with overrides, and checked.

mod locate;
mod yaml;

use std::collections::BTreeMap;
use std::path::Path;

use mt_data::{DataConfig, Task, TaskConfig, TaskKind};
use mt_layers::{LossKind, RowOptimizer};
use mt_models::{Link, ModelConfig, fit_budget};
use serde::{Deserialize, Serialize};

use self::locate::Origin;
use crate::error::{Error, Result};
use crate::optim::OptimizerConfig;

/// A whole run: what to read, what to predict, which network, how to train it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Version of this format: 1.
    pub version: u32,
    /// Name of the run in tables and folders. Default: the file's name.
    #[serde(default)]
    pub name: String,
    /// Where the rows come from.
    pub data: DataConfig,
    /// What is predicted.
    pub tasks: Vec<TaskConfig>,
    /// The network.
    pub model: ModelConfig,
    /// How it is trained.
    #[serde(default)]
    pub train: TrainConfig,
}

/// How a model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Passes over the training rows. Default 10.
    pub epochs: usize,
    /// Rows a step. Default 512. The last batch of an epoch is as small as it comes out.
    pub batch_size: usize,
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
    /// The loss of binary tasks, `cross-entropy`, the default, or `paddlerec-log`.
    pub loss: LossKind,
    /// Losses of regressions by task: `mse`, the default, `mae`, `{huber: {delta: 1}}`, `log-mse`,
    /// `weighted-logistic`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", with = "serde_yaml::with::singleton_map_recursive")]
    pub task_losses: BTreeMap<String, LossKind>,
    /// Weight of a task's loss in the sum, by task. Default 1 each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub task_weights: BTreeMap<String, f32>,
    /// How the best epoch is chosen, on the validation rows. Default the mean AUC of all tasks.
    pub select: Select,
    /// Checkpoints kept: so many of the last epochs, and the best. Default 10.
    pub keep: usize,
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
            seed: 1,
            shuffle: true,
            optimizer: OptimizerConfig::default(),
            table_optimizer: RowOptimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
            table_lr: None,
            dropout: 0.0,
            loss: LossKind::default(),
            task_losses: BTreeMap::new(),
            task_weights: BTreeMap::new(),
            select: Select::default(),
            keep: 10,
            log_every: 100,
            allow_symmetry: false,
        }
    }
}

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

impl Config {
    /// Reads a configuration and applies `overrides` of the form `train.batch_size=64`.
    ///
    /// # Errors
    /// [`Error::ConfigFile`], or [`Error::Config`] with file, line, column and key, or with the override at fault.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        let unreadable = |source| Error::ConfigFile { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let mut cfg = Self::parse(&text, &path.display().to_string(), overrides)?;
        if cfg.name.is_empty() {
            cfg.name =
                path.file_stem().map_or_else(|| "run".into(), |stem| stem.to_string_lossy().into_owned());
        }
        Ok(cfg)
    }

    /// Reads a configuration from text; `origin` names it in errors.
    ///
    /// # Errors
    /// See [`Config::read`].
    pub fn parse(text: &str, origin: &str, overrides: &[String]) -> Result<Self> {
        let cfg: Self = yaml::parse(text, origin, overrides)?;
        let origin = Origin { text, name: origin, overrides };
        let refuse = |key: &str, problem: String| Error::Config { at: origin.place(key), problem };
        let check = |key: &str, good: bool, problem: String| match good {
            true => Ok(()),
            false => Err(refuse(key, format!("{key}: {problem}"))),
        };
        check("version", cfg.version == 1, format!("expected 1, found {}", cfg.version))?;
        // It names a folder, which must not be one outside.
        let folder = !cfg.name.contains(['/', '\\']) && !matches!(cfg.name.as_str(), "." | "..");
        check(
            "name",
            folder,
            format!("expected the name of a folder, without slashes, found {:?}", cfg.name),
        )?;
        cfg.train.check(&cfg.tasks, &check)?;
        cfg.model.resolve().map_err(|error| match &error {
            mt_models::Error::Config { key, .. } => refuse(key, error.to_string()),
            _ => Error::Model(error),
        })?;
        let data = |error: mt_data::Error| match cfg.key(&error) {
            Some(key) => refuse(&key, error.to_string()),
            None => Error::Data(error),
        };
        let embedded = cfg.model.embedding.is_none() || !cfg.data.fields.is_empty();
        check("model.embedding", embedded, "the data has no fields (data.fields)".into())?;
        cfg.data.check().map_err(data)?;
        mt_data::tasks(&cfg.tasks).map_err(data)?;
        Ok(cfg)
    }

    /// The key that an error of the data's or the tasks' checks is about; several joined by ` + `.
    fn key(&self, error: &mt_data::Error) -> Option<String> {
        use mt_data::Error as Data;
        // Of two tasks with one name, the second is the mistake.
        let task = |name: &str| {
            let position = self.tasks.iter().rposition(|task| task.name == name);
            position.map(|i| format!("tasks[{i}].name"))
        };
        match error {
            Data::Setting { key, .. } => Some((*key).to_owned()),
            Data::Entry { key, .. } | Data::TableEncodings { key, .. } => Some(key.clone()),
            Data::Source { .. } => Some("data.synth + data.parquet + data.csv".to_owned()),
            Data::NoTasks => Some("tasks".to_owned()),
            Data::DuplicateTask { name } | Data::TaskName { name, .. } => task(name),
            _ => None,
        }
    }

    /// The model section with the widths that its budget allows for this data.
    ///
    /// # Errors
    /// If the smallest such model is larger than the budget.
    pub fn sized_model(&self, inputs: usize, tasks: &[Task]) -> Result<ModelConfig> {
        Ok(fit_budget(&self.model, inputs, tasks)?)
    }

    /// The configuration as YAML.
    ///
    /// # Errors
    /// If a value has no YAML form, which cannot happen for one that was read.
    pub fn to_yaml(&self) -> Result<String> {
        yaml::write(self)
    }
}

fn is_for_classes(loss: LossKind) -> bool {
    matches!(loss, LossKind::CrossEntropy | LossKind::PaddlerecLog | LossKind::Multiclass)
}

impl TrainConfig {
    /// The loss of a task.
    pub fn loss_of(&self, task: &Task) -> LossKind {
        match task.kind {
            TaskKind::Binary | TaskKind::BinarySoftmax => self.loss,
            TaskKind::Multiclass { .. } => LossKind::Multiclass,
            TaskKind::Regression => self.task_losses.get(&task.name).copied().unwrap_or(LossKind::Mse),
        }
    }

    /// How outputs of the regressions become predictions, where that is not the identity.
    pub fn links(&self, tasks: &[Task]) -> BTreeMap<String, Link> {
        let link = |task: &Task| (task.name.clone(), Link::of(self.loss_of(task)));
        tasks.iter().map(link).filter(|(_, link)| *link != Link::Identity).collect()
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

    fn check(&self, tasks: &[TaskConfig], check: &dyn Fn(&str, bool, String) -> Result<()>) -> Result<()> {
        for (key, n) in [("train.epochs", self.epochs), ("train.keep", self.keep)] {
            check(key, n > 0, format!("expected at least 1, found {n}"))?;
        }
        let good = (1..=MAX_BATCH).contains(&self.batch_size);
        check("train.batch_size", good, format!("expected 1 to {MAX_BATCH}, found {}", self.batch_size))?;
        check("train.log_every", self.log_every > 0, "expected at least 1, found 0".into())?;
        for (key, good, problem) in self.optimizer.problems() {
            check(&format!("train.optimizer.{key}"), good, problem)?;
        }
        let good = matches!(self.loss, LossKind::CrossEntropy | LossKind::PaddlerecLog);
        let expected = "expected cross-entropy or paddlerec-log; see train.task_losses for others";
        check("train.loss", good, expected.into())?;
        for (key, good, problem) in self.table_problems() {
            check(&format!("train.{key}"), good, problem)?;
        }
        let good = (0.0..1.0).contains(&self.dropout);
        check("train.dropout", good, format!("expected 0 to below 1, found {}", self.dropout))?;
        let names = || tasks.iter().map(|task| task.name.as_str());
        let known = |name: &str| {
            let problem = format!(
                "there is no task {name:?}; the tasks are {}",
                names().collect::<Vec<_>>().join(", ")
            );
            (names().any(|task| task == name), problem)
        };
        for (name, &loss) in &self.task_losses {
            let key = format!("train.task_losses.{name}");
            let (good, problem) = known(name);
            check(&key, good, problem)?;
            let kind = tasks.iter().find(|task| task.name == *name).map(|task| task.kind);
            let good = kind == Some(TaskKind::Regression);
            check(&key, good, format!("{name} is no regression"))?;
            let expected = "expected the loss of a regression: mse, mae, huber, log-mse or weighted-logistic";
            check(&key, !is_for_classes(loss), expected.into())?;
            if let LossKind::Huber { delta } = loss {
                let problem = format!("delta: expected a number above 0, found {delta}");
                check(&key, delta.is_finite() && delta > 0.0, problem)?;
            }
        }
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
        let chosen = |task: &&TaskConfig| self.select.task.as_ref().is_none_or(|name| *name == task.name);
        if let Some(task) = tasks.iter().filter(chosen).find(|task| task.kind == TaskKind::Regression) {
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

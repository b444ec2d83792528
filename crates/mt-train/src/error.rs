//! What can go wrong in this crate.

use std::path::PathBuf;

use crate::culprit::Culprit;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration that cannot be read or does not hold together.
    #[error("{at}: {problem}")]
    Config {
        /// `path:line:column`, as far as known, or the override `--set key=value`.
        at: String,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// Something about the data.
    #[error(transparent)]
    Data(#[from] mt_data::Error),
    /// Something about the model.
    #[error(transparent)]
    Model(#[from] mt_models::Error),
    /// A checkpoint or a bundle that cannot be read or written.
    #[error(transparent)]
    Bundle(#[from] mt_bundle::Error),
    /// A tensor operation failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
    /// Several ranks cannot go on together.
    #[error(transparent)]
    Ranks(#[from] mt_dist::Error),
    /// More processes than there are parts of a step.
    #[error(
        "{ranks} processes share the {shards} shards of a step (train.shards): set it to a power of two from {ranks} on; it decides the bytes, \
         the number of processes does not"
    )]
    TooManyRanks {
        /// How many processes there are.
        ranks: usize,
        /// How many shards.
        shards: usize,
    },
    /// A file or folder could not be read or written.
    #[error("{path}: cannot {action}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A file that is not what it should be.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A configuration file that cannot be read.
    #[error("{path}: cannot read the configuration")]
    ConfigFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A table that grows at a learning rate of 0.
    #[error(
        "train.rates: table {table:?} grows, so its factor cannot be 0: new values would have rows that never learn"
    )]
    FrozenTable {
        /// The table.
        table: String,
    },
    /// A folder that is no run's.
    #[error("{path}: holds no run (no config.yaml)")]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// The folder for a new run holds one already.
    #[error("{path} already holds a run; choose another folder or remove it")]
    RunExists {
        /// The folder.
        path: PathBuf,
    },
    /// A folder that another process writes into.
    #[error("{path} is in use by {holder}; wait until it has ended, or stop it")]
    Owned {
        /// The folder.
        path: PathBuf,
        /// Who, and since when.
        holder: String,
    },
    /// The loss became NaN or infinite. The checkpoints written before stay valid.
    #[error(
        "the loss is {loss} at step {step} (epoch {epoch}, rows {rows:?} of the shuffled epoch){}; the last checkpoint is \
         untouched. Lower train.optimizer.lr, or normalise the inputs",
        .culprit.as_ref().map(|culprit| format!(": {culprit}")).unwrap_or_default()
    )]
    Diverged {
        /// The loss.
        loss: f32,
        /// Step, counted from 1.
        step: u64,
        /// Epoch, counted from 1.
        epoch: usize,
        /// Rows of the batch, in the order of the epoch.
        rows: std::ops::Range<usize>,
        /// Where the first number that is not finite came from; `None` if the batch has only finite ones when it is run
        /// again, as on another device, where the weights have moved on. Boxed, as every function that may fail carries
        /// the largest error.
        culprit: Option<Box<Culprit>>,
    },
    /// A parameter became NaN or infinite, and no loss shows it. The checkpoints written before stay valid.
    #[error(
        "the parameter {name} is not finite after step {step} (epoch {epoch}), though the loss is; the last checkpoint is \
         untouched. Lower train.optimizer.lr, or normalise the inputs"
    )]
    NotFinite {
        /// The parameter.
        name: String,
        /// Step, counted from 1.
        step: u64,
        /// Epoch, counted from 1.
        epoch: usize,
    },
    /// A training row with a label that the loss of its task does not take.
    #[error(
        "task {task:?}: the label of training row {row}, counted from 0, is {found}; its loss (train.task_losses, \
         train.loss) takes {expected}"
    )]
    Label {
        /// The task.
        task: String,
        /// The row.
        row: usize,
        /// What its loss takes.
        expected: String,
        /// The label.
        found: f32,
    },
    /// A run that is continued on other data than it began with.
    #[error(
        "{path}: was trained on other data: {differences}. Go on with the data the run began with; or, to go on with other \
         rows of the same columns, mt train --resume RUN --extend, which keeps the run's columns, scaling and vocabularies"
    )]
    OtherData {
        /// The checkpoint.
        path: PathBuf,
        /// In what it differs.
        differences: Differences,
    },
    /// A key that a run which is extended cannot change.
    #[error(
        "{key}: was {then} when the run began and is {now}: a run that is extended keeps it. What may differ are the rows \
         (files, data.synth, shares and split), train.epochs, train.patience, train.keep, train.checkpoint and \
         train.log_every; for the rest begin another run, with train.warm_start"
    )]
    Extend {
        /// The key.
        key: String,
        /// Its value in the run.
        then: String,
        /// Its value now.
        now: String,
    },
    /// A key that a run which goes on from another cannot change.
    #[error(
        "{key}: was {then} in the run to go on from and is {now}: its weights go on only as they are. What may differ are the rows \
         (files, data.synth, shares and split), name, the rates, train.schedule, train.batch_size and how long it goes on; for \
         the rest begin another run, with train.warm_start"
    )]
    Next {
        /// The key.
        key: String,
        /// Its value there.
        then: String,
        /// Its value here.
        now: String,
    },
    /// A checkpoint that a run cannot go on from.
    #[error("{path}: {problem}")]
    From {
        /// The folder that was named, or that of the checkpoint.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// A model whose fit does not fit the data.
    #[error("data.fitted: {path}: {problem}")]
    Fitted {
        /// The folder.
        path: PathBuf,
        /// What is in the way.
        problem: String,
    },
    /// Another model's weights that cannot be taken over as asked.
    #[error("train.warm_start: {path}: {problem}")]
    WarmStart {
        /// The folder.
        path: PathBuf,
        /// What is in the way.
        problem: String,
    },
    /// A pattern that no parameter fits.
    #[error("{key}: no parameter or table fits {pattern:?}; the nearest is {nearest:?}")]
    NoParameter {
        /// The key of the configuration.
        key: &'static str,
        /// The pattern.
        pattern: String,
        /// The nearest name.
        nearest: String,
    },
    /// A run that is continued with another way of loss balancing.
    #[error(
        "{path}: was trained with another train.balance, or other tasks. Continue with those the run began with"
    )]
    Balance {
        /// The checkpoint.
        path: PathBuf,
    },
    /// What epochs are chosen by has no value on any validation rows.
    #[error(
        "train.select: {metric} is undefined on the validation rows for {undefined}, so no epoch would be better than \
         another. Give validation rows that have it (data.valid_fraction, data.split, or validation files), choose by \
         what they have (train.select.metric: log-loss, train.select.task), or write train.select.metric: none to keep \
         the last epoch"
    )]
    Unselectable {
        /// The metric.
        metric: &'static str,
        /// The tasks, each with the reason.
        undefined: String,
    },
    /// Weights in which units of a layer start equal.
    #[error(
        "units of {0} start equal and would stay so: the layer can never learn more than one feature. Set \
         `model.init: xavier`, or `train.allow_symmetry: true` for a parity run"
    )]
    Symmetric(String),
}

impl From<mt_features::Error> for Error {
    fn from(error: mt_features::Error) -> Self {
        Error::Data(error.into())
    }
}

impl Error {
    /// That a loss compares the rows of a group, and there are no groups; `at` is where its key was set.
    pub(crate) fn ungrouped(at: String, key: &str, loss: &str) -> Self {
        let problem = format!(
            "{key}: {loss} compares the rows of a group; write in data.group which column tells these apart, \
             such as a user's"
        );
        Self::Config { at, problem }
    }

    /// The same with the place of the key that is wrong in a model section or in a loss, which `place` knows.
    pub(crate) fn placed(self, place: &dyn Fn(&str) -> String) -> Self {
        match &self {
            Self::Model(mt_models::Error::Config { key, .. }) => {
                Self::Config { at: place(key), problem: self.to_string() }
            }
            _ => self,
        }
    }

    /// Whether the configuration or a folder that was named is at fault, not the run.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Config { .. }
            | Self::ConfigFile { .. }
            | Self::NoRun { .. }
            | Self::RunExists { .. }
            | Self::Owned { .. }
            | Self::OtherData { .. }
            | Self::Extend { .. }
            | Self::Next { .. }
            | Self::From { .. }
            | Self::NoParameter { .. }
            | Self::FrozenTable { .. }
            | Self::WarmStart { .. }
            | Self::Fitted { .. }
            | Self::Unselectable { .. }
            | Self::Symmetric(_) => true,
            Self::Model(error) => error.is_usage(),
            Self::Bundle(error) => error.is_usage(),
            Self::Data(error) => error.is_usage(),
            _ => false,
        }
    }
}

/// In what data differs, told as far as anybody reads on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differences(Vec<String>);

/// So many are told.
const TOLD: usize = 6;

impl From<Vec<String>> for Differences {
    fn from(all: Vec<String>) -> Self {
        Self(all)
    }
}

impl std::ops::Deref for Differences {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}

impl std::fmt::Display for Differences {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0[..self.0.len().min(TOLD)].join("; "))?;
        match self.0.len().saturating_sub(TOLD) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Names the file and the action of an i/o error.
pub(crate) fn io(path: impl Into<PathBuf>, action: &'static str) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.into();
    move |source| Error::Io { path, action, source }
}

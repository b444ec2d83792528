//! The arguments of `mt sweep` and `mt explain`.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::common::{DeviceArg, ModelArg, Overrides};
use crate::commands::sweep::Dimension;

/// Say what a model's predictions rest on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mt explain --run runs/mmoe
  mt explain --run runs/mmoe --group --all          columns such as education=BA and education=MA as one
  mt explain --run runs/mmoe --data more.csv --json

Permutation importance: how much AUC (XAUC of a regression, mean AUC of classes) a task loses when
the values of a column are shuffled among the rows. Where two columns say the same, each seems to
matter little.")]
pub struct ExplainArgs {
    #[command(flatten)]
    pub model: ModelArg,
    /// best, last, an epoch, or step-N within an epoch
    #[arg(long, default_value = "best", conflicts_with = "bundle")]
    pub checkpoint: String,
    /// A file, folder or glob with labels [default: the run's validation rows, else its test rows]
    #[arg(long, value_name = "PATH")]
    pub data: Option<String>,
    /// Shuffles of each column
    #[arg(long, default_value_t = NonZeroU32::new(5).unwrap_or(NonZeroU32::MIN), value_name = "N")]
    pub repeats: NonZeroU32,
    /// Decides the shuffles, and which rows --rows takes
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// So many rows at most, drawn from the data [default: all]
    #[arg(long, value_name = "N")]
    pub rows: Option<NonZeroUsize>,
    /// Shuffle numeric columns together whose names are the same up to the first `=`
    #[arg(long)]
    pub group: bool,
    /// Print all columns, not the 20 that matter most
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub device: DeviceArg,
    /// Print JSON, always of all columns
    #[arg(long)]
    pub json: bool,
}

/// Search for a better configuration.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mt sweep configs/quickstart/2-mmoe.yaml --over 'train.optimizer.lr=log(1e-4, 1e-1)' --over 'model.experts=[2, 4, 8]'
  mt sweep my.yaml --over 'model.gate=[[], [32], [32, 16]]' --over 'train.dropout=uniform(0, 0.5)' --trials 50
  mt sweep my.yaml --over 'model.experts=[2, 4, 8]' --budget 72000 --method grid
  mt sweep --resume sweeps/my                   go on after a stop; with --trials, with more trials

Values: [A, B, ...], uniform(LOW, HIGH), log(LOW, HIGH), int(LOW, HIGH), log-int(LOW, HIGH).
Trial 0 is the configuration as it is. A trial counts what train.select says of its best epoch on
the validation rows; the best trial is compared with trial 0 on the test rows. All trials have one
seed, so the two configurations still have to be compared: the command for it is printed.")]
pub struct SweepArgs {
    /// The configuration
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    pub config: Option<PathBuf>,
    /// A key of model or train with the values to try
    #[arg(long, value_name = "KEY=VALUES", required_unless_present = "resume", conflicts_with = "resume")]
    pub over: Vec<Dimension>,
    #[command(flatten)]
    pub overrides: Overrides,
    /// Trials besides the configuration as it is [default: 30; grid: all combinations]
    #[arg(long, value_name = "N")]
    pub trials: Option<NonZeroUsize>,
    /// tpe looks for values like those of the best trials, random does not, grid tries all combinations
    #[arg(long, value_enum, default_value_t = MethodArg::Tpe, conflicts_with = "resume")]
    pub method: MethodArg,
    /// Let no trial have more parameters than this: the same as --set model.budget=N
    #[arg(long, value_name = "N", conflicts_with = "resume")]
    pub budget: Option<NonZeroUsize>,
    /// Epochs before a trial may be stopped because it is below the median of the others
    #[arg(long, default_value_t = 2, value_name = "N", conflicts_with = "resume")]
    pub grace: usize,
    /// Trials at the same time, each on its share of the threads; with several, results depend on which ends first
    #[arg(long, default_value_t = NonZeroUsize::MIN, value_name = "N")]
    pub parallel: NonZeroUsize,
    /// Decides what is drawn; the seed of the training is train.seed, the same for all trials
    #[arg(long, default_value_t = 1, conflicts_with = "resume")]
    pub seed: u64,
    /// Folder of the sweep [default: sweeps/NAME, or the next free sweeps/NAME-2, ...]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub out: Option<PathBuf>,
    /// Go on with the sweep in DIR
    #[arg(long, value_name = "DIR", conflicts_with = "set")]
    pub resume: Option<PathBuf>,
    #[command(flatten)]
    pub device: DeviceArg,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// How values are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MethodArg {
    /// Every combination of lists and whole numbers.
    Grid,
    /// By chance.
    Random,
    /// Tree-structured Parzen estimator: near what was good so far.
    Tpe,
}

//! The command line.

mod common;
mod looking;
mod scoring;
mod searching;
mod serving;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use self::common::run_seconds;
pub use self::common::{DeviceArg, ModelArg, Overrides};
pub use self::looking::{CacheArgs, InitArgs, StatsArgs};
pub use self::scoring::{PredictArgs, ShardArg};
pub use self::searching::{ExplainArgs, MethodArg, SweepArgs};
pub use self::serving::{ExportArgs, FormatArg, InferArgs, LogArg, ServeArgs, TargetArg};
use crate::commands::train::Days;

/// Multi-task ranking models without Python: train, evaluate, compare and predict with ShareBottom, MMoE, CGC and PLE.
#[derive(Debug, Parser)]
#[command(name = "mt", version, about, max_term_width = 100)]
#[command(after_help = "Examples:
  mt compare configs/quickstart/*.yaml         train four models on generated data and print a table
  mt init log.csv --label is_click,like        a configuration for a table of your own
  mt train my.yaml                             train a model
  mt sweep my.yaml --over 'train.dropout=[0, 0.1]'  find a better configuration
  mt eval --run runs/mmoe                      its metrics on the test rows
  mt predict --run runs/mmoe --input rows.csv  probabilities for each row
  mt export --run runs/mmoe --out bundle       a folder with all that is needed to predict
  mt serve --bundle bundle                     predictions over HTTP

Exit codes: 0 done, 1 the run failed, 2 mistake in the command line or a configuration, 130 stopped on request.")]
pub struct Args {
    /// Threads to compute with [default: all cores]. Results do not depend on it.
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<std::num::NonZeroUsize>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a configuration for files of your own
    Init(InitArgs),
    /// Train a model
    Train(TrainArgs),
    /// Evaluate checkpoints of a run
    Eval(EvalArgs),
    /// Train several models and compare them in one table
    Compare(CompareArgs),
    /// Search for a better configuration
    Sweep(SweepArgs),
    /// Predict for every row of files of any size
    Predict(PredictArgs),
    /// Write a bundle: a folder with all that is needed to predict
    Export(ExportArgs),
    /// Measure predictions from raw values: latency, rate, memory
    Infer(InferArgs),
    /// Say which columns the predictions of a model rest on
    Explain(ExplainArgs),
    /// Serve bundles over HTTP
    Serve(ServeArgs),
    /// Show the parameters of a configuration, a run or a bundle
    Inspect(InspectArgs),
    /// Make and look at data
    Data(DataArgs),
    /// Measure the speed of training, prediction and reading on this machine
    Bench(BenchArgs),
}

/// Train a model.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mt train configs/video/4-ple.yaml
  mt train configs/video/2-mmoe.yaml --set train.batch_size=32 --set 'model.gate=[32, 16]' --run-dir runs/deep-gates
  mt train --resume runs/deep-gates
  mt train --resume runs/deep-gates --extend --set train.epochs=20
  mt train --resume runs/deep-gates --extend --set 'data.csv.train=day-2.csv' --set train.epochs=12
  mt train my.yaml --from runs/2022-04-27 --set data.csv.train=log/dt=2022-04-28/ --run-dir runs/2022-04-28
  mt train my.yaml --days 2022-04-25..2022-04-30 --set 'data.csv.train=log/dt={day}/' --run-dir runs/days
  mpirun -n 4 mt train my.yaml --set train.shards=8

A run knows its data: --resume takes columns, scaling and vocabularies from its newest whole checkpoint, and refuses other
rows, saying what differs. With --extend it goes on with more epochs or other rows: columns are found by name, scaling and
vocabularies stay, and where validation rows differ the best epoch is sought anew. One process at a time writes into a run.

Ctrl-C finishes the step under way, leaves a usable checkpoint and exits with 130.")]
pub struct TrainArgs {
    /// The configuration
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub overrides: Overrides,
    /// Folder of the run [default: runs/NAME, or the next free runs/NAME-2, ...]
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,
    /// Begin a run that goes on from another one's best checkpoint, of the last epoch without validation rows, or from the checkpoint
    /// in that folder: on other rows, which are scored first
    #[arg(long, value_name = "RUN|CHECKPOINT", conflicts_with_all = ["resume", "extend"])]
    pub from: Option<PathBuf>,
    /// Train on each of these days, both included, in a run of its own that goes on from the day before; {day} in the configuration and
    /// in --set stands for the day, {yyyymmdd} for it without hyphens. The same command goes on where it was stopped
    #[arg(long, value_name = "DAY..DAY", conflicts_with_all = ["resume", "extend"])]
    pub days: Option<Days>,
    /// Go on with the run in DIR from its newest whole checkpoint; it ends with the same bytes as if it had not been stopped
    #[arg(long, value_name = "DIR", conflicts_with = "run_dir")]
    pub resume: Option<PathBuf>,
    /// With --resume: go on for longer, or with other rows of the same columns, as --set then says
    #[arg(long, requires = "resume")]
    pub extend: bool,
    #[command(flatten)]
    pub device: DeviceArg,
    /// Write events for TensorBoard, too, into the folder tensorboard of the run
    #[arg(long)]
    pub tensorboard: bool,
    /// Print one JSON object a line instead of text
    #[arg(long)]
    pub json: bool,
}

/// Evaluate checkpoints of a run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mt eval --run runs/mmoe
  mt eval --run runs/mmoe --checkpoint 1..10           every epoch from 1 to 10
  mt eval --run runs/mmoe --ndcg 10 --calibration      also the top of each user's ranking, and bins of probability
  mt eval --run runs/mmoe --data more.csv --json")]
pub struct EvalArgs {
    #[command(flatten)]
    pub model: ModelArg,
    /// best, last, an epoch, a range of epochs A..B, both included, or step-N within an epoch
    #[arg(long, default_value = "best", conflicts_with = "bundle")]
    pub checkpoint: String,
    /// A file, folder or glob with labels [default: the run's test rows, else its validation rows]
    #[arg(long, value_name = "PATH")]
    pub data: Option<String>,
    /// Also NDCG of the first K rows of each group of data.group, by a task's predictions
    #[arg(long, value_name = "K")]
    pub ndcg: Option<std::num::NonZeroUsize>,
    /// Also mean prediction and observed rate in ten bins of equally many rows
    #[arg(long)]
    pub calibration: bool,
    #[command(flatten)]
    pub device: DeviceArg,
    /// Print one JSON object a line instead of text
    #[arg(long)]
    pub json: bool,
}

/// Train several models and compare them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mt compare configs/quickstart/*.yaml
  mt compare configs/video/*.yaml --seeds 3 --out reports/video
  mt compare configs/video/2-mmoe.yaml --vary 'model.experts=[2, 4, 8]' --set model.budget=72000 --seeds 5

The others are compared with the first single-task model, or, where there is none, with the first configuration; with
several seeds, over test rows and seeds. The table is also written to DIR as Markdown, JSON and CSV, and with curves as report.html.")]
pub struct CompareArgs {
    /// Configurations; they must predict the same tasks on the same data
    #[arg(required = true)]
    pub configs: Vec<PathBuf>,
    /// Train each with so many seeds, counting up from its own; with one, p is over rows only and decides nothing
    #[arg(long, default_value_t = std::num::NonZeroU64::MIN, value_name = "N")]
    pub seeds: std::num::NonZeroU64,
    #[command(flatten)]
    pub overrides: Overrides,
    /// Train each configuration with each value of a key, as in 'model.experts=[2, 4]'; may be given several times
    #[arg(long, value_name = "KEY=[VALUE, ...]")]
    pub vary: Vec<String>,
    /// Folder for the runs and the table [default: reports/compare, or the next free reports/compare-2, ...]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub device: DeviceArg,
    /// Print the table as JSON
    #[arg(long)]
    pub json: bool,
}

/// Show the parameters of a configuration, a run or a bundle.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mt inspect my.yaml                    the network that a configuration describes
  mt inspect bundle                     that of a bundle, every file of which is checked
  mt inspect my.yaml --paths --set model.norm=batch
                                        which layers are computed the slow way, and why")]
pub struct InspectArgs {
    /// A configuration, or the folder of a run or a bundle; every file of a bundle is checked against its hash
    #[arg(value_name = "CONFIG|RUN|BUNDLE")]
    pub what: PathBuf,
    #[command(flatten)]
    pub overrides: Overrides,
    /// Show which layers leave the fast path in training and in predictions, and why
    #[arg(long)]
    pub paths: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Make and look at data.
#[derive(Debug, clap::Args)]
pub struct DataArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DataCommand,
}

/// The subcommands of `mt data`.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Convert the raw UCI Census-Income files to the study's video files
    Census(CensusArgs),
    /// Write generated short-video interactions as CSV
    Synth(SynthArgs),
    /// Columns, labels and density of a configuration's data
    Stats(StatsArgs),
    /// Parse a configuration's rows into its cache (data.cache), for data of more rows than memory
    Cache(CacheArgs),
}

/// Convert the census files.
#[derive(Debug, clap::Args)]
pub struct CensusArgs {
    /// Folder with census-income.data and census-income.test, plain or .gz
    #[arg(long, value_name = "DIR")]
    pub raw: PathBuf,
    /// Folder for train.csv, valid.csv, test.csv and columns.txt
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// study keeps all inputs; paper leaves out education and the instance weight
    #[arg(long, value_enum, default_value_t = ProtocolArg::Study)]
    pub protocol: ProtocolArg,
    /// one-hot writes the study's columns of 0 and 1; categories keeps the words, for embedding tables
    #[arg(long, value_enum, default_value_t = FormArg::OneHot)]
    pub form: FormArg,
    /// Decides which half of the test file is for validation
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// How categories are written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum FormArg {
    /// A column for each, of 0 and 1.
    OneHot,
    /// As text.
    Categories,
}

/// The protocols.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ProtocolArg {
    /// All inputs, as in the study.
    Study,
    /// Without education and instance weight, as in the MMoE and PLE papers.
    Paper,
}

/// Write generated data.
#[derive(Debug, clap::Args)]
pub struct SynthArgs {
    /// Rows
    #[arg(long, default_value_t = 100_000)]
    pub rows: usize,
    /// Seed
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Correlation of the two tasks' tastes, -1 to 1
    #[arg(long, default_value_t = mt_datasets::synth::SynthConfig::default().correlation)]
    pub correlation: f64,
    /// Tabs, 1 to 8, in each of which the tasks follow other motives
    #[arg(long, default_value_t = mt_datasets::synth::SynthConfig::default().contexts)]
    pub contexts: usize,
    /// The file
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Measure the speed on this machine.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mt bench                                  a table to paste, in a minute and a half
  mt bench --out before.json                and to compare with later
  mt bench --against before.json            2.00x is twice as fast as before
  mt --threads 1 bench --seconds 0.2        one thread, and a rougher answer sooner

The four models at the study's size train and predict on generated rows like those of the census
data: 499 columns, 34 of them not zero. Every measurement is run five times, in turn, and the
median counts. Temporary files are removed at the end.")]
pub struct BenchArgs {
    /// Generated rows
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(4096..=4_000_000))]
    pub rows: u32,
    /// Seconds of each run of training; prediction and reading take a quarter of it
    #[arg(long, default_value_t = 1.0, value_name = "S", value_parser = run_seconds)]
    pub seconds: f64,
    /// Print also how many times as fast it is as in a report that --out wrote
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Write the report as JSON to a file
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// Something typed that cannot be.
#[derive(Debug)]
pub struct Usage(pub String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

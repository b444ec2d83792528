//! `mt predict`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::common::{DeviceArg, ModelArg};

/// Predict for every row of files of any size.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mt predict --run runs/mmoe --input rows.csv --output scores.csv
  mt predict --bundle bundle --input day/*.parquet --output scores/ --keep user_id,video_id
  mt predict --bundle bundle --input day/ --output scores/ --score 'like ^ 0.3 * completion' --json
  head -1 rows.csv > one.csv && mt predict --run runs/mmoe --input one.csv

Rows may have their label columns or leave them out; columns that the model does not read are ignored. One output row for
each input row, in order: the kept columns, then one column a task, of a multiclass task one a class. A bad row is an
error, whatever the run's `on_bad_record` says.

A folder gets one part for each input file. Stopped or killed, the same command goes on: parts that are finished stay as
they are, and the one that was begun is made anew.")]
pub struct PredictArgs {
    #[command(flatten)]
    pub model: ModelArg,
    /// best, last, an epoch, or step-N within an epoch
    #[arg(long, default_value = "best", conflicts_with = "bundle")]
    pub checkpoint: String,
    /// Files, folders or globs: text, Parquet or Arrow, whatever the run was trained on
    #[arg(long, value_name = "PATH", required = true, num_args = 1..)]
    pub input: Vec<String>,
    /// A file for all rows, or a folder for a part for each input file: one that is there, a name that ends in /, or, where
    /// input is more than one file, a name without .csv or .parquet [default: standard output]
    #[arg(long, value_name = "FILE|DIR")]
    pub output: Option<PathBuf>,
    /// Kind of output [default: by the extension of the output file; in a folder as the input file]
    #[arg(long, value_enum, requires = "output")]
    pub format: Option<KindArg>,
    /// Columns of the input to copy into the output as they are, before the predictions
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    pub keep: Vec<String>,
    /// A further column `score` of this formula over the predictions, such as 'like ^ 0.3 * completion'
    #[arg(long, value_name = "FORMULA")]
    pub score: Option<String>,
    /// Start anew in a folder that has parts
    #[arg(long, requires = "output")]
    pub overwrite: bool,
    /// Make every Nth part alone, from the Ith on, counted from 0: a share of the work for each job of an array, as in --shard
    /// $JOB_COMPLETION_INDEX/8
    #[arg(long, value_name = "I/N", requires = "output")]
    pub shard: Option<ShardArg>,
    #[command(flatten)]
    pub device: DeviceArg,
    /// Print a summary as JSON at the end
    #[arg(long, requires = "output")]
    pub json: bool,
}

/// A share of the parts: every `of`th from `number` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardArg {
    pub number: usize,
    pub of: usize,
}

impl std::str::FromStr for ShardArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        let shard = numbers.map(|(number, of)| Self { number, of }).filter(|shard| shard.number < shard.of);
        shard.ok_or_else(|| format!("expected I/N with I from 0 to N - 1, as 0/8, found {text}"))
    }
}

/// Kinds of output.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum KindArg {
    /// Text with commas and a header.
    Csv,
    /// Parquet, compressed with zstd.
    Parquet,
}

impl From<KindArg> for mt_data::FileFormat {
    fn from(kind: KindArg) -> Self {
        match kind {
            KindArg::Csv => Self::Csv,
            KindArg::Parquet => Self::Parquet,
        }
    }
}

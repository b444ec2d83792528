//! The arguments of `mt init` and `mt data stats`.

use std::path::PathBuf;

use super::common::Overrides;

/// Write a configuration for files of one's own.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mt init log.csv --label is_click                        writes my.yaml
  mt init day/*.parquet --label is_click,like,watch_time --out first.yaml
  mt train my.yaml                                        trains as it is

Looks at the first 10,000 rows of each file (100,000 in all) and writes a configuration with
comments: delimiter, header, texts that say that a value is missing, numbers, identifiers and
categories, lists, the kinds of the labels, what rows are set aside, what rows are grouped by, and
what was left out and why. It is a beginning: read it.")]
pub struct InitArgs {
    /// Text, Parquet or Arrow files to train on, folders or globs
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
    /// Columns to predict, a task each; in a file without names their numbers, from 0
    #[arg(long, required = true, value_name = "COLUMN,...", value_delimiter = ',')]
    pub label: Vec<String>,
    /// File to write, which must not exist
    #[arg(long, value_name = "FILE", default_value = "my.yaml")]
    pub out: PathBuf,
}

/// Show statistics.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mt data stats my.yaml                 the training rows of a configuration, as they are read
  mt data stats log.csv                 what each column of a file seems to hold
  mt data stats day/ --json             of all files of a folder, text or Parquet

Of files all rows are read. Values of a column are counted one by one up to 65,536; where there are
more, distinct is over that, and shares are those of the values that were met first.")]
pub struct StatsArgs {
    /// The configuration (.yaml) whose training rows are meant, or text, Parquet or Arrow files, folders or globs
    #[arg(required = true, value_name = "CONFIG|FILE")]
    pub what: Vec<PathBuf>,
    #[command(flatten)]
    pub overrides: Overrides,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Build the cache of a configuration ahead of its first training.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mt data cache my.yaml                              of a configuration with data.cache
  mt data cache my.yaml --set data.cache.dir=/disk   somewhere else")]
pub struct CacheArgs {
    /// The configuration
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    #[command(flatten)]
    pub overrides: Overrides,
}

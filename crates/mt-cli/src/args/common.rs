//! What several subcommands take.

use std::path::PathBuf;

/// Overrides of the configuration.
#[derive(Debug, clap::Args)]
pub struct Overrides {
    /// Override a key of the configuration, as in train.batch_size=64; checked like the file
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Where to compute.
#[derive(Debug, clap::Args)]
pub struct DeviceArg {
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    pub device: String,
}

/// A trained model.
#[derive(Debug, clap::Args)]
pub struct ModelArg {
    /// Folder of the run
    #[arg(long, value_name = "DIR", required_unless_present = "bundle", conflicts_with = "bundle")]
    pub run: Option<PathBuf>,
    /// Folder of a bundle
    #[arg(long, value_name = "DIR")]
    pub bundle: Option<PathBuf>,
}

pub(super) fn run_seconds(text: &str) -> Result<f64, String> {
    // At the least, a run is a few steps; at the most, an hour altogether.
    let sensible = |s: &f64| (0.01..=60.0).contains(s);
    text.parse().ok().filter(sensible).ok_or_else(|| "expected 0.01 to 60 seconds".into())
}

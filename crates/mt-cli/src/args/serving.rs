//! The arguments of `mt export` and `mt infer`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::common::{DeviceArg, ModelArg, run_seconds};

/// Write a bundle, or an ONNX file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mt export --run runs/mmoe --out bundle
  mt export --run runs/mmoe --out small --tables f16    embedding tables of half the size
  mt export --run runs/mmoe --out onnx --format onnx     for ONNX Runtime, OpenVINO, TensorRT, Triton
  mt export --run runs/2022-04-28 --since bundles/1 --out bundles/2
                                                         what changed since the bundle of the day before

The bundle is checked whenever it is loaded: sizes and hashes of its files, and the predictions of
some rows recorded in it.")]
pub struct ExportArgs {
    /// Folder of the run
    #[arg(long, value_name = "DIR")]
    pub run: PathBuf,
    /// best, last, an epoch, or step-N within an epoch
    #[arg(long, default_value = "best")]
    pub checkpoint: String,
    /// Folder to write, which must not exist
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value_t = TargetArg::Bundle)]
    pub format: TargetArg,
    /// How the values of embedding tables are kept; what it costs in AUC is printed [default: f32, with --since as that bundle]
    #[arg(long, value_enum)]
    pub tables: Option<FormatArg>,
    /// Write only what changed since this bundle, or the bundle of the best checkpoint of this run: the folder is a bundle wherever the
    /// other one lies beside it
    #[arg(long, value_name = "BUNDLE|RUN")]
    pub since: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// How values of embedding tables are kept.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum FormatArg {
    /// As trained.
    F32,
    /// Half precision: half the size.
    F16,
    /// The range of f32 with 8 bits of precision: half the size.
    Bf16,
    /// 256 steps a row: a quarter of the size.
    Int8,
    /// Left out of an ONNX file, which then takes embeddings.
    None,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TargetArg {
    /// A bundle, for mt and mt-models.
    Bundle,
    /// An ONNX file, for other runtimes.
    Onnx,
}

/// Measure predictions from raw values.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mt --threads 1 infer --bundle bundle --data test.csv                one row after the other
  mt infer --bundle bundle --data test.csv --batch-size 1024 --json   all cores, batches of 1,024

Each thread has requests of its own, one after the other. Measured is the way from raw values, as a
caller has them, to the predictions: encoding, normalising, the network.")]
pub struct InferArgs {
    #[command(flatten)]
    pub model: ModelArg,
    /// best, last, an epoch, or step-N within an epoch
    #[arg(long, default_value = "best", conflicts_with = "bundle")]
    pub checkpoint: String,
    /// A file, folder or glob in the format of the run's data; with labels, AUC is printed too
    #[arg(long, value_name = "PATH")]
    pub data: String,
    /// Rows a request
    #[arg(long, default_value_t = std::num::NonZeroUsize::MIN, value_name = "N")]
    pub batch_size: std::num::NonZeroUsize,
    /// Rows taken from the data at most
    #[arg(long, default_value_t = 50_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rows: u32,
    /// Seconds to measure at least; the rows are gone through as often as that takes
    #[arg(long, default_value_t = 3.0, value_name = "S", value_parser = run_seconds)]
    pub seconds: f64,
    #[command(flatten)]
    pub device: DeviceArg,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Serve bundles over HTTP.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mt serve --bundle bundle
  mt serve --bundle video=bundle --bundle ads=other --listen 0.0.0.0:8080 --token-file token
  mt serve --models models --score 'like ^ 0.3 * completion'    the newest models/NAME/VERSION of each
  curl -d '{\"rows\": [{\"user_id\": 17}]}' localhost:8080/predict

A page to try rows is at /, metrics at /metrics. A bundle that is replaced on disk (by a rename) is
served within a second. SIGTERM and Ctrl-C finish what was accepted.")]
pub struct ServeArgs {
    /// Folder of a bundle, may be repeated [default NAME: the name of the folder]
    #[arg(long, value_name = "[NAME=]DIR", required_unless_present = "models")]
    pub bundle: Vec<String>,
    /// Folder with bundles NAME/VERSION, of which the newest are served
    #[arg(long, value_name = "DIR")]
    pub models: Option<PathBuf>,
    /// Where to listen; 0.0.0.0:8080 is reached from other machines too
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: std::net::SocketAddr,
    /// The final score of a row where a request gives none, a formula over the tasks
    #[arg(long, value_name = "FORMULA")]
    pub score: Option<String>,
    /// File with the token that requests must send as Authorization: Bearer TOKEN; read again when it changes
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificate chain, for TLS; read again when it changes, as is its key
    #[arg(long, value_name = "PEM", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "PEM", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Largest body of a request, in bytes
    #[arg(long, default_value_t = 8 << 20, value_name = "N")]
    pub max_body: usize,
    /// Most bytes of all bodies under way, at least twice --max-body; beyond, the oldest unfinished ones are told to try again
    #[arg(long, default_value_t = 256 << 20, value_name = "N")]
    pub max_bodies: usize,
    /// Most rows of a request
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    pub max_rows: usize,
    /// Most requests that are computed or wait for it at once; more are told to try again
    #[arg(long, default_value_t = 512, value_name = "N", value_parser = at_once)]
    pub max_requests: usize,
    /// Most connections at once; for one more, the one that is longest without a request is closed
    #[arg(long, default_value_t = 1024, value_name = "N", value_parser = at_once)]
    pub max_connections: usize,
    /// How long to go on, asked to stop, while clients are told to leave
    #[arg(long, default_value_t = 1.0, value_name = "S", value_parser = seconds)]
    pub drain_seconds: f64,
    /// What is logged as JSON lines on standard error: debug has a line for each request
    #[arg(long, value_enum, default_value_t = LogArg::Info)]
    pub log: LogArg,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LogArg {
    /// Each request and connection.
    Debug,
    /// Versions that are served, requests that are refused.
    Info,
    /// What needs a person.
    Warn,
}

/// So many at once, none of which a machine has room for beyond.
fn at_once(text: &str) -> Result<usize, String> {
    let good = |n: &usize| (1..=1_000_000).contains(n);
    text.parse().ok().filter(good).ok_or_else(|| "expected 1 to 1000000".to_owned())
}

fn seconds(text: &str) -> Result<f64, String> {
    let good = |seconds: &f64| (0.0..=86_400.0).contains(seconds);
    text.parse().ok().filter(good).ok_or_else(|| "expected seconds, from 0 to 86400".to_owned())
}

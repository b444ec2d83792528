//! What stands on the pages: `report.html` of a run, a comparison and a sweep.

mod comparison;
mod days;
mod run;
mod shape;
mod sweep;

pub use comparison::{ComparisonPage, ModelRuns};
pub use days::{DaysPage, Done};
use mt_features::{TaskConfig, TaskKind};
pub use run::RunPage;
pub use shape::{Shape, shapes};
pub use sweep::{Response, SweepPage};

use candle_core::Device;

use crate::html::{Axis, LineChart, Series, facts};
use crate::{device, machine};

/// Where a page's file is, in the folder of the run or comparison.
pub const FILE: &str = "report.html";

/// What the numbers depend on besides the configuration.
fn environment(on: &Device) -> String {
    facts(&[
        ("program", format!("mt {}", env!("CARGO_PKG_VERSION"))),
        ("processor", machine::cpu()),
        ("instructions", mt_kernels::simd::instructions()),
        ("threads", rayon::current_num_threads().to_string()),
        ("device", device::name(on)),
        ("system", std::env::consts::OS.to_owned()),
    ])
}

/// A curve over the epochs.
fn over_epochs(title: &str, y: &str, series: &[Series]) -> String {
    let x = Axis { name: "epoch", holds: Some((0.0, 1.0)) };
    LineChart { title, x, y: Axis { name: y, holds: None }, diagonal: false, series }.html()
}

/// ROC curves, on the whole unit square.
fn roc(title: &str, series: &[Series]) -> String {
    let x = Axis { name: "false positive rate", holds: Some((0.0, 1.0)) };
    let y = Axis { name: "true positive rate", holds: Some((0.0, 1.0)) };
    LineChart { title, x, y, diagonal: true, series }.html()
}

/// Reliability curves: where they lie below the diagonal, predictions are too high.
fn calibration(title: &str, task: &TaskConfig, series: &[Series]) -> String {
    let values = || series.iter().flat_map(|series| &series.points).flat_map(|&(x, y)| [x, y]);
    // The same on both axes; for a rare event only as far as its probabilities go.
    let holds = Some((values().fold(0.0, f64::min), values().fold(0.0, f64::max)));
    let observed = if task.kind.is_regression() { "mean target" } else { "observed rate" };
    let x = Axis { name: "mean prediction", holds };
    LineChart { title, x, y: Axis { name: observed, holds }, diagonal: true, series }.html()
}

/// AUC and its like by one name, that of the kind of task.
fn ranking_name(task: &TaskConfig) -> &'static str {
    match task.kind {
        TaskKind::Regression | TaskKind::ZeroInflated | TaskKind::Ordinal { .. } => "XAUC",
        TaskKind::Multiclass { .. } => "mean AUC",
        TaskKind::Binary | TaskKind::BinarySoftmax => "AUC",
    }
}

//! What a model's predictions look like beyond a number: ROC and calibration.

use mt_data::{Table, Task};
use mt_metrics::{CALIBRATION_BINS, calibration_table, roc_curve};
use mt_train::Scored;

/// Points of a ROC curve: one every other pixel or so.
const ROC_POINTS: usize = 200;

/// The curves of a binary task.
#[derive(Debug, Clone, Default)]
pub struct Shape {
    /// False and true positive rate; no points where a class is absent.
    pub roc: Vec<(f64, f64)>,
    /// Mean prediction and observed rate, in ten bins of equally many rows.
    pub calibration: Vec<(f64, f64)>,
}

/// The curves of every task on the rows of a table, from its predictions `(B, P)`; `None` for a task that is not binary.
pub fn shapes(predictions: &[f32], table: &Table, tasks: &[Task]) -> Vec<Option<Shape>> {
    let shape = |(t, task): (usize, &Task)| {
        task.kind.is_binary().then(|| {
            let rows = Scored::new(predictions, table, tasks, t, table.mask());
            let roc = roc_curve(&rows.predictions, &rows.labels, ROC_POINTS).unwrap_or_default();
            let bins = calibration_table(&rows.predictions, &rows.labels, CALIBRATION_BINS).bins;
            Shape {
                roc: roc.iter().map(|point| (point.false_positive_rate, point.true_positive_rate)).collect(),
                calibration: bins.iter().map(|bin| (bin.mean_prediction, bin.observed_rate)).collect(),
            }
        })
    };
    tasks.iter().enumerate().map(shape).collect()
}

//! What a model's predictions look like beyond a number: ROC and calibration.

use mt_features::{Table, Task, TaskKind};
use mt_metrics::{CALIBRATION_BINS, calibration_table, regression_table, roc_curve};
use mt_train::Scored;

use crate::html::Points;

/// Points of a ROC curve: one every other pixel or so.
const ROC_POINTS: usize = 200;

/// The curves of a task.
#[derive(Debug, Clone)]
pub struct Shape {
    /// False and true positive rate, of a binary task; no points where a class is absent.
    pub roc: Option<Points>,
    /// Mean prediction and observed rate, or mean target of a regression, in ten bins of equally many rows, or equal weight.
    pub calibration: Points,
}

impl Shape {
    fn new(kind: TaskKind, rows: &Scored) -> Option<Self> {
        let Scored { predictions, labels, .. } = rows;
        let weights = rows.weights.as_deref();
        match kind {
            TaskKind::Binary | TaskKind::BinarySoftmax => {
                let roc = roc_curve(predictions, labels, ROC_POINTS, weights).unwrap_or_default();
                let bins = calibration_table(predictions, labels, CALIBRATION_BINS, weights).bins;
                Some(Self {
                    roc: Some(roc.iter().map(|p| (p.false_positive_rate, p.true_positive_rate)).collect()),
                    calibration: bins.iter().map(|bin| (bin.mean_prediction, bin.observed_rate)).collect(),
                })
            }
            TaskKind::Regression | TaskKind::ZeroInflated | TaskKind::Ordinal { .. } => {
                let bins = regression_table(predictions, labels, CALIBRATION_BINS, weights);
                let calibration = bins.iter().map(|bin| (bin.mean_prediction, bin.mean_target)).collect();
                Some(Self { roc: None, calibration })
            }
            TaskKind::Multiclass { .. } => None,
        }
    }
}

/// The curves of every task on the rows of a table, from its predictions `(B, P)`; `None` for a task of classes.
pub fn shapes(predictions: &[f32], table: &Table, tasks: &[Task]) -> Vec<Option<Shape>> {
    let rows = |t| Scored::new(predictions, table, tasks, t, table.mask());
    tasks.iter().enumerate().map(|(t, task)| Shape::new(task.kind, &rows(t))).collect()
}

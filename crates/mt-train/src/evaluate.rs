//! Predictions and metrics of a model on a table.

use candle_core::Device;
use mt_data::{Table, Task};
use mt_metrics::{BinarySummary, binary_summary};
use mt_models::{Model, input, probabilities};
use serde::Serialize;

use crate::error::Result;

/// Rows a batch of an evaluation: large enough to be limited by arithmetic, small enough for the cache.
const ROWS: usize = 4096;

/// Probabilities `(B, T)`, row-major, of every row in order.
///
/// # Errors
/// If the rows do not fit the model.
pub fn predict(model: &dyn Model, table: &Table, tasks: &[Task], device: &Device) -> Result<Vec<f32>> {
    let mut all = Vec::with_capacity(table.len() * tasks.len());
    for start in (0..table.len()).step_by(ROWS) {
        let batch = table.slice(start..(start + ROWS).min(table.len()));
        let xs = input(batch.numeric)?.to_device(device)?;
        all.extend(probabilities(&model.forward(&xs)?.detach(), tasks)?);
    }
    Ok(all)
}

/// Metrics by task.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Evaluation {
    /// In the order of the schema.
    #[serde(serialize_with = "by_name")]
    pub tasks: Vec<(String, BinarySummary)>,
}

fn by_name<S: serde::Serializer>(
    tasks: &[(String, BinarySummary)],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_map(tasks.iter().map(|(name, summary)| (name, summary)))
}

impl Evaluation {
    /// Scores probabilities `(B, T)` against the labels that are present.
    pub fn new(probabilities: &[f32], table: &Table, tasks: &[Task]) -> Self {
        let score = |(t, task): (usize, &Task)| {
            let (scores, labels) = of_task(probabilities, table, t, tasks.len());
            (task.name.clone(), binary_summary(&scores, &labels))
        };
        Self { tasks: tasks.iter().enumerate().map(score).collect() }
    }

    /// The mean over all tasks of a metric; `None` if it is undefined for one of them.
    pub fn mean(&self, metric: impl Fn(&BinarySummary) -> Option<f64>) -> Option<f64> {
        let values: Option<Vec<f64>> = self.tasks.iter().map(|(_, summary)| metric(summary)).collect();
        values.map(|values| values.iter().sum::<f64>() / values.len() as f64)
    }

    /// The metrics of a task.
    pub fn task(&self, name: &str) -> Option<&BinarySummary> {
        self.tasks.iter().find(|(task, _)| task == name).map(|(_, summary)| summary)
    }
}

/// Probabilities and labels of one task, where a label is present.
pub fn of_task(probabilities: &[f32], table: &Table, task: usize, tasks: usize) -> (Vec<f32>, Vec<f32>) {
    let column = |values: &[f32]| values.iter().skip(task).step_by(tasks).copied().collect::<Vec<_>>();
    let (scores, labels, mask) = (column(probabilities), column(table.labels()), column(table.mask()));
    if mask.iter().all(|&m| m != 0.0) {
        return (scores, labels);
    }
    let present = |values: Vec<f32>| {
        values.into_iter().zip(&mask).filter(|(_, m)| **m != 0.0).map(|(v, _)| v).collect()
    };
    (present(scores), present(labels))
}

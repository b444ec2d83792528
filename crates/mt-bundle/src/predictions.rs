//! What a predictor gives, by row and task or head.

use std::ops::Range;
use std::sync::Arc;

use mt_features::Task;

use mt_models::predictions;

/// Where the predictions of each task, and of each head without a label, are in a row.
pub(crate) type Outputs = Arc<[(String, Range<usize>)]>;

/// Predictions of some rows. One that is filled again keeps its memory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Predictions {
    values: Vec<f32>,
    outputs: Option<Outputs>,
}

/// The outputs of what is [`predicted`](mt_features::predicted()).
pub(crate) fn outputs(predicted: &[Task]) -> Outputs {
    let mut at = 0;
    let output = |task: &Task| {
        let start = at;
        at += predictions(task.kind);
        (task.name.clone(), start..at)
    };
    predicted.iter().map(output).collect()
}

impl Predictions {
    /// Removes all, and returns where those of a model with these outputs go.
    pub(crate) fn reset(&mut self, outputs: &Outputs) -> &mut Vec<f32> {
        if self.outputs.as_ref().is_none_or(|own| !Arc::ptr_eq(own, outputs)) {
            self.outputs = Some(outputs.clone());
        }
        self.values.clear();
        &mut self.values
    }

    fn outputs(&self) -> &[(String, Range<usize>)] {
        self.outputs.as_deref().unwrap_or_default()
    }

    /// Predictions a row `P`, see [`Readout::width`](mt_models::Readout::width).
    pub fn width(&self) -> usize {
        self.outputs().last().map_or(0, |(_, last)| last.end)
    }

    /// Number of rows `B`.
    pub fn len(&self) -> usize {
        self.values.len() / self.width().max(1)
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// All of them, `(B, P)`, row-major.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The names of the tasks, and behind them of the heads without a label, in order.
    pub fn tasks(&self) -> impl Iterator<Item = &str> {
        self.outputs().iter().map(|(name, _)| name.as_str())
    }

    /// What is predicted of a row for a task, or of a head without a label: the probability of the positive class or a
    /// number, of each class where there are more. `None` where there is no such row or name.
    pub fn task(&self, row: usize, task: &str) -> Option<&[f32]> {
        let (_, at) = self.outputs().iter().find(|(name, _)| name == task)?;
        self.values.chunks_exact(self.width()).nth(row).map(|row| &row[at.clone()])
    }
}

//! What a predictor gives, by row and task.

use std::ops::Range;
use std::sync::Arc;

use mt_features::Task;

use crate::readout::predictions;

/// Where each task's predictions are in a row.
pub(crate) type Outputs = Arc<[(String, Range<usize>)]>;

/// Predictions of some rows. One that is filled again keeps its memory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Predictions {
    values: Vec<f32>,
    outputs: Option<Outputs>,
}

/// The outputs of these tasks.
pub(crate) fn outputs(tasks: &[Task]) -> Outputs {
    let mut at = 0;
    let output = |task: &Task| {
        let start = at;
        at += predictions(task.kind);
        (task.name.clone(), start..at)
    };
    tasks.iter().map(output).collect()
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

    /// Predictions a row `P`: one a task, `classes` of a multiclass one.
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

    /// The tasks' names, in order.
    pub fn tasks(&self) -> impl Iterator<Item = &str> {
        self.outputs().iter().map(|(name, _)| name.as_str())
    }

    /// What a task predicts of a row: the probability of the positive class or a number, of each class where there are
    /// more. `None` where there is no such row or task.
    pub fn task(&self, row: usize, task: &str) -> Option<&[f32]> {
        let (_, at) = self.outputs().iter().find(|(name, _)| name == task)?;
        self.values.chunks_exact(self.width()).nth(row).map(|row| &row[at.clone()])
    }
}

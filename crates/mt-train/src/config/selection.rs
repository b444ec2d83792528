//! What chooses among the epochs of a run on its data.

use mt_data::Dataset;

use super::select::{Select, SelectMetric};
use super::train::TrainConfig;
use crate::error::Result;
use crate::schedule::ScheduleKind;

/// What chooses among the epochs of a run, known before the first.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// `train.select`, on the tasks whose metric is defined on the validation rows.
    pub select: Select,
    /// Whether epochs are compared at all: not without validation rows, nor where `train.select.metric` is `none`.
    pub compares: bool,
    /// What is not as the configuration says, in words.
    pub warnings: Vec<String>,
}

impl TrainConfig {
    /// What chooses among epochs on this data.
    ///
    /// # Errors
    /// [`Error::Unselectable`](crate::Error::Unselectable) if there are validation rows, and what `train.select` looks at
    /// is undefined on them.
    pub fn selection(&self, data: &Dataset) -> Result<Selection> {
        let Some(valid) = &data.valid else {
            let waiting = [
                ("train.patience", self.patience.is_some()),
                ("train.schedule.kind: plateau", self.schedule.kind == ScheduleKind::Plateau),
            ];
            let idle =
                |(key, _)| format!("{key} has no effect: there are no validation rows to compare epochs on");
            let warnings = waiting.into_iter().filter(|(_, set)| *set).map(idle).collect();
            return Ok(Selection { select: self.select.clone(), compares: false, warnings });
        };
        let (select, warning) = self.select.defined_on(valid, &data.schema.tasks)?;
        let compares = select.metric != SelectMetric::None;
        Ok(Selection { select, compares, warnings: warning.into_iter().collect() })
    }

    /// Whether the best of the epochs with these values is so long ago that training ends.
    pub(crate) fn is_patience_over(&self, selection: &Selection, selected: &[Option<f64>]) -> bool {
        let best =
            selection.select.best(selected).filter(|best| best.value.is_some()).map_or(0, |best| best.epoch);
        selection.compares && self.patience.is_some_and(|patience| selected.len() - best >= patience)
    }
}

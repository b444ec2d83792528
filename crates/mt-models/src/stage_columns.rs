//! Which columns the stages read, and which they put behind those of the input.

use crate::config::{ModelConfig, error};
use crate::error::Result;
use crate::inputs::{Inputs, columns};

/// The columns of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StageColumns {
    /// Columns `D` that it gets: those of the input, and behind them what stages before it have [appended](crate::Stage::appends).
    pub inputs: usize,
    /// Those of its [fields](crate::Stage::fields), ascending.
    pub own: Vec<u32>,
    /// Columns that it appends.
    pub appended: usize,
}

impl ModelConfig {
    /// The columns of each stage over these inputs.
    ///
    /// # Errors
    /// As [`ModelConfig::stages`], for a field or numeric column that is not there, and for fields that a stage cannot read together.
    pub fn stage_columns(&self, inputs: &Inputs) -> Result<Vec<StageColumns>> {
        let (mut all, mut width) = (Vec::new(), inputs.width());
        for (i, stage) in self.stages()?.iter().enumerate() {
            let key = format!("stages[{i}].fields");
            let own = columns(&key, inputs, stage.fields())?;
            let widths = stage.fields().iter().filter_map(|name| Some(inputs.columns(name)?.len()));
            let appended =
                stage.appends(&widths.collect::<Vec<_>>()).map_err(|problem| error(&key, problem))?;
            all.push(StageColumns { inputs: width, own, appended });
            width += appended;
        }
        Ok(all)
    }

    /// Columns of what the network reads of these inputs: theirs, and what stages append.
    ///
    /// # Errors
    /// As [`ModelConfig::stage_columns`].
    pub fn read_width(&self, inputs: &Inputs) -> Result<usize> {
        Ok(inputs.width() + self.stage_columns(inputs)?.iter().map(|stage| stage.appended).sum::<usize>())
    }
}

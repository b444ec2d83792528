//! A loss that no registry has by itself: cross-entropy of one logit, in candle's own operations.

use candle_core::{Result, Tensor};
use mt_features::TaskKind;

use crate::{LossRows, Section, TaskLoss};

/// Times its number.
#[derive(Debug)]
struct Softplus(f64);

/// Reads the keys of `softplus`: `scale`, by default 1.
///
/// # Errors
/// For another number than one above 0.
pub fn softplus(section: &mut Section<'_>) -> crate::Result<Box<dyn TaskLoss>> {
    Ok(Box::new(Softplus(section.above_zero("scale", 1.0)?)))
}

impl TaskLoss for Softplus {
    fn is_for(&self, kind: TaskKind) -> bool {
        kind == TaskKind::Binary
    }

    fn forward(&self, rows: &LossRows<'_>) -> Result<Tensor> {
        let z = rows.logits;
        let tail = (z.abs()?.neg()?.exp()? + 1.0)?.log()?;
        rows.mean(&((z.relu()? - (z * rows.targets()?)?)? + tail)?)? * self.0
    }
}

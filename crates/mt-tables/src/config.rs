//! What a table is.

use serde::{Deserialize, Serialize};

use crate::growth::Growth;
use crate::optimizer::RowOptimizer;
use crate::storage::Storage;

/// A table of `rows` (`V`) embeddings of `width` (`K`) values each.
///
/// It takes `4·V·K` bytes for the values, half of that in half precision, and for the optimizer's state `4·V` (row-wise Adagrad), `8·V·K` (Adam and
/// FTRL) or nothing (SGD); of that, only pages with rows that were trained are real memory.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableConfig {
    /// Number of rows, up to 2³².
    pub rows: usize,
    /// Values a row.
    pub width: usize,
    /// How its rows are updated. Default `row-adagrad`.
    #[serde(default)]
    pub optimizer: RowOptimizer,
    /// Where its rows belong to keys that come up in training. Default: ids are rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<Growth>,
    /// How its values are kept. Default `f32`.
    #[serde(default)]
    pub storage: Storage,
}

impl TableConfig {
    /// Bytes of all its rows with the optimizer's state, trained or not.
    pub fn bytes(&self) -> u128 {
        let values = self.storage.words(self.width) as u128;
        let state = self.width as u128 * self.optimizer.per_value().len() as u128;
        4 * self.rows as u128 * (values + state + self.optimizer.per_row().len() as u128)
    }

    /// So many rows and values each, everything else at its default.
    pub fn new(rows: usize, width: usize) -> Self {
        Self { rows, width, optimizer: RowOptimizer::default(), growth: None, storage: Storage::F32 }
    }
}

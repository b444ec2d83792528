//! What a table and a field are.

use serde::{Deserialize, Serialize};

use super::growth::Growth;
use super::optimizer::RowOptimizer;

/// A table of `rows` (`V`) embeddings of `width` (`K`) float32 each.
///
/// It takes `4·V·K` bytes for the values, and for the optimizer's state `4·V` (row-wise Adagrad), `8·V·K` (Adam and
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
}

impl TableConfig {
    /// So many rows and values each, everything else at its default.
    pub fn new(rows: usize, width: usize) -> Self {
        Self { rows, width, optimizer: RowOptimizer::default(), growth: None }
    }
}

/// A column of ids, the table it looks up, and how the rows of one list of ids become one embedding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Name, for messages.
    pub name: String,
    /// Name of the table; several fields may share one.
    pub table: String,
    /// Default `sum`.
    #[serde(default)]
    pub pooling: Pooling,
}

/// How the table rows of a list of ids become one embedding. An empty list gives zeros.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// Their sum.
    #[default]
    Sum,
    /// Their sum divided by their number.
    Mean,
    /// The largest of each coordinate. The gradient goes to the first row that has it.
    Max,
    /// Their sum, each times the weight of its id.
    WeightedSum,
}

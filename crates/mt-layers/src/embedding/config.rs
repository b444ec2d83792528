//! What a table and a field are.

use candle_core::DType;
use serde::{Deserialize, Serialize};

use super::growth::Growth;
use super::optimizer::RowOptimizer;

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

/// How the values of a table are kept while it is trained. Arithmetic and the optimizer's state are in single precision: a mean
/// of squares that moves by a thousandth a step would not move at all in half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// Single precision. The default.
    #[default]
    F32,
    /// Half precision, 11 significant bits: values from 6e-8 to 65504. Updates are rounded by chance.
    F16,
    /// 8 significant bits and the range of `f32`. Updates are rounded by chance.
    Bf16,
}

impl Storage {
    /// Words of 32 bits that `width` values take.
    pub(super) fn words(self, width: usize) -> usize {
        match self {
            Self::F32 => width,
            Self::F16 | Self::Bf16 => width.div_ceil(2),
        }
    }

    /// The type of its tensors.
    pub(super) fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Bf16 => DType::BF16,
        }
    }
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
    /// Zeros: its values are looked up one by one, as a [`Sequence`](super::Sequence), and something else fills its columns.
    Sequence,
}

//! What looks a table up.

use serde::{Deserialize, Serialize};

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
    /// Zeros: its values are looked up one by one, as a [`Sequence`](crate::Sequence), and something else fills its columns.
    Sequence,
}

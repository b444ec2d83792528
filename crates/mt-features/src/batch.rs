//! One batch: what a model reads and what it should have predicted, as plain columns.

use crate::fields::Ids;
use crate::rows::{DenseRows, Numeric};

/// Some rows with their labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Features, `rows x width`.
    pub numeric: Numeric,
    /// Rows of the embedding tables, one entry a field of the schema.
    pub fields: Vec<Ids>,
    /// Labels, `rows x tasks`, row-major; 0 where missing.
    pub labels: Vec<f32>,
    /// `rows x tasks`, row-major: the row's weight (1 without weights) where a label is present and in its task's
    /// sample space, 0 elsewhere.
    pub mask: Vec<f32>,
    /// Number of tasks.
    pub tasks: usize,
}

impl Batch {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.numeric.rows()
    }
}

impl Default for Batch {
    /// No rows: a buffer for [`Table::gather_into`](crate::Table::gather_into).
    fn default() -> Self {
        let numeric = Numeric::Dense(DenseRows::default());
        Batch { numeric, fields: Vec::new(), labels: Vec::new(), mask: Vec::new(), tasks: 0 }
    }
}

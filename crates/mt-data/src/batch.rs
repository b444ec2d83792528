//! One batch: what a model reads and what it should have predicted, as plain columns.

use crate::rows::{DenseRows, Numeric};

/// Some rows with their labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Features, `rows x width`.
    pub numeric: Numeric,
    /// Labels, `rows x tasks`, row-major; 0 where missing.
    pub labels: Vec<f32>,
    /// `rows x tasks`, row-major: 1 where a label is present, 0 where it is missing.
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
        Batch { numeric, labels: Vec::new(), mask: Vec::new(), tasks: 0 }
    }
}

//! Which epoch of a run is best.

use serde::{Deserialize, Serialize};

/// The best epoch so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Best {
    /// The epoch.
    pub epoch: usize,
    /// Its value of the chosen metric on the validation rows; `None` without validation rows.
    pub value: Option<f64>,
}

//! Columns that no file has: they are computed of others, in training and in serving by the same code.

use serde::{Deserialize, Serialize};

/// A column that is computed. It stands beside those of the files: numbers and fields read it by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Computed {
    /// Its name, which no column of the files has.
    pub name: String,
    /// An expression over columns of the files, for example `play_time_ms / duration_ms`.
    pub value: String,
}

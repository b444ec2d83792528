//! What can go wrong in this crate.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A key of the model's configuration has a value that cannot be.
    #[error("{key}: {problem}")]
    Config {
        /// Dotted path of the key, such as `model.experts`.
        key: String,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// Logits that belong to other tasks.
    #[error("the model gives {found} logits a row, its tasks take {expected}")]
    Logits {
        /// Columns found.
        found: usize,
        /// Columns expected.
        expected: usize,
    },
    /// Data with another number of columns than the model was trained on.
    #[error("the data has {found} feature columns, the model was trained on {expected}")]
    Width {
        /// Columns found.
        found: usize,
        /// Columns expected.
        expected: usize,
    },
    /// A field whose embedding table has no encoder.
    #[error("embedding table {table:?} has no encoder")]
    NoEncoder {
        /// The table.
        table: String,
    },
    /// An embedding table that cannot be made, or ids that do not fit it.
    #[error(transparent)]
    Table(#[from] mt_tables::Error),
    /// A tensor operation failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl Error {
    /// Whether a configuration is at fault.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Config { .. })
    }
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

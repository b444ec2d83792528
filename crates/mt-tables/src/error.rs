//! What can go wrong with embedding tables; layers report with candle's own error.

/// Errors of embedding tables.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting of a table or of a field that cannot be.
    #[error("{key}: {problem}")]
    Config {
        /// Dotted path of the key, such as `tables.items.rows`.
        key: String,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// An id that its table does not have.
    #[error("field {field:?}: row {row} of table {table:?}, which has {rows} rows")]
    RowOutOfRange {
        /// The field that holds the id.
        field: String,
        /// The table it looks up.
        table: String,
        /// The id, counted from 0.
        row: u32,
        /// Rows of the table.
        rows: usize,
    },
    /// Ids of a field that do not belong together.
    #[error("field {field:?}: {problem}")]
    Ids {
        /// The field.
        field: String,
        /// What is wrong with them.
        problem: String,
    },
    /// A batch whose parts differ in number.
    #[error("expected {expected} {what}, found {found}")]
    Count {
        /// What was counted.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A name that no table has.
    #[error("there is no table {table:?}")]
    UnknownTable {
        /// The name asked for.
        table: String,
    },
    /// Saved rows or optimizer state that do not fit the tables.
    #[error("saved table {table:?}: {problem}")]
    State {
        /// The table.
        table: String,
        /// What is wrong with its tensors.
        problem: String,
    },
    /// Another rank of a run does not answer.
    #[error(transparent)]
    Ranks(#[from] mt_dist::Error),
    /// A tensor operation failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl From<Error> for candle_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Candle(error) => error,
            error => Self::wrap(error),
        }
    }
}

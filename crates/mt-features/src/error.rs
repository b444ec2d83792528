//! Everything that can be wrong with features, tasks and rows.

pub use crate::message::{BadRow, Found, Nearest};

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value of a raw row that its column cannot have.
    #[error("row {row}: column \"{column}\": expected {expected}, found {found}")]
    Input {
        /// The row, counted from 0.
        row: usize,
        /// The column.
        column: Box<str>,
        /// What would have been right.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A value of a raw row for a column that the model does not read.
    #[error("the model reads no column \"{name}\"{nearest}")]
    UnknownInput {
        /// The name given.
        name: String,
        /// The most similar column.
        nearest: Nearest,
    },
    /// The task list is empty.
    #[error("tasks: at least one task is needed")]
    NoTasks,
    /// Two tasks have one name.
    #[error("tasks: two tasks are named \"{name}\"")]
    DuplicateTask {
        /// The name.
        name: String,
    },
    /// A task name is reserved or cannot be part of a parameter name.
    #[error("tasks: \"{name}\" cannot name a task: {reason}")]
    TaskName {
        /// The name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// A task's prediction is no product of probabilities.
    #[error("{key}: {problem}")]
    Prediction {
        /// The configuration key.
        key: String,
        /// What is wrong, and what to write.
        problem: String,
    },
    /// A setting in a list or of a named part is outside its range.
    #[error("{key}: expected {expected}, found {found}")]
    Entry {
        /// The configuration key.
        key: String,
        /// The range.
        expected: &'static str,
        /// The value.
        found: String,
    },
    /// An expression cannot be read, or names a column that is not there.
    #[error("{key}: {}, character {at}: {problem}{nearest}", crate::message::around(text, *at))]
    Expression {
        /// The configuration key.
        key: String,
        /// The expression.
        text: String,
        /// Character in it, from 1.
        at: usize,
        /// What is wrong there.
        problem: String,
        /// The most similar column.
        nearest: Nearest,
    },
    /// Fields that share a table say different things about it.
    #[error("{key}: table \"{table}\" has another encoding at its first field; give it once, or the same")]
    TableEncodings {
        /// The configuration key.
        key: String,
        /// The table.
        table: String,
    },
    /// A field's table is not among the encoders.
    #[error("field \"{field}\": the encoders have no table \"{table}\"; they belong to another model")]
    NoEncoder {
        /// The field.
        field: String,
        /// The table.
        table: String,
    },
    /// Columns handed to a constructor do not fit together.
    #[error("{what}: expected {expected} values, found {found}")]
    Shape {
        /// The column or parameter.
        what: &'static str,
        /// The length that would fit.
        expected: usize,
        /// Its length.
        found: usize,
    },
    /// A row handed to a constructor cannot be.
    #[error("{0}")]
    Row(BadRow),
    /// More rows or non-zero values than 32-bit positions can count.
    #[error("the table has more than 4,294,967,295 rows or non-zero values")]
    TooLarge,
}

impl Error {
    /// Whether the configuration is at fault, not a row.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::NoTasks
                | Self::DuplicateTask { .. }
                | Self::TaskName { .. }
                | Self::Prediction { .. }
                | Self::Entry { .. }
                | Self::Expression { .. }
                | Self::TableEncodings { .. }
        )
    }
}

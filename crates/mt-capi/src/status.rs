//! What C sees of an error, and the kinds of tasks and columns.

/// `mt_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// A null pointer, a text that is not UTF-8, a column that is not there.
    BadArgument = 1,
    /// A bundle that cannot be loaded.
    BadBundle = 2,
    /// A bundle with other tasks or columns than the one whose place it was to take.
    OtherInterface = 3,
    /// A row that the model cannot read.
    BadRow = 4,
    /// Memory of the caller that is too small.
    TooSmall = 5,
    /// A prediction that could not be computed.
    Failed = 6,
    /// A mistake in this library.
    Panic = 7,
}

/// `mt_task_kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum TaskKind {
    /// No such task.
    None = 0,
    /// The probability of the positive class.
    Binary = 1,
    /// The probability of each class.
    Multiclass = 2,
    /// A number.
    Regression = 3,
}

/// `mt_column_kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum ColumnKind {
    /// No such column.
    None = 0,
    /// A number.
    Number = 1,
    /// A value whose text counts: it is looked up, or an input is computed of it.
    Value = 2,
    /// Several such values.
    List = 3,
}

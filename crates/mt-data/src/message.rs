//! Parts of error messages: positions in files.

use std::fmt;
use std::path::PathBuf;

/// A position in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a text file; prints as `path:line:column`.
    Text {
        /// The file.
        path: PathBuf,
        /// Line, from 1; a header is line 1.
        line: u64,
        /// Byte column within the line, from 1.
        column: u64,
    },
    /// In a file of typed columns; prints as `path: row 7`.
    Row {
        /// The file.
        path: PathBuf,
        /// Row, from 1.
        row: u64,
    },
}

impl Place {
    /// The record `record` in brackets, for a message, where a position does not name it already.
    pub(crate) fn record(&self, record: u64) -> String {
        match self {
            Place::Text { .. } => format!(" (record {record})"),
            Place::Row { .. } => String::new(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Text { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Place::Row { path, row } => write!(f, "{}: row {row}", path.display()),
        }
    }
}

/// The other width that a record may have.
pub(crate) fn or_without(labels: Option<usize>) -> String {
    labels.map_or(String::new(), |width| format!(", or {width} without labels"))
}

/// A line that cannot be split; prints as `path:line:column: problem`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadLine {
    /// The file.
    pub path: PathBuf,
    /// The line, as `\n` ends them, from 1.
    pub line: u64,
    /// Byte of the line, from 1.
    pub column: u64,
    /// What is wrong there.
    pub problem: &'static str,
}

impl BadLine {
    /// That there is this `problem` at byte `column` of a line, both from 1.
    pub fn new(path: impl Into<PathBuf>, line: u64, column: u64, problem: &'static str) -> Self {
        Self { path: path.into(), line, column, problem }
    }
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BadLine { path, line, column, problem } = self;
        write!(f, "{}:{line}:{column}: {problem}", path.display())
    }
}

/// A text, of a long one its beginning.
pub(crate) fn short(text: &str) -> String {
    /// Characters shown.
    const SHOWN: usize = 120;
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

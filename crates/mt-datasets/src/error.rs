//! What can be wrong with settings of the generator and with raw files.

use std::io;
use std::path::PathBuf;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is outside its range.
    #[error("{key}: expected {expected}, found {found}")]
    Setting {
        /// The configuration key.
        key: &'static str,
        /// The range.
        expected: &'static str,
        /// The value.
        found: String,
    },
    /// More rows than a table has room for.
    #[error(transparent)]
    Table(#[from] mt_features::Error),
    /// A file could not be opened or read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system or the decoder of gzip said.
        source: io::Error,
    },
    /// What is made could not be written.
    #[error("{what}: cannot be written")]
    Write {
        /// The file, or what it holds.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A raw file is not of its data set.
    #[error("{}:{line}:{column}: {problem} (record {record})", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Byte of the line, from 1.
        column: u64,
        /// Record, from 1.
        record: u64,
        /// What was expected and what is there.
        problem: String,
    },
    /// There is nothing to convert.
    #[error("{name} would have no rows")]
    Empty {
        /// The file to be written.
        name: String,
    },
}

impl Error {
    /// Whether a setting is at fault, not a file.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Setting { .. })
    }
}

//! What can be wrong with a file, or with a path that should stand for one.

use std::io;
use std::path::PathBuf;

pub use crate::message::{BadPartition, NoFeature, NoFile};

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened or read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that this build cannot read.
    #[error("{0}")]
    NoFeature(NoFeature),
    /// A pattern or a folder holds no data file.
    #[error("no file matches \"{pattern}\"")]
    NoMatch {
        /// As written in the configuration.
        pattern: String,
    },
    /// What a folder or a pattern leads to is no file.
    #[error("{0}")]
    NoFile(NoFile),
    /// Files are in folders `key=value` that make no columns of them.
    #[error("{0}")]
    Partition(BadPartition),
    /// A pattern is no valid glob.
    #[error("\"{pattern}\" is no valid file pattern")]
    Pattern {
        /// As written in the configuration.
        pattern: String,
        /// What is wrong with it.
        source: glob::PatternError,
    },
}

impl Error {
    /// Whether the configuration is at fault, not a file.
    pub fn is_usage(&self) -> bool {
        matches!(self, Error::Pattern { .. })
    }
}

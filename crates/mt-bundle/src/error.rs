//! What can go wrong in this crate.

use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A network that cannot be built, or rows that it cannot read.
    #[error(transparent)]
    Model(#[from] mt_models::Error),
    /// A file of a bundle or checkpoint that is missing or damaged.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file or folder that cannot be read or written.
    #[error("{path}: cannot {action}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A folder to be written that is there already.
    #[error("{path} already exists; choose another folder or remove it")]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A bundle that changes cannot rest on.
    #[error("{path}: {problem}")]
    Base {
        /// The folder.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// A JSON value that no column can have.
    #[error("column {column:?}: expected a number, a text, a list of these or null, found {found}")]
    Json {
        /// The column.
        column: String,
        /// What is there.
        found: String,
    },
    /// Raw rows that the model cannot read. Boxed, as every function that may fail carries the largest error.
    #[error(transparent)]
    Features(Box<mt_features::Error>),
    /// A tensor operation failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl From<mt_features::Error> for Error {
    fn from(error: mt_features::Error) -> Self {
        Self::Features(Box::new(error))
    }
}

impl Error {
    /// Whether a configuration or a folder that was named is at fault.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Model(error) => error.is_usage(),
            Self::Exists { .. } | Self::Base { .. } => true,
            _ => false,
        }
    }
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

//! What can go wrong before anything is served.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No model to serve.
    #[error(
        "{path}: no bundle to serve; expected folders NAME/VERSION with a bundle each, VERSION a whole number"
    )]
    NoModel {
        /// The folder that was looked into.
        path: PathBuf,
    },
    /// A name that cannot stand in a path.
    #[error("{name:?} is no name of a model: expected letters, digits, `.`, `_` and `-`, the first no `.`")]
    Name {
        /// The name.
        name: String,
    },
    /// Two sources of one name.
    #[error("two bundles are named {name:?}; say --bundle NAME=DIR to name them")]
    Twice {
        /// The name.
        name: String,
    },
    /// A bundle that cannot be loaded.
    #[error("model {name:?}")]
    Model {
        /// Its name.
        name: String,
        /// Why. Boxed, as every result carries the largest error.
        source: Box<mt_bundle::Error>,
    },
    /// A folder that cannot be read.
    #[error("{path}: cannot look for bundles")]
    Look {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A score that the model cannot be given.
    #[error("the final score of model {name:?}")]
    Score {
        /// The model.
        name: String,
        /// What is wrong with the formula.
        source: mt_features::FormulaError,
    },
    /// A certificate, key or token that cannot be used.
    #[error("{path}: {problem}")]
    Secret {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A token that cannot be one.
    #[error("{problem}")]
    Token {
        /// Why.
        problem: String,
    },
    /// An address that cannot be listened at.
    #[error("cannot listen at {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Threads that cannot be started.
    #[error("cannot start threads")]
    Threads(#[source] std::io::Error),
}

impl Error {
    /// Whether what was typed is at fault.
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Threads(_))
    }
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

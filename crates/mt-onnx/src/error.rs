//! What can go wrong in this crate.

use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that two values of the graph would have.
    #[error("{name:?} names two values of the graph: inputs, outputs and parameters share their names")]
    Name {
        /// The name.
        name: String,
    },
    /// A table that grew: which row a value has, only the table itself knows.
    #[error(
        "table {table:?} grows (data.fields[].encode: growing), which an ONNX graph cannot look up; export a bundle"
    )]
    Growing {
        /// The table.
        table: String,
    },
    /// A list whose values are read one by one, where the graph is to read pooled embeddings.
    #[error(
        "field {field:?} is pooled with attention, which needs its table in the graph: export with the tables"
    )]
    Attention {
        /// The field.
        field: String,
    },
    /// A file that cannot be written.
    #[error("{path}: cannot write the file")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A model that cannot be read, or a folder that cannot be written.
    #[error(transparent)]
    Model(#[from] mt_models::Error),
    /// A trained model that cannot be read.
    #[error(transparent)]
    Bundle(#[from] mt_bundle::Error),
    /// A tensor operation failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl Error {
    /// Whether a configuration or a folder that was named is at fault.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Name { .. } | Self::Growing { .. } | Self::Attention { .. } => true,
            Self::Model(error) => error.is_usage(),
            Self::Bundle(error) => error.is_usage(),
            _ => false,
        }
    }
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

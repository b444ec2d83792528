//! What can go wrong in this crate.

use std::path::PathBuf;

use crate::status::Status;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    /// A pointer that must lead somewhere.
    #[error("{argument}: expected a pointer, found null")]
    Null {
        /// The function's argument.
        argument: &'static str,
    },
    /// A text in another encoding.
    #[error("{argument}: expected UTF-8")]
    Utf8 {
        /// The function's argument.
        argument: &'static str,
    },
    /// More than memory can hold, such as -1 as a length.
    #[error("{argument}: expected a length, found {found}")]
    Length {
        /// The function's argument.
        argument: &'static str,
        /// The length.
        found: usize,
    },
    /// A column that is not there.
    #[error("column {column}: expected less than {columns}")]
    Column {
        /// The column.
        column: usize,
        /// How many there are.
        columns: usize,
    },
    /// A column that is not there, by its name.
    #[error(transparent)]
    Name(mt_features::Error),
    /// A folder that is no bundle.
    #[error("{path}: is no bundle; `mt export` makes one of a run")]
    NoBundle {
        /// The folder.
        path: PathBuf,
    },
    /// A bundle that cannot be loaded.
    #[error(transparent)]
    Bundle(mt_bundle::Error),
    /// A name that C cannot read.
    #[error("{path}: the name {name:?} has a zero in it")]
    Zero {
        /// The bundle.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// A bundle that cannot take the place of another.
    #[error("{path}: expected {what} {expected}, as the bundle served has, found {found}")]
    Interface {
        /// The bundle.
        path: PathBuf,
        /// Which part of the interface.
        what: String,
        /// As it is served.
        expected: String,
        /// As it is there.
        found: String,
    },
    /// A row that the model cannot read.
    #[error(transparent)]
    Row(mt_features::Error),
    /// A prediction in the middle of a row.
    #[error("row {row} is not finished: mt_rows_add ends it")]
    Unfinished {
        /// The row, from 0.
        row: usize,
    },
    /// Memory that is too small.
    #[error("{argument}: expected room for {expected} {unit}, found {found}")]
    TooSmall {
        /// The function's argument.
        argument: &'static str,
        /// How much is needed.
        expected: usize,
        /// Of what.
        unit: &'static str,
        /// How much there is.
        found: usize,
    },
    /// A prediction that could not be computed.
    #[error(transparent)]
    Predict(mt_bundle::Error),
    /// A mistake in this library.
    #[error("a mistake in mt_predict: {message}")]
    Panic {
        /// What the panic says.
        message: String,
    },
}

impl Error {
    /// What C sees of it.
    pub fn status(&self) -> Status {
        match self {
            Self::Null { .. } | Self::Utf8 { .. } | Self::Length { .. } => Status::BadArgument,
            Self::Column { .. } | Self::Name(_) => Status::BadArgument,
            Self::NoBundle { .. } | Self::Bundle(_) | Self::Zero { .. } => Status::BadBundle,
            Self::Interface { .. } => Status::OtherInterface,
            Self::Row(_) | Self::Unfinished { .. } => Status::BadRow,
            Self::TooSmall { .. } => Status::TooSmall,
            Self::Predict(_) => Status::Failed,
            Self::Panic { .. } => Status::Panic,
        }
    }

    /// What is wrong, with the causes.
    pub fn text(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text += &format!(": {error}");
            cause = error.source();
        }
        text
    }
}

/// Results of this crate.
pub(crate) type Result<T> = std::result::Result<T, Error>;

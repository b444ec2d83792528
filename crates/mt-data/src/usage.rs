//! Which errors are mistakes of a configuration.

use crate::error::Error;

impl Error {
    /// Whether the configuration is at fault, not a file or its content.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Features(error) => error.is_usage(),
            Self::Generator(error) => error.is_usage(),
            Self::Storage(error) => error.is_usage(),
            Self::LooksLikeHeader { .. }
            | Self::LooksLikeData { .. }
            | Self::UnknownColumn { .. }
            | Self::Unnamed { .. }
            | Self::ColumnOutOfRange { .. }
            | Self::LabelAmongFeatures { .. }
            | Self::DuplicateFeature { .. }
            | Self::NoFeatures { .. }
            | Self::SharedLabel { .. }
            | Self::Source { .. }
            | Self::NoLabel { .. }
            | Self::Setting { .. }
            | Self::ColumnInBoth { .. } => true,
            _ => false,
        }
    }
}

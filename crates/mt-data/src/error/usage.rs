//! Whose fault an error is.

use super::Error;

impl Error {
    /// Whether the configuration is at fault, not a file or its content.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Pattern { .. }
                | Self::LooksLikeHeader { .. }
                | Self::LooksLikeData { .. }
                | Self::UnknownColumn { .. }
                | Self::Unnamed { .. }
                | Self::ColumnOutOfRange { .. }
                | Self::LabelAmongFeatures { .. }
                | Self::DuplicateFeature { .. }
                | Self::NoFeatures { .. }
                | Self::SharedLabel { .. }
                | Self::NoTasks
                | Self::DuplicateTask { .. }
                | Self::TaskName { .. }
                | Self::Source { .. }
                | Self::NoLabel { .. }
                | Self::Setting { .. }
                | Self::Entry { .. }
                | Self::Expression { .. }
                | Self::TableEncodings { .. }
                | Self::ColumnInBoth { .. }
        )
    }
}

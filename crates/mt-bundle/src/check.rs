//! How the rows recorded with a bundle came out.

use std::fmt;

use serde::Serialize;

/// How the rows recorded with a bundle came out when it was loaded.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Check {
    /// To the bit.
    Exact,
    /// Within the rounding that another correct build may have.
    Rounded {
        /// The largest difference, as a share of the largest value that is recorded of the same prediction.
        difference: f64,
        /// What is allowed of it.
        allowed: f64,
        /// The instruction set the rows were recorded with.
        recorded: String,
        /// The one they were computed with now.
        here: String,
    },
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact => f.write_str("the recorded rows come out to the bit"),
            Self::Rounded { difference, allowed, recorded, here } => write!(
                f,
                "the recorded rows come out within rounding: they differ by {difference:.1e}, {allowed:.0e} is \
                 allowed (recorded on {recorded}, computed on {here})"
            ),
        }
    }
}

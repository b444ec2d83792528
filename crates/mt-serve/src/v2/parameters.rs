//! What a request may ask of an answer.

use serde::Deserialize;

/// The output with the final score.
pub(super) const SCORE: &str = "score";

/// Those parameters of a request or an output that mean something here.
#[derive(Default, Deserialize)]
pub(super) struct Parameters {
    pub binary_data_output: Option<bool>,
    pub binary_data: Option<bool>,
}

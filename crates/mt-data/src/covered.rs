//! How much of the rows of a data set its encoders and side tables know.

use mt_features::Coverage;
use serde::{Deserialize, Serialize};

/// How much of the rows of a data set is known. Rows that `data.split` or a fraction sets aside share the joins of the training
/// files.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Covered {
    /// Of the rows to train on.
    pub train: Coverage,
    /// Of those to choose the best epoch on.
    pub valid: Option<Coverage>,
    /// Of those for the final numbers.
    pub test: Option<Coverage>,
}

impl Covered {
    /// Where validation and test rows match less than those trained on, in words.
    pub fn warnings(&self) -> Vec<String> {
        let of = |what: &str, part: &Option<Coverage>| -> Vec<String> {
            let found = part.iter().flat_map(|part| part.warnings(&self.train));
            found.map(|warning| format!("{what} rows, {warning}")).collect()
        };
        [of("validation", &self.valid), of("test", &self.test)].concat()
    }
}

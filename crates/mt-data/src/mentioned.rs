//! Inputs that stand in an expression for a label too.

use serde::{Deserialize, Serialize};

/// An input that an expression for a label, a sample space or a weight names too. It was listed, as columns of expressions are
/// no features otherwise, and is none of the business of those who only predict: what such a column holds is mostly known
/// when the outcome is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mentioned {
    /// The column.
    pub input: String,
    /// The configuration key of the expression, for example `tasks.like.label`.
    pub key: String,
}

impl std::fmt::Display for Mentioned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Mentioned { input, key } = self;
        write!(f, "input \"{input}\" stands in {key} too; list it only if it is known before the outcome is")
    }
}

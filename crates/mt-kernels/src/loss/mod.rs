//! Losses of rows and their slopes.

mod batch;
mod kind;
mod ordinal;
mod rows;
mod term;
mod ziln;

pub use batch::losses_and_gradient;
pub use kind::LossKind;
pub use ordinal::ordinal_base;
pub use term::LossTerm;
pub use ziln::{HALF_LN_2_PI, LEAST_SIGMA, ziln_log_mean};

/// The constant of PaddleRec's log loss.
pub const PADDLEREC_EPSILON: f64 = 1e-4;

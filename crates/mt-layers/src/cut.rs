//! Where the graph of a model is cut in two, to take each task's gradient at what the tasks share.

use std::ops::Range;

use candle_core::{Tensor, Var};

/// A place where the graph is cut.
#[derive(Debug)]
pub(crate) struct Cut {
    /// As the lower part gave it.
    pub below: Tensor,
    /// As the upper part reads it.
    pub above: Var,
    /// Its columns that all tasks share.
    pub shared: Range<usize>,
}

//! Lists whose values are read one by one, and what reads them.

use std::sync::Arc;

use candle_core::Tensor;

/// The values of the lists of a batch, each a row: nothing is padded.
#[derive(Debug, Clone)]
pub struct Values {
    /// `(N, S)`, the list of one row after that of the one before.
    pub values: Tensor,
    /// `B + 1` positions among the rows of `values`: the list of row `b` is `offsets[b]..offsets[b + 1]`.
    pub offsets: Arc<[u32]>,
}

/// Columns that belong together: what a value says of one thing, and what the candidate says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// First column of the candidate's.
    pub query: usize,
    /// First column of the result.
    pub out: usize,
    /// How many of both, and of the values.
    pub width: usize,
}

/// What [`Attention`](crate::Attention) is made of.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    pub sides: Vec<Side>,
    /// Columns `S` of all sides.
    pub width: usize,
    /// Hidden units `H`.
    pub hidden: usize,
    /// `W` as four matrices `(S, H)`, of `q`, `k`, `q - k`, `q ⊙ k`; then `b`, `w`, `c`.
    pub parameters: [Tensor; 4],
}

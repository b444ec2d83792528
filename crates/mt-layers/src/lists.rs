//! Lists whose values are read one by one, and what reads them.

use std::sync::Arc;

use candle_core::{Result, Tensor};
use mt_kernels::attention::SelfAttention;

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

/// How a list is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttentionKind {
    /// By a local activation unit with so many hidden units.
    Activation {
        /// Hidden units `H`.
        hidden: usize,
    },
    /// By a block of self-attention.
    SelfAttention(SelfAttention),
}

/// What [`Attention`](crate::Attention) is made of.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    pub sides: Vec<Side>,
    /// Columns `S` of all sides.
    pub width: usize,
    pub kind: AttentionKind,
    /// Of an activation unit `W` as four matrices `(S, H)`, of `q`, `k`, `q - k`, `q ⊙ k`; then `b`, `w`, `c`. Of self-attention as
    /// [there](crate::self_attention).
    pub parameters: Vec<Tensor>,
}

impl Unit {
    /// The candidate's columns of `xs` `(B, D)`, those of all sides side by side: `(B, S)`.
    pub fn query(&self, xs: &Tensor) -> Result<Tensor> {
        let queries = self.sides.iter().map(|side| xs.narrow(1, side.query, side.width));
        Tensor::cat(&queries.collect::<Result<Vec<_>>>()?, 1)?.contiguous()
    }
}

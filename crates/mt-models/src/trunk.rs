//! What the four published networks have in common: input in, one stream a head out.

use std::ops::Range;

use candle_core::{Result, Tensor, bail};
use mt_layers::{Columns, Input, Read, Run};

/// The part of a model between its input and its towers.
///
/// Maps `(B, D)` to streams `(B, S·H)`: `S` streams of `H` columns, one for each head in order, or a single one that
/// all heads share. Most tasks have a head each, so papers say task; see [`mt_features::heads()`].
pub trait Trunk: std::fmt::Debug + Send + Sync {
    /// Runs the trunk. What its layers need to know of the pass is in `run`, which is handed on to each, and which is told what
    /// the tasks share ([`Run::tap`]).
    fn forward(&self, xs: &Input, run: &mut Run) -> Result<Tensor>;

    /// Columns `H` of a stream.
    fn width(&self) -> usize;
}

/// The sizes a trunk takes from the data.
#[derive(Debug, Clone, Copy)]
pub struct Sizes<'a> {
    /// Columns `D` of the input.
    pub inputs: usize,
    /// Names of the heads, in order.
    pub heads: &'a [&'a str],
}

impl Sizes<'_> {
    /// Refuses names that would make parameter names ambiguous.
    pub(crate) fn check(&self) -> Result<()> {
        if self.heads.is_empty() {
            bail!("a model needs at least one head")
        }
        for (i, head) in self.heads.iter().enumerate() {
            if *head == "shared" || head.contains('.') || head.is_empty() {
                bail!("a head cannot be named {head:?}: the name is part of parameter names")
            }
            if self.heads[..i].contains(head) {
                bail!("two heads are named {head:?}")
            }
        }
        Ok(())
    }
}

/// What the gate of a head reads: its columns where it has some, else `all` of its stream.
pub(crate) fn gate_read(columns: &[Option<Columns>], head: usize, all: &Range<usize>) -> Read {
    columns.get(head).cloned().flatten().map_or_else(|| all.clone().into(), Read::from)
}

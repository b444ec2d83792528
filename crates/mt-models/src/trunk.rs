//! What the four published networks have in common: input in, one stream a task out.

use std::ops::Range;

use candle_core::{Result, Tensor, bail};
use mt_layers::{Columns, Input, Read};

/// The part of a model between its input and its towers.
///
/// Maps `(B, D)` to streams `(B, S·H)`: `S` streams of `H` columns, one for each task in order, or a single one that
/// all tasks share.
pub trait Trunk: std::fmt::Debug + Send + Sync {
    /// Runs the trunk.
    fn forward(&self, xs: &Input) -> Result<Tensor>;

    /// Columns `H` of a stream.
    fn width(&self) -> usize;
}

/// The sizes a trunk takes from the data.
#[derive(Debug, Clone, Copy)]
pub struct Sizes<'a> {
    /// Columns `D` of the input.
    pub inputs: usize,
    /// Names of the tasks, in order.
    pub tasks: &'a [&'a str],
}

impl Sizes<'_> {
    /// Refuses task sets that would make parameter names ambiguous.
    pub(crate) fn check(&self) -> Result<()> {
        if self.tasks.is_empty() {
            bail!("a model needs at least one task")
        }
        for (i, task) in self.tasks.iter().enumerate() {
            if *task == "shared" || task.contains('.') || task.is_empty() {
                bail!("a task cannot be named {task:?}: the name is part of parameter names")
            }
            if self.tasks[..i].contains(task) {
                bail!("two tasks are named {task:?}")
            }
        }
        Ok(())
    }
}

/// What the gate of a task reads: its columns where it has some, else `all` of its stream.
pub(crate) fn gate_read(columns: &[Option<Columns>], task: usize, all: &Range<usize>) -> Read {
    columns.get(task).cloned().flatten().map_or_else(|| all.clone().into(), Read::from)
}

//! Operations on the CPU with hand-written backward passes, and how they reach candle's buffers.
//!
//! Each is used when all of its parameters either need no gradient (inference) or have a gradient slot
//! ([`crate::Params::backward`]); otherwise the plain candle composition beside it runs. Work is split over rows or
//! over weight rows so that every sum has one fixed order: results do not depend on the number of threads.

#![allow(clippy::needless_range_loop, reason = "kernels count indices, see `kernel!`")]

pub(crate) mod affine;
pub(crate) mod attention;
pub(crate) mod block;
mod buffer;
pub(crate) mod by_task;
mod delta;
mod dense;
pub(crate) mod gated;
mod levels;
mod list;
pub(crate) mod loss;
mod loss_rows;
mod matmul;
pub(crate) mod mixture;
pub(crate) mod normal;
pub(crate) mod operation;
mod packed;
mod panels;
mod parameter;
mod reading;
mod rows;
pub(crate) mod scratch;
mod self_attention;
mod sparse;
pub(crate) mod stack;
#[cfg_attr(not(all(target_arch = "x86_64", target_os = "linux")), path = "no_tiles.rs")]
pub(crate) mod tiles;
pub(crate) mod towers;
mod values;

pub(crate) use buffer::{buffer, written};
pub(crate) use parameter::{Parameter, parameters};
pub(crate) use values::{add_values, readable, slice, with_all, with_values};

/// Rows a task of a parallel loop handles; fixed, so that partial sums do not depend on the thread count.
pub(crate) const CHUNK: usize = 128;

/// Multiply-adds below which waking a second thread costs more than it saves.
pub(crate) const PARALLEL: usize = 1 << 18;

/// Chunks that a thread takes at least: all of them where a second thread would not pay.
fn least(parallel: bool) -> usize {
    if parallel { 1 } else { usize::MAX }
}

/// Two zipped slices of a chunk of rows, read by one task of a parallel loop.
pub(crate) type Pair<'a> = (&'a [f32], &'a [f32]);

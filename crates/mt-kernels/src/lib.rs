//! Arithmetic of multi-task ranking models on slices: what a fused layer computes, and its backward pass. No tensor, no graph.
//!
//! | module | what |
//! |---|---|
//! | [`simd`], [`kernel!`] | run-time choice of the instruction set; `exp`, `ln`, `sigmoid` of which no platform decides a bit |
//! | [`rows`] | the rows of an input, sparse or dense |
//! | [`affine`], [`Piece`] | several affine maps side by side: entry by entry, as small products, as large ones, on the tile unit |
//! | [`normal`] | layer normalisation |
//! | [`mixture`] | softmax gates that mix experts |
//! | [`levels`] | the towers of all tasks, level by level |
//! | [`attention`] | attention of a candidate over one list |
//! | [`loss`] | losses of rows and their slopes |
//! | [`by_task`] | inner products and sums of the tasks' gradients |
//! | [`blocks`] | rows of embeddings, in blocks of a fixed width |
//! | [`buffer`](mod@buffer), [`scratch`](mod@scratch), [`InputGradient`] | memory that is cleared by several threads, or used again |
//!
//! Work is split over rows in chunks of [`CHUNK`], or over weight rows, so that every sum has one order: results do not depend on the
//! number of threads.

#![allow(clippy::needless_range_loop, reason = "kernels count indices, see `kernel!`")]

pub mod affine;
pub mod attention;
pub mod blocks;
pub mod buffer;
pub mod by_task;
mod chunks;
pub mod counter;
mod dense;
mod input_gradient;
pub mod levels;
pub mod loss;
mod matmul;
mod matrix;
pub mod mixture;
pub mod normal;
mod packed;
mod panels;
mod piece;
pub mod rows;
pub mod scratch;
pub mod simd;
mod sparse;
#[cfg_attr(not(all(target_arch = "x86_64", target_os = "linux")), path = "no_tiles.rs")]
mod tiles;

#[doc(hidden)]
pub use pulp;

pub use chunks::{CHUNK, PARALLEL, SHARED, least};
pub use input_gradient::InputGradient;
pub use piece::Piece;

/// The example of this crate's page, compiled as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Attention of a candidate over the lists of its row, a chunk of rows at a time.

mod activation;
mod block;
mod reading;
mod self_attention;

pub use activation::Kept;
pub use block::{Block, Newest, SelfAttention};
pub use reading::{Reading, Rows, ToRows};

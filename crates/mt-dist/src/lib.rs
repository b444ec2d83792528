//! Several processes that compute one result, the same to the bit for any number of them.
//!
//! A [`Collective`] moves bytes between the ranks of a group and adds nothing: [`Solo`] is one rank, [`Threads`] are ranks in
//! one process, [`Mpi`] ranks that are processes, on any number of machines; [`open()`] is what a process should begin with. The sums are a [`Tree`] over [`Shards`], whose number is fixed however many ranks share them.
//!
//! ```
//! use mt_dist::{Shards, Tree};
//!
//! let shards = Shards::new(8)?;
//! let sum = |left: f32, right: f32| left + right;
//! let root = |ranks: usize| {
//!     let mut nodes = Vec::new();
//!     for rank in 0..ranks {
//!         let mut tree = Tree::new(shards, shards.of(rank, ranks));
//!         // Each shard has a term, but for the last: a short batch.
//!         for shard in tree.range().filter(|&shard| shard != 7) {
//!             tree.push(shard, 0.1 * shard as f32, sum)?;
//!         }
//!         // What a rank cannot add up alone; between processes, a `gather` makes it known to all.
//!         nodes.extend(tree.into_nodes(sum));
//!     }
//!     Tree::root(shards, nodes, sum)
//! };
//! let alone = root(1)?.expect("there are terms");
//! for ranks in 2..10 {
//!     assert_eq!(root(ranks)?.map(f32::to_bits), Some(alone.to_bits()));
//! }
//! # Ok::<(), mt_dist::Error>(())
//! ```

mod agree;
mod call;
mod collective;
mod cut;
pub mod error;
mod launcher;
mod message;
mod mix;
mod mpi;
mod open;
mod shards;
mod solo;
mod threads;
mod tree;

pub use agree::agree;
pub use collective::Collective;
pub use cut::slice;
pub use error::{Error, Result};
pub use launcher::{Launcher, launcher};
pub use message::{Message, Reader};
pub use mix::mix;
pub use mpi::Mpi;
pub use open::open;
pub use shards::Shards;
pub use solo::Solo;
pub use threads::Threads;
pub use tree::{Node, Tree};

/// The example of this crate's page, compiled as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

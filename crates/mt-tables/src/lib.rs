//! Embedding tables outside of candle's autograd: a step costs what its batch looks up, not what the table holds.
//!
//! candle's gradient of a table is as large as the table, and its optimizers pass over all of it. Here a table is
//! host memory of our own. [`Embeddings::forward`] pools the rows of a batch into one tensor that takes part in
//! autograd; its gradient is summed up for each distinct row; [`Embeddings::step`] updates those rows.
//!
//! ```
//! use mt_layers::Params;
//! use mt_tables::{Embeddings, Field, Ids, Pooling, TableConfig};
//! let tables = [("items", TableConfig::new(1_000_000, 16))];
//! let field = |name: &str| Field { name: name.into(), table: "items".into(), pooling: Pooling::Mean };
//! let embeddings = Embeddings::new(tables, vec![field("item"), field("history")], 42)?;
//! let history = Ids { offsets: Some(vec![0, 2, 2]), rows: vec![7, 8], ..Ids::default() };
//! let ids = vec![Ids::single(vec![7, 999_999]), history];
//! Params::new(42).backward(|run| embeddings.forward(ids, None, run)?.sqr()?.sum_all())?;
//! embeddings.step(|_| 0.01);
//! # Ok::<(), mt_tables::Error>(())
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`Embeddings`] | tables that are trained |
//! | [`FrozenEmbeddings`] | tables for prediction, read from the bytes of a file |
//! | [`TableConfig`], [`RowOptimizer`], [`Growth`], [`Storage`] | how large a table is, how its rows are updated, whether they belong to keys, how its values are kept |
//! | [`Field`], [`Pooling`], [`Ids`], [`Sequence`] | what looks tables up, and as what: pooled, or value by value |
//! | [`pack_tables`], [`unpack_tables`] | the trained rows, as a bundle keeps them |

#![allow(clippy::needless_range_loop, reason = "kernels count indices, see `kernel!`")]

mod assemble;
mod buckets;
mod changes;
mod config;
mod distinct;
mod embeddings;
mod error;
mod exchange;
mod fetched;
mod field;
mod find_keys;
mod frozen;
mod gather;
mod growing;
mod growth;
mod ids;
mod key_index;
mod lookup;
mod optimizer;
mod owned;
mod pack;
mod part;
mod placed;
mod prefetch;
mod ranks;
mod records;
mod rounding;
mod rules;
mod saved;
mod saved_keys;
mod scatter;
mod sequence;
mod shared;
mod sighted;
mod start;
mod state;
mod storage;
mod table;
mod trained;

pub use changes::{changed_rows, with_changed_rows};
pub use config::TableConfig;
pub use embeddings::{Embeddings, RowGradient};
pub use error::Error;
pub use exchange::TableGradients;
pub use field::{Field, Pooling};
pub use frozen::{Bytes, FrozenEmbeddings};
pub use growth::{Growth, TableSize};
pub use ids::{Ids, Keys};
pub use optimizer::RowOptimizer;
pub use pack::{TableFormat, pack_tables, unpack_tables};
pub use ranks::Share;
pub use saved::SavedTensor;
pub use sequence::Sequence;
pub use storage::Storage;

/// The example of this crate's page, compiled as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

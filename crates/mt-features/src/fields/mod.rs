//! Categorical and multi-valued columns: from the text of a cell to rows of an embedding table.
//!
//! Every table has the same first rows, then its known values:
//!
//! | row | stands for |
//! |---|---|
//! | 0 ([`UNKNOWN`]) | a value that is not in the vocabulary, or beyond `identity` |
//! | 1 ([`MISSING`]) | an empty cell, or one of the texts in `data.csv.missing` |
//! | 2 ([`KNOWN`]) and up | the known values |
//!
//! In a table that grows, rows from 2 on are numbers of keys in a list beside them ([`Ids::keys`]); which row a key has
//! follows from training, not from the data.
//!
//! Values are compared by their bytes, without blanks around them: `7` and `7.0` are two values, and no identifier
//! is rounded, however large.

pub(crate) mod attention;
mod config;
mod encode;
mod encoder;
mod fit;
mod ids;
mod interner;
mod keys;
mod pooling;
mod values;
mod vocabulary;

pub use attention::{Attention, PARALLEL};
pub use config::agreed;
pub use config::{FieldConfig, SEPARATOR};
pub use config::{check_attention, default_name, separates, separator_of, tables};
pub use encode::Encoding;
pub use encoder::Coder;
pub use encoder::{Encoder, Encoders, TableEncoder};
pub use fit::{Counts, Recoding, coders, fit, fitted, recoding};
pub use ids::Ids;
pub(crate) use ids::grow;
pub use interner::Interner;
pub use keys::Growing;
pub(crate) use keys::Numbering;
pub use pooling::Pooling;
pub use values::{FieldCoder, Memo};
pub use vocabulary::Vocabulary;

/// Row of values that are not known.
pub const UNKNOWN: u32 = 0;
/// Row of missing values.
pub const MISSING: u32 = 1;
/// Row of the first known value.
pub const KNOWN: u32 = 2;

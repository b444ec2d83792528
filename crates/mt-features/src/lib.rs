//! Features of multi-task ranking models: from raw values to the rows that a model reads, by the same code when it is trained and
//! when it is served.
//!
//! A [`Schema`] names numeric columns, [`fields`] and tasks, and knows the [`Head`]s that a network computes for these;
//! [`expression`]s compute columns of others; what a value is as a number, as an identifier and as nothing is said by [`Value`]
//! and [`MissingPolicy`]. [`Encoders`] and a [`Normalizer`] are fitted on a [`Table`] of rows, and a [`RowEncoder`] applies
//! them to what a caller has: see [`RawRows`]. Files are no matter of this crate: `mt-data` reads them.
//!
//! ```
//! use std::sync::Arc;
//! use mt_features::{Encoders, Layout, MissingPolicy, Normalizer, RawRows, RowEncoder, Schema};
//!
//! let schema = Schema { numeric: vec!["age".into(), "clicks".into()], ..Schema::default() };
//! let normalizer = Normalizer::identity(2, Layout::Dense);
//! let encoder = RowEncoder::new(&schema, &Encoders::default(), &normalizer, &MissingPolicy::default())?;
//! let mut rows = RawRows::new(Arc::new(encoder));
//! rows.push([("age", 31.5.into()), ("clicks", "17".into())])?;
//! assert_eq!(rows.len(), 1);
//! # Ok::<(), mt_features::Error>(())
//! ```

mod batch;
mod batches;
mod column;
mod computed;
mod coverage;
mod differences;
mod epoch;
pub mod error;
pub mod expression;
pub mod fields;
mod fitted;
pub mod gather;
mod head;
mod identity;
mod log1p;
mod message;
mod missing;
mod moment;
mod normalize;
mod normalizer_fit;
pub mod number;
mod product;
mod raw;
mod rows;
mod schema;
mod shuffle;
mod split;
mod stats;
mod table;
mod task;
mod value;

pub use batch::Batch;
pub use batches::Batches;
pub use column::ColumnRef;
pub use computed::Computed;
pub use coverage::{Coverage, FieldCoverage, JoinCoverage};
pub use epoch::Unit;
pub use error::{Error, Result};
pub use expression::{Formula, FormulaError};
pub use fields::{Attention, Encoder, Encoders, Encoding, FieldConfig, Growing, Ids, Pooling};
pub use fitted::{Fit, Fitted};
pub use head::{Head, heads, logit_columns, loss_columns, nearly_tasks, predicted};
pub use identity::{Digest, Identity, RowSet, RowSetBuilder};
pub use missing::{Missing, MissingPolicy, NumericMissing};
pub use moment::Moment;
pub use normalize::{Normalize, Normalizer, Rounded, Scaling};
pub use normalizer_fit::NormalizerFit;
pub use product::Product;
pub use raw::{Column, RawRows, RowEncoder};
pub use rows::{DenseRows, Layout, Numeric, SparseRows};
pub use schema::{Field, Keep, List, Schema};
pub use shuffle::permutation;
pub use split::{split, split_parts};
pub use stats::{ColumnStats, NamedColumn, Stats, TaskStats};
pub use table::Table;
pub use task::{LabelRule, Task, TaskConfig, TaskKind, imputed_problem, tasks};
pub use value::Value;

/// The example of this crate's page, compiled as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Data path of multi-task ranking models: schema, reader of text and Parquet files, batches, normalisation, splits, synthetic data.
//!
//! In the order in which a row passes through: a [`DataConfig`] says where rows come from; [`TableReader`]
//! parses text and reads columns, [`synth`] makes rows up; [`split()`] sets some aside; [`Normalizer`] scales the columns of the
//! resulting [`Table`]s, [`Encoders`] turn [`fields`] into rows of embedding tables; [`Dataset::load`] does all of that; [`permutation`] and [`Batches`] then hand out a
//! [`Batch`] at a time.
//!
//! ```
//! use mt_data::{Batches, ColumnRef, DataConfig, Dataset, TaskConfig, permutation, synth::SynthConfig};
//!
//! let data = DataConfig::synthetic(SynthConfig { rows: 1000, ..SynthConfig::default() });
//! let task = |name: &str| TaskConfig::new(name, ColumnRef::Name(name.to_owned()));
//! let dataset = Dataset::load(&data, &[task("completion"), task("like")], &|_| ())?;
//!
//! let order = permutation(dataset.train.len() as u32, 1, 0);
//! let rows: usize = Batches::new(&dataset.train, &order, 32).map(|batch| batch.rows()).sum();
//! assert_eq!(rows, 800); // 100 are set aside for validation, 100 for the test
//! # Ok::<(), mt_data::Error>(())
//! ```

mod batch;
mod batches;
pub mod census;
mod choice;
mod computed;
pub mod config;
mod coverage;
mod dataset;
mod differences;
mod epoch;
pub mod error;
mod expression;
pub mod fields;
mod files;
mod fitted;
mod gather;
mod identity;
mod leaks;
mod log1p;
mod memory;
mod message;
mod missing;
mod moment;
mod normalize;
mod number;
mod profile;
mod raw;
mod reader;
mod rows;
mod schema;
mod shuffle;
#[cfg(feature = "parquet")]
mod source;
mod split;
mod stats;
mod storage;
pub mod synth;
mod table;
mod task;
#[cfg(feature = "testing")]
pub mod testing;
mod usage;
mod value;
mod writer;

#[cfg(feature = "parquet")]
pub use arrow_array;
#[cfg(feature = "parquet")]
pub use arrow_schema;
#[cfg(feature = "objects")]
pub use object_store;

pub use batch::Batch;
pub use batches::Batches;
pub use computed::{Computed, NumberConfig};
pub use config::{BadRecords, ColumnRef, CsvConfig, DataConfig, Features, Paths};
pub use config::{JoinConfig, JoinMissing, NumericMissing, SplitConfig, TaskConfig};
pub use coverage::{Coverage, FieldCoverage, JoinCoverage};
pub use dataset::{Covered, Dataset, Progress};
pub use epoch::Unit;
pub use error::{Error, Result};
pub use expression::{Formula, FormulaError};
pub use fields::{Encoder, Encoders, Encoding, FieldConfig, Growing, Ids, Pooling};
pub use files::ParquetConfig;
pub use fitted::{Fit, Fitted};
pub use identity::{Digest, Identity, RowSet};
pub use leaks::{Evidence, Leak, Mentioned, leaks};
pub use memory::{gigabytes, physical_memory};
pub use normalize::{Normalize, Normalizer, Scaling};
pub use profile::{ColumnProfile, Kind, ListLengths, NoNumbers, NumberRange, Profile, Sample};
pub use raw::{Column, MissingPolicy, RawRows, RowEncoder};
pub use reader::{Kept, KeptColumns, KeptForm, Labels, Records, Skipped, TableReader};
pub use rows::{DenseRows, Layout, Numeric, SparseRows};
pub use schema::{Field, Keep, List, Schema, Task, TaskKind, tasks};
pub use shuffle::permutation;
#[cfg(feature = "parquet")]
pub use source::{Part, RecordBatches, Source};
pub use split::split;
pub use stats::{ColumnStats, NamedColumn, Stats, TaskStats};
pub use storage::{Storage, Version};
pub use table::Table;
pub use task::LabelRange;
pub use value::Value;
pub use writer::{EncodedRows, FileFormat, Output, RowWriter};

/// The example of this crate's page, compiled as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Data sets of multi-task ranking models: from files, objects and sources to tables of rows.
//!
//! A [`DataConfig`] says where rows come from: text, Parquet or Arrow files, objects, a `Source` of one's own, the generator of
//! `mt-datasets`. [`TableReader`] reads them as [`Table`](mt_features::Table)s, and [`Dataset::load`] all of a data set, with what is
//! fitted on its training rows: `mt-features` has what rows, encoders and normalisers are.
//!
//! ```
//! use mt_data::{DataConfig, Dataset};
//! use mt_datasets::synth::SynthConfig;
//! use mt_features::{Batches, ColumnRef, TaskConfig, permutation};
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

mod cache;
pub mod config;
mod covered;
mod dataset;
pub mod error;
mod fitting;
mod generated;
mod memory;
mod mentioned;
mod message;
mod progress;
mod reader;
mod rows;
#[cfg(feature = "testing")]
pub mod testing;
mod usage;
mod writer;

pub use mt_storage;
#[cfg(feature = "objects")]
pub use mt_storage::object_store;
#[cfg(feature = "parquet")]
pub use mt_storage::{Part, RecordBatches, Source, arrow_array, arrow_schema};
pub use mt_storage::{Paths, Storage, Version};

pub use cache::{Cached, Drawn};
pub use config::{
    BadRecords, CacheConfig, CsvConfig, DataConfig, Features, JoinConfig, JoinList, JoinMissing, Memory,
    ParquetConfig, SplitConfig,
};
pub use covered::Covered;
pub use dataset::Dataset;
pub use error::{Error, Result};
pub use memory::{gigabytes, physical_memory};
pub use mentioned::Mentioned;
pub use progress::Progress;
pub use reader::scan;
pub use reader::{Kept, KeptColumns, KeptForm, Labels, Records, Skipped, TableReader};
pub use rows::Rows;
pub use writer::{EncodedRows, FileFormat, Output, RowWriter};

/// The example of this crate's page, compiled as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

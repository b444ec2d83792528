//! Where the rows of a data set lie: on this machine, in an object store, on standard input, with a caller.
//!
//! All that is read of a data set (rows, side tables, lists of names, text or Parquet, compressed or not) comes through a
//! [`Storage`]. A path is a file of this machine, `-` for standard input, or, with the feature `objects`, a URL:
//! `s3://bucket/train/`, `gs://`, `az://`, `https://`. With the feature `arrow` a `Source` stands behind a URL, which has rows of
//! its own.
//!
//! ```
//! use mt_storage::{Format, Storage};
//!
//! let storage = Storage::default();
//! assert_eq!(storage.expand(&"-".into())?, [std::path::Path::new("-")]);
//! assert_eq!(storage.format("log.parquet".as_ref())?, Format::Parquet);
//! # Ok::<(), mt_storage::Error>(())
//! ```

#[cfg(any(feature = "objects", feature = "arrow"))]
mod by_url;
#[cfg(feature = "objects")]
mod download;
pub mod error;
mod format;
mod local;
mod message;
#[cfg(feature = "objects")]
mod object;
#[cfg(feature = "objects")]
mod objects;
mod partition;
#[cfg(feature = "objects")]
mod parts;
mod paths;
#[cfg(feature = "arrow")]
mod source;
#[cfg(feature = "arrow")]
mod sources;
mod storage;
mod store;

#[cfg(feature = "arrow")]
pub use arrow_array;
#[cfg(feature = "arrow")]
pub use arrow_schema;
#[cfg(feature = "objects")]
pub use object_store;

pub use error::{Error, Result};
pub use format::Format;
pub use partition::Partition;
pub use paths::Paths;
#[cfg(feature = "arrow")]
pub use source::{Part, RecordBatches, Source};
pub use storage::Storage;
pub use store::{ReadAt, Version};

/// The example of this crate's page, compiled as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

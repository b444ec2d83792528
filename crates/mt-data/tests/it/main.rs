//! The public interface of `mt-data`, tested from outside.

#[cfg(feature = "parquet")]
mod arrow;
mod cached;
mod census;
mod computed;
mod computed_errors;
mod dataset;
mod errors;
mod fields;
mod generated;
mod hops;
mod joins;
mod keys;
mod labels;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "parquet")]
mod parquet_codes;
#[cfg(feature = "parquet")]
mod parquet_errors;
#[cfg(feature = "parquet")]
#[path = "../../src/testing.rs"]
mod parquet_writer;
mod partitions;
#[cfg(feature = "parquet")]
mod precise;
mod property;
mod raw;
mod reading;
mod real;
#[cfg(feature = "parquet")]
mod sources;
mod splits;
#[cfg(feature = "objects")]
mod storage;
mod support;
mod tasks;
mod text;
mod typed;
#[cfg(feature = "parquet")]
mod writing;
mod yaml;

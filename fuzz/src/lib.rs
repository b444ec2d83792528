//! Functions that take any bytes and must neither panic nor hang nor use much memory. Each says whether the bytes are
//! what it reads; those in `seeds/` are.
//!
//! The fuzzer calls them (`fuzz_targets/`), and so does a test of `xtask`, with seeds and seeded mutations.

mod bundle;
mod config;
mod expression;
mod request;
mod rows;

pub use bundle::bundle;
pub use config::config;
pub use expression::expression;
pub use request::request;
pub use rows::{arrow, csv, parquet};

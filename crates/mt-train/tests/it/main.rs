//! Tests of the public API.
#![allow(missing_docs)]

mod balance;
mod config;
#[cfg(feature = "cuda")]
mod cuda;
mod docs;
mod fields;
mod golden;
mod labels;
mod training;

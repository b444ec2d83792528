//! Tests of the public API.
#![allow(missing_docs)]

mod balance;
mod config;
mod control;
#[cfg(feature = "cuda")]
mod cuda;
mod docs;
mod fields;
mod golden;
mod growing;
mod health;
mod labels;
mod training;
mod warm_start;

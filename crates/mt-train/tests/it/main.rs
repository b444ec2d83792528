//! Tests of the public API.
#![allow(missing_docs)]

mod config;
mod golden;
mod training;

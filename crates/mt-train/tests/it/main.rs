//! Tests of the public API.
#![allow(missing_docs)]

mod config;
mod docs;
mod golden;
mod training;

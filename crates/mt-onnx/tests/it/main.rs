//! Tests of the public API.
#![allow(missing_docs)]

mod folder;
mod model;
mod rows;
mod runtime;

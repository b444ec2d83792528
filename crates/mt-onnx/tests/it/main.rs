//! Tests of the public API.
#![allow(missing_docs)]

mod folder;
mod model;
mod own;
mod rows;
mod runtime;

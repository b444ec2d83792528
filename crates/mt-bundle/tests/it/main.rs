//! Tests of the public API.
#![allow(missing_docs)]

mod bundle;
mod bundle_columns;
mod bundle_damage;
mod checkpoint;
mod delta;

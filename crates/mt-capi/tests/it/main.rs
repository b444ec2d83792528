//! Tests of the library as C sees it.
#![allow(missing_docs)]

mod allocation;
#[path = "../../../mt-serve/tests/it/bundles.rs"]
mod bundles;
mod c;
mod errors;
mod example;
mod header;
mod swapping;

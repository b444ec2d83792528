//! Tests of the library as C sees it.
#![allow(missing_docs)]

mod allocation;
#[path = "../../src/testing.rs"]
mod c;
mod computed;
mod errors;
mod example;
mod header;
mod swapping;

use mt_bundle::testing as bundles;
// What `c` takes from its crate.
use mt_predict::{Failure, Handle, Rows, Status, exports};

//! Tests of the public API, through a listening server.
#![allow(missing_docs)]

mod client;
mod hostile;
mod predict;
mod swapping;
mod tls;
mod v2;

use mt_models::testing as bundles;

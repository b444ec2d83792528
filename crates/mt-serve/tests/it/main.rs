//! Tests of the public API, through a listening server.
#![allow(missing_docs)]

mod client;
mod crowded;
mod hostile;
mod predict;
mod refusals;
mod secrets;
mod swapping;
mod tls;
mod v2;

use mt_bundle::testing as bundles;

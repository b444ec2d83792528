//! Tests of the public API.
#![allow(missing_docs)]

mod attention;
mod frozen;
mod growing;
mod lookup;
mod self_attention;
mod sharing;
mod support;
mod training;

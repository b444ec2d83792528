//! Tests of the public API.
#![allow(missing_docs)]

mod attention;
mod frozen;
mod growing;
mod lookup;
mod support;
mod training;

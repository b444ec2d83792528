//! Tests of the public API.
#![allow(missing_docs)]

mod finite_differences;
mod fused_equals_composed;
mod loss;
mod loss_binary;
mod loss_ordinal;
mod loss_ziln;
mod network;
mod norm;

//! Tests of the public API.
#![allow(missing_docs)]

mod attention;
mod embedding_frozen;
mod embedding_growing;
mod embedding_lookup;
mod embedding_support;
mod embedding_training;
mod finite_differences;
mod fused_equals_composed;
mod loss;
mod loss_binary;
mod loss_ordinal;
mod loss_ziln;
mod network;
mod norm;

//! The program `mt` on real files: what it says, what it leaves behind and how it exits.

#[allow(dead_code, reason = "mt-capi's tests use all of it")]
#[path = "../../../mt-capi/tests/it/c.rs"]
mod c;
mod census;
mod checkpoints;
mod comparing;
mod configuration;
mod data;
mod everywhere;
mod explaining;
mod export;
mod fields;
mod fuzz;
mod interruption;
mod looking;
mod output;
mod parquet;
#[allow(dead_code, reason = "mt-data's tests use all of it")]
#[path = "../../../mt-data/tests/it/parquet_writer.rs"]
mod parquet_writer;
mod predicting;
mod reporting;
mod scoring;
mod serving;
mod support;
mod sweeping;
mod training;

//! The program `mt` on real files: what it says, what it leaves behind and how it exits.

mod cached;
mod census;
mod chains;
mod checkpoints;
mod comparing;
mod computed;
mod configuration;
mod coverage;
mod data;
mod deltas;
mod doors;
mod every_day;
mod everywhere;
mod explaining;
mod export;
mod fields;
mod first_hour;
mod fitted;
mod identity;
mod interruption;
mod looking;
mod mpi;
#[cfg(feature = "objects")]
mod objects;
mod output;
mod own_loss;
mod own_network;
mod own_tables;
mod parquet;
// Puts another libm in the place of the dynamic one.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod paths;
mod platform;
mod predicting;
mod random;
mod reporting;
mod scoring;
mod selecting;
mod serving;
mod serving_log;
mod support;
mod sweeping;
mod training;
mod weighing;
mod ziln;

use mt_data::testing as parquet_writer;
use mt_predict::testing as c;

//! Training of multi-task ranking models: objective, optimizers, one flat loop, evaluation, checkpoints.
//!
//! | module | what |
//! |---|---|
//! | [`Config`] | a run as written in YAML, checked, with errors that carry file, line, column and key |
//! | [`load`] | the data, read as the run reads it |
//! | [`train`] | the loop |
//! | [`Objective`], [`Optimizer`] | what is minimised, and how |
//! | [`Balancer`] | what each task counts, step by step |
//! | [`Scorer`], [`Evaluation`] | predictions and metrics of a model on a table |
//! | [`RunDir`], [`Owner`] | the folder of a run: configuration, log, checkpoints; and who writes into it |
//! | [`Origin`], [`load_from`] | the checkpoint of another run that a run goes on from, with other rows |
//!
//! The library never prints: [`train`] reports [`Event`]s.

mod apart;
mod balance;
mod begin;
mod best;
mod checkpoint;
mod config;
mod culprit;
mod diagnose;
#[cfg(test)]
mod docs;
mod dominance;
mod eigen;
mod epochs;
mod error;
mod evaluate;
mod event;
mod extend;
mod health;
mod imputed;
mod input_map;
mod joint;
mod label_check;
mod labelled;
mod load;
mod log;
mod memory;
mod objective;
mod optim;
mod order;
mod origin;
mod owner;
mod paths;
mod prefetch;
mod probe;
mod propensity;
mod ranks;
mod rates;
mod resume;
mod run;
mod running;
mod schedule;
mod seal;
mod setup;
mod shards;
mod target;
mod train;
mod warm_start;

pub use balance::{BalanceConfig, BalanceKind, BalanceState, Balancer, Collected};
pub use best::Best;
pub use checkpoint::{State, read_identity, read_state, verify};
pub use config::{CheckpointConfig, Config, PropensityConfig, Select, SelectMetric, Selection, TrainConfig};
pub use culprit::{Culprit, NotFinite};
pub use error::{Differences, Error, Result};
pub use evaluate::{Evaluation, Metrics, Scored, Scorer, TaskEvaluation};
pub use event::{Event, Outcome};
pub use health::{GateHealth, GradientHealth, Health, LevelHealth};
pub use input_map::TakenInputs;
pub use labelled::Labelled;
pub use load::{load, load_from};
pub use objective::Objective;
pub use optim::{Optimizer, OptimizerConfig, OptimizerKind, clip_norm};
pub use origin::Origin;
pub use owner::Owner;
pub use paths::{OffPath, Paths, paths};
pub use run::RunDir;
pub use running::TaskProgress;
pub use schedule::{Schedule, ScheduleKind};
// Written beside checkpoints by whoever runs them.
pub use mt_bundle::{write_file, write_json};
// Part of events.
pub use config::{WarmScaling, WarmStart};
pub use mt_tables::TableSize;
pub use train::{train, train_among};
pub use warm_start::{TakenRows, WarmStarted};

/// The example of this crate's page, compiled as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Tests of the public API.
#![allow(missing_docs)]

mod attention;
mod balance;
mod cached;
mod chains;
mod columns;
mod config;
mod control;
#[cfg(feature = "cuda")]
mod cuda;
mod damage;
mod diagnose;
mod every_day;
mod extend;
mod fields;
mod golden;
mod growing;
mod health;
mod imputed;
mod joint_losses;
mod labels;
mod norm;
mod ordinal;
mod own_loss;
mod propensities;
mod ranks;
mod select;
mod shards;
mod targets;
mod training;
mod warm_start;
mod within_groups;
mod ziln;

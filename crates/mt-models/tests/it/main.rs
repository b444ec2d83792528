//! Tests of the public API.
#![allow(missing_docs)]

mod budget;
mod bundle;
mod bundle_damage;
mod by_task;
mod checkpoint;
mod columns;
mod config;
mod gradients;
mod identities;
mod names;

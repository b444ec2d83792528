//! Tests of the public API.
#![allow(missing_docs)]

mod budget;
mod by_task;
mod columns;
mod config;
mod gradients;
mod identities;
mod names;

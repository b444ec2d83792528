//! The program `mt` on real files: what it says, what it leaves behind and how it exits.

mod census;
mod checkpoints;
mod comparing;
mod configuration;
mod data;
mod export;
mod fields;
mod interruption;
mod looking;
mod output;
mod predicting;
mod support;
mod training;

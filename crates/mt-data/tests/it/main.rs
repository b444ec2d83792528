//! The public interface of `mt-data`, tested from outside.

mod census;
mod dataset;
mod errors;
mod fields;
mod joins;
mod labels;
mod leaks;
mod property;
mod raw;
mod reading;
mod real;
mod splits;
mod support;
mod synth;
mod tasks;
mod yaml;

//! The public interface of `mt-data`, tested from outside.

mod census;
mod dataset;
mod errors;
mod labels;
mod property;
mod reading;
mod support;
mod synth;
mod yaml;

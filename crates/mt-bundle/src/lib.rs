//! Bundles: a folder with everything needed to predict, and nothing else.
//!
//! | file | what |
//! |---|---|
//! | `bundle.json` | the [`Manifest`]: format, table format, fingerprint of the encoders, size and SHA-256 of each file |
//! | `model.json` | the [`Signature`]: network, schema, encoders, normaliser, missing values |
//! | `weights.safetensors` | the parameters by name |
//! | `tables.safetensors` | the trained rows of embedding tables, and of those that grew where the rows of keys are, see [`mt_tables::pack_tables`]; only with fields |
//! | `check.json` | some raw rows with their predictions, and the instruction set they were computed with |
//! | `config.yaml` | the configuration that the model was trained with |
//! | `README.md` | the model card |
//!
//! A bundle that holds changes ([`write_delta`]) names the one that they rest on by hash, and has, in place of a file that changed in parts,
//! `weights.changed.safetensors` with the tensors or `tables.changed.safetensors` with the rows that did; files that did not it lacks.
//!
//! | module | what |
//! |---|---|
//! | [`Predictor`], [`Predictions`] | a trained model: raw or encoded rows in, predictions out |
//! | [`push_json`] | a JSON object as a raw row |
//! | [`Export`], [`Manifest`] | from a checkpoint to a bundle, and whether it is there as it was written |
//! | [`write_delta`], [`Whole`] | what changed since another bundle, and a bundle from both |
//! | [`Signature`] | what a trained model is, its weights aside |
//! | [`Checksums`] | what a checkpoint's files are compared with before they are read |
//! | [`TableRows`] | what its embedding tables came to |
//! | [`write_folder`], [`write_file`] | files that are whole or not there |

mod check;
mod checksums;
mod contents;
mod delta;
mod disk;
mod error;
mod export;
mod hold;
mod json;
mod load;
mod manifest;
mod patch;
mod predictions;
mod predictor;
mod recorded;
mod signature;
mod tables;
mod tensors;
#[cfg(feature = "testing")]
pub mod testing;
mod whole;

pub use check::Check;
pub use checksums::Checksums;
pub use contents::Contents;
pub use delta::write_delta;
pub use disk::{read_json, remove_partial, write_file, write_folder, write_json};
pub use error::{Error, Result};
pub use export::Export;
pub use json::push_json;
pub use manifest::{Base, Manifest};
pub use predictions::Predictions;
pub use predictor::Predictor;
pub use signature::Signature;
pub use tables::TableRows;
pub use tensors::{Stored, write_tensors};
pub use whole::Whole;

// Part of this crate's interface, so that its users need not name the crate they come from.
pub use mt_features::{RawRows, Value};
pub use mt_models::candle_core;
pub use mt_tables::TableFormat;

/// The example of the page about this crate, compiled as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

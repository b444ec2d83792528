//! Data to try models on: made-up interactions whose best possible AUC is known, and the Census-Income data set as the study of this
//! project uses it.
//!
//! ```
//! use mt_datasets::synth::{SynthConfig, generate};
//!
//! let synth = generate(&SynthConfig { rows: 1000, ..SynthConfig::default() })?;
//! assert_eq!((synth.table.len(), synth.table.width()), (1000, 40));
//! // What no model can beat, but by chance.
//! let best = synth.truth.auc(None);
//! assert!(best.iter().all(|auc| auc.is_some_and(|auc| auc > 0.8)));
//! # Ok::<(), mt_datasets::Error>(())
//! ```

pub mod census;
mod error;
pub mod synth;

pub use error::{Error, Result};

/// The example of this crate's page, compiled as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

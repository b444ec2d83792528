//! Multi-task ranking models as ONNX files, for ONNX Runtime, OpenVINO, TensorRT or Triton.
//!
//! | item | what |
//! |---|---|
//! | [`Export`] | a bundle or checkpoint to `model.onnx` and `encoders.json` |
//!
//! The graph (opset 17, any number of rows `B`) goes from raw numbers and table rows to what
//! [`Predictor`](mt_bundle::Predictor) predicts:
//!
//! | input | type | shape | |
//! |---|---|---|---|
//! | `numeric` | float32 | `(B, N)` | raw numbers, scaled by the graph; NaN where missing, unless that is an error; float64 where some are beyond single precision (`Scaling::base`) |
//! | a field | int64 | `(B)` | rows of its table |
//! | a field of several values | int64 | `(B, L)` | likewise, filled up with -1; `L` is 1 at least |
//! | a field, without tables | float32 | `(B, K)` | its pooled embedding |
//!
//! | output | shape | |
//! |---|---|---|
//! | a task | `(B)` | probability or predicted number |
//! | a multiclass task | `(B, classes)` | probability of each class |
//!
//! From values to table rows is the client's work, by `encoders.json`.
//!
//! ```no_run
//! use mt_onnx::Export;
//! Export { model: "bundle".as_ref(), tables: true, registry: mt_models::Registry::default() }.write("onnx".as_ref())?;
//! # Ok::<(), mt_onnx::Error>(())
//! ```

mod attention;
mod error;
mod export;
mod graph;
mod input;
mod lists;
mod norm;
mod proto;
mod readout;
mod self_attention;
mod trunk;

pub use error::{Error, Result};
pub use export::Export;

/// The example of this crate's page, compiled as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

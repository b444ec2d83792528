//! Multi-task ranking models on candle: ShareBottom, MMoE, CGC, PLE, AITM, PPNet, DBMTL, and a single-task baseline.
//!
//! | module | what |
//! |---|---|
//! | [`Trunk`] | input to streams; implemented by [`SharedBottom`], [`SingleTask`], [`Mmoe`], [`Cgc`], [`Ple`], [`Aitm`], [`Ppnet`], [`Dbmtl`] |
//! | [`Model`], [`MultiTask`] | a trunk with one tower a head |
//! | [`ModelConfig`], [`build`] | a model from its configuration |
//! | [`Architecture`], [`Registry`], [`Section`], [`Facts`], [`Graph`] | kinds of networks: those here, and your own |
//! | [`TaskLoss`], [`LossRows`], [`LossConfig`] | what a task is trained on: the losses here, and your own |
//! | [`Inputs`], [`HeadColumns`] | the columns of a trunk's input by name, and which of them single gates and towers read |
//! | [`inventory`], [`fit_budget`] | names, shapes and counts of parameters; widths for a parameter budget |
//! | [`Features`], [`InputLayer`] | from a batch to a trunk's input, through embedding tables where it has fields |
//! | [`Readout`], [`Target`] | from logits to probabilities and numbers; the scale that a regression was learned on |
//! | [`Predictor`], [`Predictions`] | a trained model: raw or encoded rows in, predictions out |
//! | [`Export`], [`Manifest`] | a bundle: everything needed to predict, and nothing else |
//! | [`Checksums`] | what a checkpoint's files are compared with before they are read |
//!
//! Models return logits; [`Readout`] holds the only sigmoid.
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use mt_layers::{Initializer, Input, Norm, Params, Run};
//! use mt_models::{Mmoe, MmoeConfig, Sizes, Trunk};
//!
//! let (init, norm) = (Initializer::Xavier, Norm::None);
//! let cfg = MmoeConfig { experts: 4, expert: vec![16], gate: vec![], temperature: 1.0, init, norm };
//! let sizes = Sizes { inputs: 10, heads: &["like", "completion"] };
//! let params = Params::new(42);
//! let mmoe = Mmoe::new(&cfg, sizes, params.builder(DType::F32, &Device::Cpu))?;
//! let xs = Tensor::ones((3, 10), DType::F32, &Device::Cpu)?;
//! assert_eq!(mmoe.forward(&Input::from(xs), &mut Run::evaluation())?.dims(), [3, 2 * 16]);
//! # Ok::<(), candle_core::Error>(())
//! ```

mod aitm;
mod architecture;
mod bundle;
mod cgc;
mod checksums;
mod config;
mod cross;
mod dbmtl;
mod disk;
mod epnet;
mod error;
mod fm;
mod graph;
mod input;
mod inputs;
mod inventory;
mod json;
mod loss;
mod mmoe;
mod model;
mod ordinal;
mod ple;
mod ppnet;
mod predictions;
mod predictor;
mod readout;
mod registry;
mod section;
mod shared_bottom;
mod signature;
mod single_task;
mod stage;
mod stage_columns;
mod target;
#[cfg(feature = "testing")]
pub mod testing;
mod trunk;

pub use aitm::{Aitm, AitmConfig};
pub use architecture::{Architecture, Facts};
pub use bundle::{Check, Contents, Export, Manifest, TableRows};
pub use cgc::{Cgc, CgcConfig};
pub use checksums::Checksums;
pub use config::{AttentionConfig, EmbeddingConfig, ModelConfig};
pub use cross::{Cross, CrossConfig};
pub use dbmtl::{Dbmtl, DbmtlConfig, DbmtlShared};
pub use disk::{read_json, remove_partial, write_file, write_folder, write_json};
pub use epnet::{Epnet, EpnetConfig};
pub use error::{Error, Result};
pub use fm::{Fm, FmConfig};
pub use graph::{Attribute, Graph};
pub use input::{Embedded, Features, InputLayer, input};
pub use inputs::{HeadColumns, InputRows, Inputs};
pub use inventory::{Inventory, count, fit_budget, inventory};
pub use json::push_json;
pub use loss::{Coupling, LossConfig, LossRows, TaskLoss};
pub use mmoe::{Mmoe, MmoeConfig};
pub use model::{Model, MultiTask, build};
pub use ordinal::Ordinal;
pub use ple::{Ple, PleConfig};
pub use ppnet::{Ppnet, PpnetConfig};
pub use predictions::Predictions;
pub use predictor::Predictor;
pub use readout::{Link, Readout, predictions, row_width};
pub use registry::Registry;
pub use section::Section;
pub use shared_bottom::{SharedBottom, SharedBottomConfig};
pub use signature::Signature;
pub use single_task::{SingleTask, SingleTaskConfig};
pub use stage::{Stage, Transform};
pub use stage_columns::StageColumns;
pub use target::Target;
pub use trunk::{Sizes, Trunk};

// Part of this crate's interface, so that its users need not name the crate they come from.
pub use mt_features::{Head, RawRows, Task, TaskKind, Value, heads};
pub use mt_layers::{LEAST_SIGMA, LossKind, Norm, Side, TableFormat, candle_core, candle_nn, ordinal_base};

/// The example of the page about this crate, compiled as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Multi-task ranking models on candle: ShareBottom, MMoE, CGC, PLE, AITM, PPNet, DBMTL, and a single-task baseline.
//!
//! | module | what |
//! |---|---|
//! | [`Trunk`] | input to streams; implemented by [`SharedBottom`], [`SingleTask`], [`Mmoe`], [`Cgc`], [`Ple`], [`Aitm`], [`Ppnet`], [`Dbmtl`] |
//! | [`Model`], [`MultiTask`] | a trunk with one tower a head |
//! | [`ModelConfig`], [`build`] | a model from its configuration |
//! | [`Architecture`], [`Registry`], [`Section`], [`Facts`], [`Graph`] | kinds of networks: those here, and your own |
//! | [`TaskLoss`], [`LossRows`], [`LossConfig`] | what a task is trained on: the losses here, and your own |
//! | [`JointLoss`], [`JointRows`] | what several tasks are trained on together, beside that |
//! | [`Inputs`], [`HeadColumns`] | the columns of a trunk's input by name, and which of them single gates and towers read |
//! | [`inventory`], [`fit_budget`] | names, shapes and counts of parameters; widths for a parameter budget |
//! | [`Features`], [`InputLayer`] | from a batch to a trunk's input, through embedding tables where it has fields |
//! | [`Readout`], [`Target`] | from logits to probabilities and numbers; the scale that a regression was learned on |
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
mod cgc;
mod config;
mod cross;
mod dbmtl;
mod epnet;
mod error;
mod fm;
#[cfg(test)]
mod golden;
mod graph;
mod input;
mod input_rows;
mod inputs;
mod inventory;
mod link;
mod lists;
mod loss;
mod mmoe;
mod model;
mod ordinal;
mod ple;
mod ppnet;
mod readout;
mod registry;
mod section;
mod shared_bottom;
mod single_task;
mod stage;
mod stage_columns;
mod target;
#[cfg(feature = "testing")]
pub mod testing;
mod trunk;

pub use aitm::{Aitm, AitmConfig};
pub use architecture::{Architecture, Facts};
pub use cgc::{Cgc, CgcConfig};
pub use config::{AttentionConfig, EmbeddingConfig, ModelConfig, SelfAttentionConfig};
pub use cross::{Cross, CrossConfig};
pub use dbmtl::{Dbmtl, DbmtlConfig, DbmtlShared};
pub use epnet::{Epnet, EpnetConfig};
pub use error::{Error, Result};
pub use fm::{Fm, FmConfig};
pub use graph::{Attribute, Graph};
pub use input::{Embedded, Features, InputLayer, input};
pub use input_rows::InputRows;
pub use inputs::{HeadColumns, Inputs};
pub use inventory::{Inventory, count, fit_budget, inventory};
pub use link::Link;
pub use lists::SequenceInput;
pub use loss::{Coupling, JointLoss, JointRows, LossConfig, LossRows, TaskLoss};
pub use mmoe::{Mmoe, MmoeConfig};
pub use model::{Model, MultiTask, build};
pub use ordinal::Ordinal;
pub use ple::{Ple, PleConfig};
pub use ppnet::{Ppnet, PpnetConfig};
pub use readout::{Readout, predictions, row_width};
pub use registry::Registry;
pub use section::Section;
pub use shared_bottom::{SharedBottom, SharedBottomConfig};
pub use single_task::{SingleTask, SingleTaskConfig};
pub use stage::{Stage, Transform};
pub use stage_columns::StageColumns;
pub use target::Target;
pub use trunk::{Sizes, Trunk};

// Part of this crate's interface, so that its users need not name the crate they come from.
pub use mt_features::{Head, Task, TaskKind, heads};
pub use mt_layers::{AttentionKind, LEAST_SIGMA, LossKind, Newest, Norm, SelfAttention, Side};
pub use mt_layers::{candle_core, candle_nn, ordinal_base};

/// The example of the page about this crate, compiled as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

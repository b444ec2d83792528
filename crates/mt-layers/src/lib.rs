//! Layers of multi-task ranking models on candle.
//!
//! | module | what |
//! |---|---|
//! | [`Input`], [`SparseRows`] | what a model reads: a dense tensor or mostly-zero rows |
//! | [`Columns`], [`Read`] | some columns of an input, and which of them a gate reads |
//! | [`Bank`] | expert banks, bottoms and gates: `n` MLPs with stacked weights |
//! | [`Mixture`] | softmax gates mixing experts |
//! | [`GatedExperts`] | experts, gates and mixtures of one level: what MMoE, CGC and PLE are built of |
//! | [`Towers`], [`Mlp`] | one MLP a task, to its logits |
//! | [`Run`] | what a pass is for, where its gradients go, who looks at what, and what left the fast path |
//! | [`Norm`] | layer and batch normalisation of hidden layers |
//! | [`sigmoid`], [`exp`], [`ln`] | functions of a tensor of which no platform decides a bit |
//! | [`MultiTaskLoss`], [`LossKind`] | masked mean loss of each task (binary, multiclass, regression), weighted and summed |
//! | [`Run::tap`], [`Gradients::collect_by_task`] | each task's gradient of what the tasks share |
//! | [`Params`] | ordered, seeded parameter store with gradient slots |
//! | [`Initializer`], [`symmetric_weights`] | start values, and the check that no two units start equal |
//! | [`Run::leaf`], [`values`] | for operations of your own: results whose gradient comes to you, and the values behind tensors |
//! | [`process`] | threads as `mt` sets them up |
//! | [`study`] | rows like those of the published study, for benchmarks |
//!
//! Every layer works with any candle `VarBuilder` and then takes part in candle's autograd like any other. With
//! weights from a [`Params`] store, inside [`Params::backward`], and in inference, fused CPU operations run instead.
//!
//! Four experts, mixed by two gates, and a tower a task: MMoE of its parts.
//!
//! ```
//! use candle_core::{DType, Device, Tensor};
//! use mt_layers::{Bank, GatedExperts, Initializer, Input, Mixture, Params, Run, Towers};
//!
//! let (params, init) = (Params::new(42), Initializer::Xavier);
//! let vb = params.builder(DType::F32, &Device::Cpu);
//! let experts = Bank::experts(10, 4, &[16], init, vb.pp("experts"))?;
//! let gate = |name: &str| Ok::<_, candle_core::Error>((Bank::gate(10, 4, &[], init, vb.pp(name))?, 0..10));
//! let mixture = Mixture::new(16, vec![vec![0, 1, 2, 3]; 2], 1.0)?;
//! let level = GatedExperts::new(vec![(experts, 0..10)], vec![gate("like")?, gate("share")?], mixture, 0..4)?;
//! let towers = Towers::new(16, &[8], [("like", 1), ("share", 1)], init, vb.pp("towers"))?;
//!
//! let xs = Input::from(Tensor::ones((3, 10), DType::F32, &Device::Cpu)?);
//! let mut run = Run::evaluation();
//! assert_eq!(towers.forward(&level.forward(&xs, &mut run)?, &mut run)?.dims(), [3, 2]);
//! # Ok::<(), candle_core::Error>(())
//! ```

mod attention;
mod bank;
mod columns;
mod cut;
mod detour;
mod dropout;
mod fused;
mod gated_experts;
mod gradients;
mod init;
mod input;
mod leaf;
mod linear;
mod lists;
mod loss;
mod mixture;
mod norm;
mod noted;
mod params;
mod portable;
pub mod process;
mod run;
mod self_attention;
mod slot;
pub mod study;
mod symmetry;
mod tap;
mod tower;
pub mod values;

/// candle, whose tensors and builders are part of this interface.
pub use candle_core;
pub use candle_nn;

pub use attention::Attention;
pub use bank::{Bank, forward_side_by_side};
pub use columns::{Columns, Read};
pub use detour::{Detour, Why};
pub use gated_experts::GatedExperts;
pub use gradients::Gradients;
pub use init::{Initializer, xavier_uniform};
pub use input::{Input, SparseRows};
pub use lists::{AttentionKind, Side, Values};
pub use loss::{Loss, MultiTaskLoss};
pub use mixture::Mixture;
pub use mt_kernels::attention::{Newest, SelfAttention};
pub use mt_kernels::loss::{LEAST_SIGMA, LossKind, LossTerm, ordinal_base, ziln_log_mean};
pub use norm::Norm;
pub use noted::{Mixed, Traced};
pub use params::{Param, Params};
pub use portable::{exp, ln, sigmoid};
pub use run::{Purpose, Run};
pub use slot::{Gradient, Slot};
pub use symmetry::symmetric_weights;
pub use tap::shares;
pub use tower::{Mlp, Towers};

/// The example of this crate's page, compiled as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

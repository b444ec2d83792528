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
//! | [`Norm`], [`training`] | layer and batch normalisation of hidden layers, and when batches are looked at |
//! | [`with_importance`] | how evenly gates use their experts, as a loss |
//! | [`Embeddings`] | embedding tables outside of autograd, updated row by row |
//! | [`FrozenEmbeddings`] | the same for prediction, read from a mapped file |
//! | [`MultiTaskLoss`], [`LossKind`] | masked mean loss of each task (binary, multiclass, regression), weighted and summed |
//! | [`tap`], [`Gradients::collect_by_task`] | each task's gradient of what the tasks share |
//! | [`observe`], [`trace`] | what passes through the mixtures of a model, and through all of its layers |
//! | [`Params`] | ordered, seeded parameter store with gradient slots |
//! | [`Initializer`], [`symmetric_weights`] | start values, and the check that no two units start equal |
//! | [`simd`] | run-time choice of the vector instruction set for own kernels |
//!
//! Every layer works with any candle `VarBuilder` and then takes part in candle's autograd like any other. With
//! weights from a [`Params`] store, inside [`Params::backward`], and in inference, fused CPU operations run instead.

mod bank;
mod columns;
mod counter;
mod dropout;
mod embedding;
mod error;
mod fused;
mod gated_experts;
mod gradients;
mod importance;
mod init;
mod input;
mod leaf;
mod linear;
mod loss;
mod mixture;
mod mode;
mod norm;
mod notes;
mod observe;
mod params;
pub mod simd;
mod symmetry;
mod tap;
mod tower;
mod trace;

#[doc(hidden)]
pub use pulp;

pub use bank::{Bank, forward_side_by_side};
pub use columns::{Columns, Read};
pub use embedding::{Bytes, Embeddings, Field, FrozenEmbeddings, Ids, Pooling, RowGradient, RowOptimizer};
pub use embedding::{Growth, Keys, Storage, TableConfig, TableFormat, TableSize, pack_tables, unpack_tables};
pub use error::Error;
pub use gated_experts::GatedExperts;
pub use gradients::{Gradient, Gradients, Slot};
pub use importance::with_importance;
pub use init::{Initializer, xavier_uniform};
pub use input::{Input, SparseRows};
pub use loss::{Loss, LossKind, MultiTaskLoss, TaskLoss};
pub use mixture::Mixture;
pub use mode::training;
pub use norm::Norm;
pub use observe::{Mixed, observe};
pub use params::{Param, Params};
pub use symmetry::symmetric_weights;
pub use tap::tap;
pub use tower::{Mlp, Towers};
pub use trace::{Traced, trace};

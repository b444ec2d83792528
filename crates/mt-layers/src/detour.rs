//! What left the fast path: where plain candle operations, or several fused ones, ran in the place of one.

use std::fmt;

use candle_core::Tensor;

/// Layers that left the fast path.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Detour {
    /// Their first parameter, to be known by its id.
    pub parameter: Tensor,
    /// Why they did.
    pub why: Why,
}

/// Why layers leave the fast path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// The sums of a layer are normalised over the batch: a layer at a time, and the normalisation in plain operations.
    Norm,
    /// Someone looks at what each layer makes: a layer at a time.
    Traced,
    /// Someone looks at experts and gates, or their importance is part of the loss: experts, gates and mixture apart.
    Observed,
    /// Each task's gradient is taken between experts and gates: experts, gates and mixture apart.
    Cut,
    /// A gate reads columns of its own: experts, gates and mixture apart.
    Columns,
    /// The input or a parameter is not on the CPU, not in single precision or not contiguous: plain operations.
    NotReadable,
    /// A parameter is trained, and not from a [`Params`](crate::Params) store that collects gradients: plain operations.
    NoSlot,
    /// What is read is part of candle's graph, which hands the gradient on: after dropout, a stage in plain operations, or a level that left
    /// the fast path.
    Graph,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Norm => "a layer at a time, normalised over the batch in plain operations (model.norm)",
            Self::Traced => "a layer at a time, as each is looked at",
            Self::Observed => "experts, gates and mixture apart, as they are looked at (train.load_balance)",
            Self::Cut => "experts, gates and mixture apart, as each task's gradient is taken between them (train.balance)",
            Self::Columns => "experts, gates and mixture apart, as a gate reads columns of its own (model.gate_fields)",
            Self::NotReadable => "plain operations: not on the CPU, not in single precision or not contiguous",
            Self::NoSlot => "plain operations: trained by candle's own gradients",
            Self::Graph => "fused, but the gradient of what is read passes through candle: there is dropout, a stage or a level apart below",
        })
    }
}

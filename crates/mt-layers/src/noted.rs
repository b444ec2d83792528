//! What a [`Run`](crate::Run) notes for whoever looks into a model.

use candle_core::Tensor;

/// What a layer made of its input.
#[derive(Debug, Clone)]
pub struct Traced {
    /// Its parameters, to be known by their ids.
    pub parameters: Vec<Tensor>,
    /// Its output `(B, O)`, after the activation.
    pub output: Tensor,
}

/// What a mixture read.
#[derive(Debug, Clone)]
pub struct Mixed {
    /// Outputs of its experts `(B, E·H)`.
    pub experts: Tensor,
    /// Units `H` of an expert.
    pub width: usize,
    /// Weights of all gates `(B, Σ choices)`, gate after gate; those of a gate sum to 1.
    pub weights: Tensor,
    /// The experts that each gate chooses from, in the order of its weights.
    pub gates: Vec<Vec<usize>>,
}

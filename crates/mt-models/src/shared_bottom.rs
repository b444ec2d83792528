//! ShareBottom: one bottom network for all tasks. R. Caruana, *Multitask Learning*, 1997.
//!
//! `y_t = tower_t(f(x))`
//!
//! | symbol | code | shape | parameter |
//! |---|---|---|---|
//! | x | `xs` | `(B, D)` | |
//! | f | `bottom` | `(B, D) → (B, H)` | `bottom.{l}.weight` `(I, 1, O)`, `bottom.{l}.bias` `(1, O)` |
//!
//! Differs from the paper: nothing; ReLU units, as in the MMoE paper's baseline.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use mt_layers::{Bank, Initializer, Input, Norm, tap};

use crate::trunk::{Sizes, Trunk};

/// Sizes of a [`SharedBottom`].
#[derive(Debug, Clone, PartialEq)]
pub struct SharedBottomConfig {
    /// Units of each layer of the bottom; the last is the stream's width `H`.
    pub bottom: Vec<usize>,
    /// Start values.
    pub init: Initializer,
    /// Normalisation of the layers of a bottom.
    pub norm: Norm,
}

/// The hard-sharing trunk: a single stream.
#[derive(Debug, Clone)]
pub struct SharedBottom {
    bottom: Bank,
}

impl SharedBottom {
    /// Builds the trunk.
    pub fn new(cfg: &SharedBottomConfig, sizes: Sizes, vb: VarBuilder) -> Result<Self> {
        sizes.check()?;
        let vb = vb.pp("bottom");
        let bottom = Bank::experts(sizes.inputs, 1, &cfg.bottom, cfg.init, vb.clone())?;
        Ok(Self { bottom: bottom.normalised(cfg.norm, vb)? })
    }
}

impl Trunk for SharedBottom {
    fn forward(&self, xs: &Input) -> Result<Tensor> {
        tap(self.bottom.forward(xs)?, 0..self.bottom.outputs())
    }

    fn width(&self) -> usize {
        self.bottom.outputs()
    }
}

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

use std::collections::BTreeMap;

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use mt_layers::{Bank, Columns, Initializer, Input, Norm, Run};
use serde_json::Value;

use crate::architecture::{Architecture, Facts, largest, scaled};
use crate::graph::Graph;
use crate::section::Section;
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

impl SharedBottomConfig {
    /// Reads the keys of `kind: shared-bottom`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config), naming the key.
    pub fn read(section: &mut Section<'_>) -> crate::Result<Box<dyn Architecture>> {
        let bottom = section.layers("bottom", &[128])?;
        Ok(Box::new(SharedBottomConfig { bottom, init: section.init(), norm: section.norm() }))
    }
}

impl Architecture for SharedBottomConfig {
    fn build(&self, sizes: Sizes<'_>, _: &[Option<Columns>], vb: VarBuilder<'_>) -> Result<Box<dyn Trunk>> {
        Ok(Box::new(SharedBottom::new(self, sizes, vb)?))
    }

    fn facts(&self, _: &[&str]) -> Facts {
        Facts::default()
    }

    fn scale(&self, widest: usize, keys: &mut BTreeMap<String, Value>) {
        keys.insert("bottom".to_owned(), scaled(&self.bottom, largest(&self.bottom), widest));
    }

    fn graph(
        &self,
        graph: &mut dyn Graph,
        heads: &[&str],
        xs: &str,
        _: &[String],
    ) -> crate::Result<Vec<String>> {
        let stream = graph.mlp("bottom", self.bottom.len(), xs, true)?;
        Ok(vec![stream; heads.len()])
    }
}

impl Trunk for SharedBottom {
    fn forward(&self, xs: &Input, run: &mut Run) -> Result<Tensor> {
        let stream = self.bottom.forward(xs, run)?;
        run.tap(stream, 0..self.bottom.outputs())
    }

    fn width(&self) -> usize {
        self.bottom.outputs()
    }
}

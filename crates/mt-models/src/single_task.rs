//! The single-task baseline: every task has a network of its own. Nothing is shared, so nothing is traded.
//!
//! `y_t = tower_t(f_t(x))`
//!
//! | symbol | code | shape | parameter |
//! |---|---|---|---|
//! | x | `xs` | `(B, D)` | |
//! | f_t | `bottoms[t]` | `(B, D) → (B, H)` | `bottoms.{task}.{l}.weight` `(I, 1, O)`, `bottoms.{task}.{l}.bias` `(1, O)` |
//!
//! Differs from separate training only in that all tasks see the same batches and stop at the same epoch.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use mt_layers::{Bank, Columns, Initializer, Input, Norm, Run, forward_side_by_side};
use serde_json::Value;

use crate::architecture::{Architecture, Facts, largest, scaled};
use crate::graph::Graph;
use crate::section::Section;
use crate::trunk::{Sizes, Trunk};

/// Sizes of a [`SingleTask`].
#[derive(Debug, Clone, PartialEq)]
pub struct SingleTaskConfig {
    /// Units of each layer of each task's bottom; the last is the stream's width `H`.
    pub bottom: Vec<usize>,
    /// Start values.
    pub init: Initializer,
    /// Normalisation of the layers of a bottom.
    pub norm: Norm,
}

/// The trunk without sharing: one bottom a task.
#[derive(Debug, Clone)]
pub struct SingleTask {
    bottoms: Vec<Bank>,
}

impl SingleTask {
    /// Builds the trunk.
    pub fn new(cfg: &SingleTaskConfig, sizes: Sizes, vb: VarBuilder) -> Result<Self> {
        sizes.check()?;
        let vb = vb.pp("bottoms");
        let bottom = |head| {
            let bottom = Bank::experts(sizes.inputs, 1, &cfg.bottom, cfg.init, vb.pp(head))?;
            bottom.normalised(cfg.norm, vb.pp(head))
        };
        Ok(Self { bottoms: sizes.heads.iter().map(bottom).collect::<Result<_>>()? })
    }
}

impl SingleTaskConfig {
    /// Reads the keys of `kind: single-task`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config), naming the key.
    pub fn read(section: &mut Section<'_>) -> crate::Result<Box<dyn Architecture>> {
        let bottom = section.layers("bottom", &[128])?;
        Ok(Box::new(SingleTaskConfig { bottom, init: section.init(), norm: section.norm() }))
    }
}

impl Architecture for SingleTaskConfig {
    fn build(&self, sizes: Sizes<'_>, _: &[Option<Columns>], vb: VarBuilder<'_>) -> Result<Box<dyn Trunk>> {
        Ok(Box::new(SingleTask::new(self, sizes, vb)?))
    }

    fn facts(&self, _: &[&str]) -> Facts {
        Facts { nothing_shared: Some("single-task has none".to_owned()), ..Facts::default() }
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
        let bottom = |head| graph.mlp(&format!("bottoms.{head}"), self.bottom.len(), xs, true);
        heads.iter().map(bottom).collect()
    }
}

impl Trunk for SingleTask {
    fn forward(&self, xs: &Input, run: &mut Run) -> Result<Tensor> {
        let width = xs.width()?;
        let reads: Vec<_> = self.bottoms.iter().map(|bottom| (bottom, 0..width)).collect();
        forward_side_by_side(&reads, xs, run)
    }

    fn width(&self) -> usize {
        self.bottoms[0].outputs()
    }
}

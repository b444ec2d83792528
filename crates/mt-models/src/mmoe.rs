//! MMoE: multi-gate mixture of experts. J. Ma et al., *Modeling Task Relationships in Multi-task Learning with
//! Multi-gate Mixture-of-Experts*, KDD 2018, eq. 5-7.
//!
//! `y_t = tower_t(Σ_e g_t(x)_e · f_e(x))`, `g_t(x) = softmax(W_t x)`
//!
//! | symbol | code | shape | parameter |
//! |---|---|---|---|
//! | x | `xs` | `(B, D)` | |
//! | f_e | experts | `(B, D) → (B, E·H)` | `experts.{l}.weight` `(I, E, O)`, `experts.{l}.bias` `(E, O)` |
//! | W_t | gate t | `(B, D) → (B, E)` | `gates.{task}.{l}.weight` `(I, 1, O)`, `gates.{task}.{l}.bias` `(1, O)` |
//!
//! Differs from the paper: gates may have hidden layers and a temperature (both off by default), and have a bias.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use mt_layers::{Bank, Columns, GatedExperts, Initializer, Input, Mixture, Norm, Run};
use serde_json::Value;

use crate::architecture::{Architecture, Facts, largest, scaled};
use crate::graph::Graph;
use crate::section::Section;
use crate::trunk::{Sizes, Trunk, gate_read};

/// Sizes of an [`Mmoe`].
#[derive(Debug, Clone, PartialEq)]
pub struct MmoeConfig {
    /// Number of experts `E`.
    pub experts: usize,
    /// Units of each layer of an expert; the last is the stream's width `H`.
    pub expert: Vec<usize>,
    /// Hidden units of each gate; empty for the paper's linear gate.
    pub gate: Vec<usize>,
    /// Divides the gates' logits; 1 for the paper's softmax.
    pub temperature: f64,
    /// Start values.
    pub init: Initializer,
    /// Normalisation of the layers of an expert.
    pub norm: Norm,
}

/// The trunk of shared experts and one gate a task.
#[derive(Debug, Clone)]
pub struct Mmoe {
    level: GatedExperts,
}

impl Mmoe {
    /// Builds the trunk.
    pub fn new(cfg: &MmoeConfig, sizes: Sizes, vb: VarBuilder) -> Result<Self> {
        Self::with_columns(cfg, sizes, &[], vb)
    }

    /// As [`Mmoe::new`], with a gate of task `t` that reads `columns[t]` of the input; all of it where there is none.
    pub fn with_columns(
        cfg: &MmoeConfig,
        sizes: Sizes,
        columns: &[Option<Columns>],
        vb: VarBuilder,
    ) -> Result<Self> {
        sizes.check()?;
        let all = 0..sizes.inputs;
        let experts = Bank::experts(sizes.inputs, cfg.experts, &cfg.expert, cfg.init, vb.pp("experts"))?;
        let experts = experts.normalised(cfg.norm, vb.pp("experts"))?;
        let vb = vb.pp("gates");
        let gate = |(t, head): (usize, &&str)| {
            let read = gate_read(columns, t, &all);
            Ok((Bank::gate(read.width(), cfg.experts, &cfg.gate, cfg.init, vb.pp(head))?, read))
        };
        let gates = sizes.heads.iter().enumerate().map(gate).collect::<Result<Vec<_>>>()?;
        let choices = vec![(0..cfg.experts).collect(); gates.len()];
        let mixture = Mixture::new(experts.outputs(), choices, cfg.temperature)?;
        let level = GatedExperts::new(vec![(experts, all.clone())], gates, mixture, 0..cfg.experts)?;
        Ok(Self { level })
    }
}

impl MmoeConfig {
    /// Reads the keys of `kind: mmoe`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config), naming the key.
    pub fn read(section: &mut Section<'_>) -> crate::Result<Box<dyn Architecture>> {
        Ok(Box::new(MmoeConfig {
            experts: section.count("experts", 1, 8)?,
            expert: section.layers("expert", &[16])?,
            gate: section.units("gate", &[])?,
            temperature: section.above_zero("temperature", 1.0)?,
            init: section.init(),
            norm: section.norm(),
        }))
    }
}

impl Architecture for MmoeConfig {
    fn build(
        &self,
        sizes: Sizes<'_>,
        gates: &[Option<Columns>],
        vb: VarBuilder<'_>,
    ) -> Result<Box<dyn Trunk>> {
        Ok(Box::new(Mmoe::with_columns(self, sizes, gates, vb)?))
    }

    fn facts(&self, heads: &[&str]) -> Facts {
        Facts {
            levels: vec![(0..self.experts).map(|expert| expert.to_string()).collect()],
            gates: heads.iter().map(|head| format!("gates.{head}.0.weight")).collect(),
            nothing_shared: None,
        }
    }

    fn scale(&self, widest: usize, keys: &mut BTreeMap<String, Value>) {
        keys.insert("expert".to_owned(), scaled(&self.expert, largest(&self.expert), widest));
    }

    fn graph(
        &self,
        graph: &mut dyn Graph,
        heads: &[&str],
        xs: &str,
        gates: &[String],
    ) -> crate::Result<Vec<String>> {
        let experts = graph.experts("experts", self.expert.len(), xs)?;
        let stream = |(head, read): (&&str, &String)| {
            let logits = graph.mlp(&format!("gates.{head}"), self.gate.len() + 1, read, false)?;
            Ok(graph.mixture(&experts, &logits, self.temperature))
        };
        heads.iter().zip(gates).map(stream).collect()
    }
}

impl Trunk for Mmoe {
    fn forward(&self, xs: &Input, run: &mut Run) -> Result<Tensor> {
        self.level.forward(xs, run)
    }

    fn width(&self) -> usize {
        self.level.width()
    }
}

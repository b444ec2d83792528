//! CGC: customized gate control. H. Tang et al., *Progressive Layered Extraction (PLE): A Novel Multi-Task Learning
//! Model for Personalized Recommendations*, RecSys 2020, eq. 1-3.
//!
//! `y_t = tower_t(g_t(x) · [f_t,1(x), …, f_t,m(x), f_s,1(x), …, f_s,n(x)])`, `g_t(x) = softmax(W_t x)`
//!
//! | symbol | code | shape | parameter |
//! |---|---|---|---|
//! | x | `xs` | `(B, D)` | |
//! | f_t,k | experts of t | `(B, D) → (B, m·H)` | `experts.{task}.{l}.weight` `(I, m, O)`, `….bias` `(m, O)` |
//! | f_s,k | shared experts | `(B, D) → (B, n·H)` | `experts.shared.{l}.weight` `(I, n, O)`, `….bias` `(n, O)` |
//! | W_t | gate t | `(B, D) → (B, m + n)` | `gates.{task}.{l}.weight` `(I, 1, O)`, `….bias` `(1, O)` |
//!
//! Differs from the paper: gates may have hidden layers and a temperature (both off by default), and have a bias.

use std::ops::Range;

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use mt_layers::{Bank, Columns, GatedExperts, Initializer, Input, Mixture, Norm};

use crate::trunk::{Sizes, Trunk, gate_read};

/// Sizes of a [`Cgc`], and of one level of a [`Ple`](crate::Ple).
#[derive(Debug, Clone, PartialEq)]
pub struct CgcConfig {
    /// Experts `m` of each task; 0 makes it an MMoE.
    pub experts_per_task: usize,
    /// Experts `n` shared by all tasks.
    pub shared_experts: usize,
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

/// The trunk of task experts, shared experts and one gate a task; also a level of [`Ple`](crate::Ple), then with
/// inputs of its own for each task and for the shared part, and a gate for the shared stream.
#[derive(Debug, Clone)]
pub struct Cgc {
    level: GatedExperts,
}

impl Cgc {
    /// Builds the trunk.
    pub fn new(cfg: &CgcConfig, sizes: Sizes, vb: VarBuilder) -> Result<Self> {
        Self::with_columns(cfg, sizes, &[], vb)
    }

    /// As [`Cgc::new`], with a gate of task `t` that reads `columns[t]` of the input; all of it where there is none.
    pub fn with_columns(
        cfg: &CgcConfig,
        sizes: Sizes,
        columns: &[Option<Columns>],
        vb: VarBuilder,
    ) -> Result<Self> {
        sizes.check()?;
        Self::level(cfg, sizes.tasks, &vec![0..sizes.inputs; sizes.tasks.len() + 1], columns, false, vb)
    }

    /// Builds a level. `streams` are the columns that each task, and last the shared part, read, but for gates of tasks
    /// with `columns`.
    pub(crate) fn level(
        cfg: &CgcConfig,
        tasks: &[&str],
        streams: &[Range<usize>],
        columns: &[Option<Columns>],
        shared_gate: bool,
        vb: VarBuilder,
    ) -> Result<Self> {
        let (m, n) = (cfg.experts_per_task, cfg.shared_experts);
        let (own, shared) = (|t: usize| t * m..(t + 1) * m, tasks.len() * m..tasks.len() * m + n);
        let names = || tasks.iter().copied().chain(["shared"]).zip(streams);
        let bank = |n, name: &str, inputs| {
            let vb = vb.pp("experts").pp(name);
            Bank::experts(inputs, n, &cfg.expert, cfg.init, vb.clone())?.normalised(cfg.norm, vb)
        };
        let gate = |choices, name: &str, inputs| {
            Bank::gate(inputs, choices, &cfg.gate, cfg.init, vb.pp("gates").pp(name))
        };
        let mut experts = Vec::new();
        for (i, (name, read)) in names().enumerate() {
            let members = if i == tasks.len() { n } else { m };
            if members > 0 {
                experts.push((bank(members, name, read.len())?, read.clone()));
            }
        }
        let (mut gates, mut choices) = (Vec::new(), Vec::new());
        for (i, (name, read)) in names().enumerate() {
            let chosen: Vec<usize> = match i < tasks.len() {
                true => own(i).chain(shared.clone()).collect(),
                false if shared_gate => (0..shared.end).collect(),
                false => break,
            };
            let read = gate_read(columns, i, read);
            gates.push((gate(chosen.len(), name, read.width())?, read));
            choices.push(chosen);
        }
        let width = cfg.expert.last().copied().unwrap_or(0);
        let mixture = Mixture::new(width, choices, cfg.temperature)?;
        Ok(Self { level: GatedExperts::new(experts, gates, mixture, shared)? })
    }

    /// The streams of a level below others, to whose experts the tasks' gradients come mixed.
    pub(crate) fn below(&self, xs: &Input) -> Result<Tensor> {
        self.level.below(xs)
    }
}

impl Trunk for Cgc {
    fn forward(&self, xs: &Input) -> Result<Tensor> {
        self.level.forward(xs)
    }

    fn width(&self) -> usize {
        self.level.width()
    }
}

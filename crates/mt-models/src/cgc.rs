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

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use mt_layers::{Bank, Columns, GatedExperts, Initializer, Input, Mixture, Norm, Run};
use serde_json::Value;

use crate::architecture::{Architecture, Facts, largest, scaled};
use crate::graph::Graph;
use crate::section::Section;
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
        Self::level(cfg, sizes.heads, &vec![0..sizes.inputs; sizes.heads.len() + 1], columns, false, vb)
    }

    /// Builds a level. `streams` are the columns that each task, and last the shared part, read, but for gates of tasks
    /// with `columns`.
    pub(crate) fn level(
        cfg: &CgcConfig,
        heads: &[&str],
        streams: &[Range<usize>],
        columns: &[Option<Columns>],
        shared_gate: bool,
        vb: VarBuilder,
    ) -> Result<Self> {
        let (m, n) = (cfg.experts_per_task, cfg.shared_experts);
        let (own, shared) = (|t: usize| t * m..(t + 1) * m, heads.len() * m..heads.len() * m + n);
        let names = || heads.iter().copied().chain(["shared"]).zip(streams);
        let bank = |n, name: &str, inputs| {
            let vb = vb.pp("experts").pp(name);
            Bank::experts(inputs, n, &cfg.expert, cfg.init, vb.clone())?.normalised(cfg.norm, vb)
        };
        let gate = |choices, name: &str, inputs| {
            Bank::gate(inputs, choices, &cfg.gate, cfg.init, vb.pp("gates").pp(name))
        };
        let mut experts = Vec::new();
        for (i, (name, read)) in names().enumerate() {
            let members = if i == heads.len() { n } else { m };
            if members > 0 {
                experts.push((bank(members, name, read.len())?, read.clone()));
            }
        }
        let (mut gates, mut choices) = (Vec::new(), Vec::new());
        for (i, (name, read)) in names().enumerate() {
            let chosen: Vec<usize> = match i < heads.len() {
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
    pub(crate) fn below(&self, xs: &Input, run: &mut Run) -> Result<Tensor> {
        self.level.below(xs, run)
    }
}

impl CgcConfig {
    /// Reads the keys of `kind: cgc`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config), naming the key.
    pub fn read(section: &mut Section<'_>) -> crate::Result<Box<dyn Architecture>> {
        let temperature = section.above_zero("temperature", 1.0)?;
        Ok(Box::new(Self::level_of(section, &Self::default_level(section), temperature)?))
    }

    /// What a level has that says nothing of itself.
    pub(crate) fn default_level(section: &Section<'_>) -> Self {
        CgcConfig {
            experts_per_task: 2,
            shared_experts: 2,
            expert: vec![16],
            gate: Vec::new(),
            temperature: 1.0,
            init: section.init(),
            norm: section.norm(),
        }
    }

    /// Reads the sizes of a level; what `section` leaves out is that of `default`.
    pub(crate) fn level_of(
        section: &mut Section<'_>,
        default: &Self,
        temperature: f64,
    ) -> crate::Result<Self> {
        let cfg = CgcConfig {
            experts_per_task: section.count("experts_per_task", 0, default.experts_per_task)?,
            shared_experts: section.count("shared_experts", 0, default.shared_experts)?,
            expert: section.layers("expert", &default.expert)?,
            gate: section.units("gate", &default.gate)?,
            temperature,
            ..default.clone()
        };
        match cfg.experts_per_task + cfg.shared_experts {
            0 => Err(section.error("experts_per_task", "expected at least one expert of a task or shared")),
            _ => Ok(cfg),
        }
    }

    /// The experts of a level, by name.
    pub(crate) fn names(&self, heads: &[&str]) -> Vec<String> {
        let numbered = |name: &str, n| (0..n).map(|i| format!("{name}.{i}")).collect::<Vec<_>>();
        let own = heads.iter().flat_map(|head| numbered(head, self.experts_per_task));
        own.chain(numbered("shared", self.shared_experts)).collect()
    }

    /// Writes a level: `streams` are what each task and, last, the shared part read, `gates` what the tasks' gates do; the
    /// result is like the first. A shared stream that nothing reads is left out: the result has one with `shared_gate` only.
    pub(crate) fn write_level(
        &self,
        graph: &mut dyn Graph,
        prefix: &str,
        heads: &[&str],
        streams: &[String],
        gates: &[String],
        shared_gate: bool,
    ) -> crate::Result<Vec<String>> {
        let names = || heads.iter().copied().chain(["shared"]).zip(streams);
        // Those of each task, then the shared ones; where there are any.
        let mut groups: Vec<Option<String>> = vec![None; heads.len() + 1];
        for (i, (name, xs)) in names().enumerate() {
            let members = if i == heads.len() { self.shared_experts } else { self.experts_per_task };
            let bank = format!("{prefix}experts.{name}");
            groups[i] = (members > 0).then(|| graph.experts(&bank, self.expert.len(), xs)).transpose()?;
        }
        let mut mixed = Vec::with_capacity(streams.len());
        for (i, (name, xs)) in names().enumerate() {
            let chosen: Vec<String> = match i < heads.len() {
                true => [&groups[i], &groups[heads.len()]].into_iter().flatten().cloned().collect(),
                false if shared_gate => groups.iter().flatten().cloned().collect(),
                false => break,
            };
            let chosen = graph.concat(&chosen, 1);
            let read = if i < heads.len() { &gates[i] } else { xs };
            let logits = graph.mlp(&format!("{prefix}gates.{name}"), self.gate.len() + 1, read, false)?;
            mixed.push(graph.mixture(&chosen, &logits, self.temperature));
        }
        Ok(mixed)
    }
}

impl Architecture for CgcConfig {
    fn build(
        &self,
        sizes: Sizes<'_>,
        gates: &[Option<Columns>],
        vb: VarBuilder<'_>,
    ) -> Result<Box<dyn Trunk>> {
        Ok(Box::new(Cgc::with_columns(self, sizes, gates, vb)?))
    }

    fn facts(&self, heads: &[&str]) -> Facts {
        Facts {
            levels: vec![self.names(heads)],
            gates: heads.iter().map(|head| format!("gates.{head}.0.weight")).collect(),
            nothing_shared: (self.shared_experts == 0).then(|| "cgc has no shared experts".to_owned()),
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
        self.write_level(graph, "", heads, &vec![xs.to_owned(); heads.len() + 1], gates, false)
    }
}

impl Trunk for Cgc {
    fn forward(&self, xs: &Input, run: &mut Run) -> Result<Tensor> {
        self.level.forward(xs, run)
    }

    fn width(&self) -> usize {
        self.level.width()
    }
}

//! PLE: progressive layered extraction. H. Tang et al., *Progressive Layered Extraction (PLE): A Novel Multi-Task
//! Learning Model for Personalized Recommendations*, RecSys 2020, eq. 4-6.
//!
//! `y_t = tower_t(x_t^L)`, `x_t^l = g_t^l(x_t^{l-1}) · [f_t^l(x_t^{l-1}), f_s^l(x_s^{l-1})]`,
//! `x_s^l = g_s^l(x_s^{l-1}) · [f_1^l(x_1^{l-1}), …, f_T^l(x_T^{l-1}), f_s^l(x_s^{l-1})]`, `x_t^0 = x_s^0 = x`
//!
//! | symbol | code | shape | parameter |
//! |---|---|---|---|
//! | x | `xs` | `(B, D)` | |
//! | level l | `levels[l]` | `(B, S·H) → (B, S·H')` | `levels.{l}.` and the names of [`Cgc`] |
//! | g_s^l | a gate of level l, below one with shared experts | `(B, H) → (B, T·m + n)` | `levels.{l}.gates.shared.{i}.weight` `(I, 1, O)` |
//!
//! Task experts and gates read the task's stream, shared experts and the shared gate the shared stream. A level
//! above which nothing reads the shared stream, such as the last, has no shared gate.
//!
//! Differs from the paper: gates may have hidden layers and a temperature (both off by default), and have a bias.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;
use mt_layers::{Columns, Input, Run};
use serde_json::Value;

use crate::architecture::{Architecture, Facts, largest, scaled};
use crate::cgc::{Cgc, CgcConfig};
use crate::graph::Graph;
use crate::section::Section;
use crate::trunk::{Sizes, Trunk};

/// Sizes of a [`Ple`].
#[derive(Debug, Clone, PartialEq)]
pub struct PleConfig {
    /// One entry a level, from the input up.
    pub levels: Vec<CgcConfig>,
}

/// The trunk of stacked [`Cgc`] levels.
#[derive(Debug, Clone)]
pub struct Ple {
    levels: Vec<Cgc>,
}

impl Ple {
    /// Builds the trunk.
    pub fn new(cfg: &PleConfig, sizes: Sizes, vb: VarBuilder) -> Result<Self> {
        Self::with_columns(cfg, sizes, &[], vb)
    }

    /// As [`Ple::new`], with a gate of task `t` on the first level that reads `columns[t]` of the input; all of it where
    /// there is none. Gates above read the task's stream: the input does not reach them.
    pub fn with_columns(
        cfg: &PleConfig,
        sizes: Sizes,
        columns: &[Option<Columns>],
        vb: VarBuilder,
    ) -> Result<Self> {
        sizes.check()?;
        let mut streams: Vec<Range<usize>> = vec![0..sizes.inputs; sizes.heads.len() + 1];
        let mut levels: Vec<Cgc> = Vec::with_capacity(cfg.levels.len());
        for (l, level) in cfg.levels.iter().enumerate() {
            let read_above = cfg.is_read_above(l);
            let columns = if l == 0 { columns } else { &[] };
            let level = Cgc::level(level, sizes.heads, &streams, columns, read_above, vb.pp("levels").pp(l))?;
            let width = level.width();
            streams = (0..streams.len()).map(|s| s * width..(s + 1) * width).collect();
            levels.push(level);
        }
        if levels.is_empty() {
            bail!("ple needs at least one level")
        }
        Ok(Self { levels })
    }
}

impl PleConfig {
    /// Reads the keys of `kind: ple`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config), naming the key.
    pub fn read(section: &mut Section<'_>) -> crate::Result<Box<dyn Architecture>> {
        let temperature = section.above_zero("temperature", 1.0)?;
        // What a level leaves out is that of the section, which need not make a level of its own.
        let default = CgcConfig {
            experts_per_task: section.count("experts_per_task", 0, 2)?,
            shared_experts: section.count("shared_experts", 0, 2)?,
            expert: section.layers("expert", &[16])?,
            gate: section.units("gate", &[])?,
            ..CgcConfig::default_level(section)
        };
        let mut levels = Vec::new();
        for (l, keys) in section.entries("levels", 2)?.iter().enumerate() {
            let mut entry = section.entry("levels", l, keys);
            levels.push(CgcConfig::level_of(&mut entry, &default, temperature)?);
            entry.end(&[])?;
        }
        Ok(Box::new(PleConfig { levels }))
    }

    /// Whether a level has a gate for the shared stream: one that no level above reads would never learn.
    fn is_read_above(&self, level: usize) -> bool {
        self.levels[level + 1..].iter().any(|level| level.shared_experts > 0)
    }
}

impl Architecture for PleConfig {
    fn build(
        &self,
        sizes: Sizes<'_>,
        gates: &[Option<Columns>],
        vb: VarBuilder<'_>,
    ) -> Result<Box<dyn Trunk>> {
        Ok(Box::new(Ple::with_columns(self, sizes, gates, vb)?))
    }

    fn facts(&self, heads: &[&str]) -> Facts {
        let unshared = self.levels.last().is_none_or(|level| level.shared_experts == 0);
        Facts {
            levels: self.levels.iter().map(|level| level.names(heads)).collect(),
            gates: heads.iter().map(|head| format!("levels.0.gates.{head}.0.weight")).collect(),
            nothing_shared: unshared.then(|| "the highest level of ple has no shared experts".to_owned()),
        }
    }

    fn scale(&self, widest: usize, keys: &mut BTreeMap<String, Value>) {
        let of = self.levels.iter().map(|level| largest(&level.expert)).max().unwrap_or(1);
        let units = |level: &CgcConfig| scaled(&level.expert, of, widest);
        match keys.get_mut("levels").and_then(Value::as_array_mut) {
            Some(levels) => {
                let entries = levels.iter_mut().filter_map(Value::as_object_mut).zip(&self.levels);
                entries.for_each(|(entry, level)| drop(entry.insert("expert".to_owned(), units(level))));
            }
            None => drop(keys.insert("expert".to_owned(), units(&self.levels[0]))),
        }
    }

    fn graph(
        &self,
        graph: &mut dyn Graph,
        heads: &[&str],
        xs: &str,
        gates: &[String],
    ) -> crate::Result<Vec<String>> {
        let (mut streams, mut gates) = (vec![xs.to_owned(); heads.len() + 1], gates.to_vec());
        for (l, level) in self.levels.iter().enumerate() {
            let prefix = format!("levels.{l}.");
            streams = level.write_level(graph, &prefix, heads, &streams, &gates, self.is_read_above(l))?;
            gates.clone_from(&streams);
        }
        Ok(streams)
    }
}

impl Trunk for Ple {
    fn forward(&self, xs: &Input, run: &mut Run) -> Result<Tensor> {
        let top = self.levels.len() - 1;
        let mut streams = xs.clone();
        for level in &self.levels[..top] {
            streams = Input::Dense(level.below(&streams, run)?);
        }
        self.levels[top].forward(&streams, run)
    }

    fn width(&self) -> usize {
        self.levels[self.levels.len() - 1].width()
    }
}

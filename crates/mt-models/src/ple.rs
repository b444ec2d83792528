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

use std::ops::Range;

use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;
use mt_layers::{Columns, Input};

use crate::cgc::{Cgc, CgcConfig};
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
        let mut streams: Vec<Range<usize>> = vec![0..sizes.inputs; sizes.tasks.len() + 1];
        let mut levels: Vec<Cgc> = Vec::with_capacity(cfg.levels.len());
        for (l, level) in cfg.levels.iter().enumerate() {
            // A shared stream that no level above reads would have a gate that never learns.
            let read_above = cfg.levels[l + 1..].iter().any(|level| level.shared_experts > 0);
            let columns = if l == 0 { columns } else { &[] };
            let level = Cgc::level(level, sizes.tasks, &streams, columns, read_above, vb.pp("levels").pp(l))?;
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

impl Trunk for Ple {
    fn forward(&self, xs: &Input) -> Result<Tensor> {
        let top = self.levels.len() - 1;
        let mut streams = xs.clone();
        for level in &self.levels[..top] {
            streams = Input::Dense(level.below(&streams)?);
        }
        self.levels[top].forward(&streams)
    }

    fn width(&self) -> usize {
        self.levels[self.levels.len() - 1].width()
    }
}

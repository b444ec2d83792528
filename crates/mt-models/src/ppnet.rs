//! PPNet: a network a task, each of whose layers is weighed by a gate that knows a prior, such as who asks about what. J. Chang et al.,
//! *PEPNet: Parameter and Embedding Personalized Network for Infusing with Personalized Prior Information*, KDD 2023: its gate unit over
//! the layers of each task.
//!
//! `y_t = tower_t(h_t^L)`, `h_t^l = δ_t^l ⊙ relu(W_t^l h_t^{l-1} + b_t^l)`, `h_t^0 = x`, `[δ_t^1, …, δ_t^L] = 2 σ(g_t(x_p))`
//!
//! | symbol | code | shape | parameter |
//! |---|---|---|---|
//! | x | `xs` | `(B, D)` | |
//! | W_t^l, b_t^l | `layers[l][t]` | `(B, I) → (B, O)` | `bottoms.{task}.{l}.0.weight` `(I, 1, O)`, `….bias` `(1, O)` |
//! | x_p | the columns of a task's `gate_fields`, else x | `(B, P)` | |
//! | g_t | `gates[t]` | `(B, P) → (B, Σ O)` | `gates.{task}.{l}.weight` `(I, 1, O)`, `….bias` `(1, O)` |
//!
//! Differs from the paper: a gate reads the prior alone, not the input beside it without a gradient; the tower's own layers are not
//! weighed.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use mt_layers::{Bank, Columns, Initializer, Input, Norm, Read, Run, forward_side_by_side, sigmoid};
use serde_json::Value;

use crate::architecture::{Architecture, Facts, largest, scaled};
use crate::graph::Graph;
use crate::section::Section;
use crate::trunk::{Sizes, Trunk, gate_read};

/// Sizes of a [`Ppnet`].
#[derive(Debug, Clone, PartialEq)]
pub struct PpnetConfig {
    /// Units of each layer of each task's bottom; the last is the stream's width `H`.
    pub bottom: Vec<usize>,
    /// Hidden units of each gate.
    pub gate: Vec<usize>,
    /// Start values.
    pub init: Initializer,
    /// Normalisation of the layers of a bottom.
    pub norm: Norm,
}

/// The trunk of one bottom a task, whose layers are weighed.
#[derive(Debug, Clone)]
pub struct Ppnet {
    /// Of each layer, one a task.
    layers: Vec<Vec<Bank>>,
    gates: Vec<(Bank, Read)>,
}

impl Ppnet {
    /// Builds the trunk.
    pub fn new(cfg: &PpnetConfig, sizes: Sizes, vb: VarBuilder) -> Result<Self> {
        Self::with_columns(cfg, sizes, &[], vb)
    }

    /// As [`Ppnet::new`], with a gate of task `t` that reads `columns[t]` of the input; all of it where there is none.
    pub fn with_columns(
        cfg: &PpnetConfig,
        sizes: Sizes,
        columns: &[Option<Columns>],
        vb: VarBuilder,
    ) -> Result<Self> {
        sizes.check()?;
        let inputs = [&[sizes.inputs], &cfg.bottom[..]].concat();
        let layer = |l: usize, head: &str| {
            let vb = vb.pp("bottoms").pp(head).pp(l);
            let bank = Bank::experts(inputs[l], 1, &cfg.bottom[l..=l], cfg.init, vb.clone())?;
            bank.normalised(cfg.norm, vb)
        };
        let layers = |l: usize| sizes.heads.iter().map(|head| layer(l, head)).collect();
        let units = cfg.bottom.iter().sum();
        let gate = |(t, head): (usize, &&str)| {
            let read = gate_read(columns, t, &(0..sizes.inputs));
            let vb = vb.pp("gates").pp(head);
            Ok((Bank::gate(read.width(), units, &cfg.gate, cfg.init, vb)?, read))
        };
        Ok(Self {
            layers: (0..cfg.bottom.len()).map(layers).collect::<Result<_>>()?,
            gates: sizes.heads.iter().enumerate().map(gate).collect::<Result<_>>()?,
        })
    }

    /// The weights of all units of each task, `(B, Σ O)`.
    fn weights(&self, xs: &Input, run: &mut Run) -> Result<Vec<Tensor>> {
        let of = |(gate, read): &(Bank, Read)| {
            let logits = match read {
                Read::Columns(columns) => gate.forward(&columns.of(xs)?, run)?,
                _ => gate.forward(xs, run)?,
            };
            sigmoid(&logits)? * 2.0
        };
        self.gates.iter().map(of).collect()
    }
}

impl PpnetConfig {
    /// Reads the keys of `kind: ppnet`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config), naming the key.
    pub fn read(section: &mut Section<'_>) -> crate::Result<Box<dyn Architecture>> {
        let (bottom, gate) = (section.layers("bottom", &[128])?, section.units("gate", &[32])?);
        Ok(Box::new(PpnetConfig { bottom, gate, init: section.init(), norm: section.norm() }))
    }
}

impl Architecture for PpnetConfig {
    fn build(
        &self,
        sizes: Sizes<'_>,
        gates: &[Option<Columns>],
        vb: VarBuilder<'_>,
    ) -> Result<Box<dyn Trunk>> {
        Ok(Box::new(Ppnet::with_columns(self, sizes, gates, vb)?))
    }

    fn facts(&self, heads: &[&str]) -> Facts {
        Facts {
            gates: heads.iter().map(|head| format!("gates.{head}.0.weight")).collect(),
            nothing_shared: Some("ppnet has none".to_owned()),
            ..Facts::default()
        }
    }

    fn scale(&self, widest: usize, keys: &mut BTreeMap<String, Value>) {
        keys.insert("bottom".to_owned(), scaled(&self.bottom, largest(&self.bottom), widest));
    }

    fn graph(
        &self,
        graph: &mut dyn Graph,
        heads: &[&str],
        xs: &str,
        gates: &[String],
    ) -> crate::Result<Vec<String>> {
        let stream = |(head, read): (&&str, &String)| {
            let logits = graph.mlp(&format!("gates.{head}"), self.gate.len() + 1, read, false)?;
            let halves = graph.node("Sigmoid", &[&logits], &[]);
            let weights = graph.node("Add", &[&halves, &halves], &[]);
            let (mut xs, mut at) = (xs.to_owned(), 0);
            for (l, &units) in self.bottom.iter().enumerate() {
                let layer = graph.mlp(&format!("bottoms.{head}.{l}"), 1, &xs, true)?;
                let own: Vec<u32> = (at..at + units as u32).collect();
                let own = graph.columns(&weights, &own);
                (xs, at) = (graph.node("Mul", &[&layer, &own], &[]), at + units as u32);
            }
            Ok(xs)
        };
        heads.iter().zip(gates).map(stream).collect()
    }
}

impl Trunk for Ppnet {
    fn forward(&self, xs: &Input, run: &mut Run) -> Result<Tensor> {
        let (mut at, inputs, weights) = (0, xs.width()?, self.weights(xs, run)?);
        let mut streams = xs.clone();
        for (l, banks) in self.layers.iter().enumerate() {
            let units = banks[0].outputs();
            let below = if l == 0 { inputs } else { self.layers[l - 1][0].outputs() };
            let start = |t: usize| if l == 0 { 0 } else { t * below };
            let reads: Vec<_> =
                banks.iter().enumerate().map(|(t, bank)| (bank, start(t)..start(t) + below)).collect();
            let own =
                weights.iter().map(|weights| weights.narrow(1, at, units)).collect::<Result<Vec<_>>>()?;
            streams = (forward_side_by_side(&reads, &streams, run)? * Tensor::cat(&own, 1)?)?.into();
            at += units;
        }
        let anchor = &weights[0];
        streams.to_dense(anchor.dtype(), anchor.device())
    }

    fn width(&self) -> usize {
        self.layers[self.layers.len() - 1][0].outputs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::assert_golden;
    use candle_core::{DType, Device};
    use mt_layers::Params;

    /// PyTorch's 64-bit numbers, rounded to six places:
    ///
    /// ```python
    /// import torch
    /// wave = lambda k, *shape: torch.sin(torch.arange(torch.Size(shape).numel(), dtype=torch.float64) * k + 0.3) \
    ///     .reshape(shape).requires_grad_()
    /// layer = lambda k, inputs, units: (wave(k, inputs, units), wave(k + 0.05, units))
    /// lin = lambda x, layer: x @ layer[0] + layer[1]
    /// x, streams, all = wave(0.9, 2, 4), [], []
    /// for k, prior in [(0.5, [1, 3]), (0.7, [0, 1, 2, 3])]:
    ///     w1, w2, g1, g2 = own = layer(k, 4, 3), layer(k + 0.3, 3, 2), layer(k + 0.6, len(prior), 3), layer(k + 0.9, 3, 5)
    ///     d = 2 * torch.sigmoid(lin(torch.relu(lin(x[:, prior], g1)), g2))
    ///     streams.append(torch.relu(lin(torch.relu(lin(x, w1)) * d[:, :3], w2)) * d[:, 3:])
    ///     all += own
    /// y = torch.cat(streams, 1)
    /// (y * torch.arange(1, 9, dtype=torch.float64).reshape(2, 4)).sum().backward()
    /// for t in [y] + [all[i][0].grad for i in (0, 5, 2, 7)]: print([round(e, 6) for e in t.flatten().tolist()])
    /// ```
    #[test]
    fn values_and_gradients_are_those_of_pytorch() -> Result<()> {
        let expected: [(&str, &[f32]); 5] = [
            ("", &[0.169_808, 4.926_596, 0.449_378, 1.540_614, 0.095_195, 0.547_785, 0.610_362, 0.673_099]),
            (
                "bottoms.a.0.0.weight",
                &[
                    1.505_752, 0.739_821, 3.795_335, 4.748_979, 2.333_315, 5.203_118, 4.398_274, 2.161_003,
                    2.673_286, 0.719_043, 0.353_287, -1.879_636,
                ],
            ),
            ("bottoms.b.1.0.weight", &[1.120_009, 3.139_492, 8.620_097, 20.225_158, 3.815_694, 8.750_818]),
            ("gates.a.0.weight", &[-0.810_784, 1.154_047, 2.550_862, -0.122_761, 0.174_734, 0.386_226]),
            (
                "gates.b.1.weight",
                &[
                    0.248_12, 0.337_014, -2.326_23, 0.932_561, 0.673_416, 0.726_335, 1.502_323, -9.822_894,
                    3.606_247, 2.124_751, 0.077_215, 0.345_613, -2.130_343, 0.699_234, 0.281_177,
                ],
            ),
        ];
        let device = &Device::Cpu;
        let params = Params::new(1);
        let (init, norm) = (Initializer::Xavier, Norm::None);
        let cfg = PpnetConfig { bottom: vec![3, 2], gate: vec![3], init, norm };
        let sizes = Sizes { inputs: 4, heads: &["a", "b"] };
        let columns = [Some(Columns::new(vec![1, 3], device)?), None];
        let ppnet = Ppnet::with_columns(&cfg, sizes, &columns, params.builder(DType::F32, device))?;
        let layers = [("a", 0.5, 2), ("b", 0.7, 4)].into_iter().flat_map(|(head, k, prior)| {
            [
                (format!("bottoms.{head}.0.0"), k, 4, 3),
                (format!("bottoms.{head}.1.0"), k + 0.3, 3, 2),
                (format!("gates.{head}.0"), k + 0.6, prior, 3),
                (format!("gates.{head}.1"), k + 0.9, 3, 5),
            ]
        });
        assert_golden(&ppnet, &params, layers, &expected)
    }
}

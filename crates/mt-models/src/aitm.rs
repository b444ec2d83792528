//! AITM: adaptive information transfer multi-task. D. Xi et al., *Modeling the Sequential Dependence among Audience Multi-step
//! Conversions with Multi-task Learning in Targeted Display Advertising*, KDD 2021: its AIT module.
//!
//! `y_t = tower_t(z_t)`, `z_1 = q_1`, `z_t = Σ_u w_u V_t u` over `u` of `p_t` and `q_t`, `p_t = g_t(z_{t-1})`, `q_t = f_t(x)`,
//! `w = softmax((Q_t u · K_t u) / √H)`
//!
//! | symbol | code | shape | parameter |
//! |---|---|---|---|
//! | x | `xs` | `(B, D)` | |
//! | f_t | `bottoms[t]` | `(B, D) → (B, H)` | `bottoms.{task}.{l}.weight` `(I, 1, O)`, `….bias` `(1, O)` |
//! | g_t | `pass` | `(B, H) → (B, H)`, ReLU | `transfers.{task}.pass.0.weight` `(H, 1, H)`, `….bias` `(1, H)` |
//! | V_t, Q_t, K_t | `value`, `query`, `key` | `(B, H) → (B, H)` | likewise under `transfers.{task}.value`, `….query`, `….key` |
//!
//! The first task has no transfer. What passes from one to the next is what the tower reads, not what it says, so tasks may be
//! of any kind.
//!
//! Differs from the paper: projections have a bias, and what keeps the probability of a step from being above that of the step before
//! (its calibrator, a part of the loss) is the joint loss `order`; where a step implies the one before, a product of tasks never is.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use mt_layers::{Bank, Columns, Initializer, Input, Mixture, Norm, Run, forward_side_by_side};
use serde_json::Value;

use crate::architecture::{Architecture, Facts, largest, scaled};
use crate::graph::Graph;
use crate::section::Section;
use crate::trunk::{Sizes, Trunk};

/// Sizes of an [`Aitm`].
#[derive(Debug, Clone, PartialEq)]
pub struct AitmConfig {
    /// Units of each layer of each task's bottom; the last is the stream's width `H`.
    pub bottom: Vec<usize>,
    /// Start values.
    pub init: Initializer,
    /// Normalisation of the layers of a bottom.
    pub norm: Norm,
}

/// The trunk of one bottom a task, each of which hears from the task before.
#[derive(Debug, Clone)]
pub struct Aitm {
    bottoms: Vec<Bank>,
    /// Of each task but the first.
    transfers: Vec<Transfer>,
}

/// What a task takes from the one before.
#[derive(Debug, Clone)]
struct Transfer {
    pass: Bank,
    value: Bank,
    query: Bank,
    key: Bank,
    mixture: Mixture,
}

impl Aitm {
    /// Builds the trunk.
    pub fn new(cfg: &AitmConfig, sizes: Sizes, vb: VarBuilder) -> Result<Self> {
        sizes.check()?;
        let bottom = |head| {
            let vb = vb.pp("bottoms").pp(head);
            let bottom = Bank::experts(sizes.inputs, 1, &cfg.bottom, cfg.init, vb.clone())?;
            bottom.normalised(cfg.norm, vb)
        };
        let bottoms = sizes.heads.iter().map(bottom).collect::<Result<Vec<_>>>()?;
        let width = bottoms[0].outputs();
        let transfer = |head| Transfer::new(width, cfg.init, vb.pp("transfers").pp(head));
        Ok(Self { bottoms, transfers: sizes.heads[1..].iter().map(transfer).collect::<Result<_>>()? })
    }
}

impl Transfer {
    fn new(width: usize, init: Initializer, vb: VarBuilder) -> Result<Self> {
        let project = |name| Bank::gate(width, width, &[], init, vb.pp(name));
        Ok(Self {
            pass: Bank::experts(width, 1, &[width], init, vb.pp("pass"))?,
            value: project("value")?,
            query: project("query")?,
            key: project("key")?,
            mixture: Mixture::new(width, vec![vec![0, 1]], (width as f64).sqrt())?,
        })
    }

    /// The stream `z_{t-1}` of the task before and the task's own `q_t`, both `(B, H)`, to its stream `z_t`.
    fn forward(&self, before: Tensor, own: Tensor, run: &mut Run) -> Result<Tensor> {
        let width = self.pass.outputs();
        let maps = [&self.value, &self.query, &self.key].map(|map| (map, 0..width));
        let (mut values, mut scores) = (Vec::new(), Vec::new());
        for read in [self.pass.forward(&before.into(), run)?, own] {
            let mapped = forward_side_by_side(&maps, &read.into(), run)?;
            let part = |i: usize| mapped.narrow(1, i * width, width);
            // Side by side, only contiguous tensors come out contiguous, as fused mixtures want them.
            values.push(part(0)?.contiguous()?);
            scores.push((part(1)? * part(2)?)?.sum_keepdim(1)?);
        }
        self.mixture.forward(&Tensor::cat(&values, 1)?, &Tensor::cat(&scores, 1)?, run)
    }
}

impl AitmConfig {
    /// Reads the keys of `kind: aitm`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config), naming the key.
    pub fn read(section: &mut Section<'_>) -> crate::Result<Box<dyn Architecture>> {
        let bottom = section.layers("bottom", &[128])?;
        Ok(Box::new(AitmConfig { bottom, init: section.init(), norm: section.norm() }))
    }
}

impl Architecture for AitmConfig {
    fn build(&self, sizes: Sizes<'_>, _: &[Option<Columns>], vb: VarBuilder<'_>) -> Result<Box<dyn Trunk>> {
        Ok(Box::new(Aitm::new(self, sizes, vb)?))
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
        let mut streams: Vec<String> = Vec::with_capacity(heads.len());
        for head in heads {
            let own = graph.mlp(&format!("bottoms.{head}"), self.bottom.len(), xs, true)?;
            let stream = match streams.last() {
                Some(before) => write_transfer(graph, &format!("transfers.{head}"), before, &own)?,
                None => own,
            };
            streams.push(stream);
        }
        Ok(streams)
    }
}

/// Writes what [`Transfer::forward`] does. The softmax of two is written as `w = σ(s_p - s_q)`, `z = V q + w (V p - V q)`.
fn write_transfer(graph: &mut dyn Graph, name: &str, before: &str, own: &str) -> crate::Result<String> {
    let passed = graph.mlp(&format!("{name}.pass"), 1, before, true)?;
    // The sum over a row's products, divided by √H.
    let bias = graph.parameter(&format!("{name}.key.0.bias"))?;
    let share = (bias.elem_count() as f64).powf(-0.5);
    let shares = (bias.flatten_all()?.ones_like()? * share)?.unsqueeze(1)?;
    let shares = graph.constant(&format!("{name}.shares"), &shares)?;
    let mut of = |xs: &str| -> crate::Result<[String; 2]> {
        let [value, query, key] = ["value", "query", "key"].map(|map| format!("{name}.{map}"));
        let (query, key) = (graph.mlp(&query, 1, xs, false)?, graph.mlp(&key, 1, xs, false)?);
        let products = graph.node("Mul", &[&query, &key], &[]);
        Ok([graph.mlp(&value, 1, xs, false)?, graph.node("MatMul", &[&products, &shares], &[])])
    };
    let ([passed, score_passed], [own, score_own]) = (of(&passed)?, of(own)?);
    let scores = graph.node("Sub", &[&score_passed, &score_own], &[]);
    let weight = graph.node("Sigmoid", &[&scores], &[]);
    let differences = graph.node("Sub", &[&passed, &own], &[]);
    let weighted = graph.node("Mul", &[&weight, &differences], &[]);
    Ok(graph.node("Add", &[&own, &weighted], &[]))
}

impl Trunk for Aitm {
    fn forward(&self, xs: &Input, run: &mut Run) -> Result<Tensor> {
        let (columns, width) = (xs.width()?, self.width());
        let reads: Vec<_> = self.bottoms.iter().map(|bottom| (bottom, 0..columns)).collect();
        // All but the last are read by the tasks behind, too.
        let own = forward_side_by_side(&reads, xs, run)?;
        let own = run.tap(own, 0..self.transfers.len() * width)?;
        let own = |t: usize| own.narrow(1, t * width, width)?.contiguous();
        let mut streams = vec![own(0)?];
        for (t, transfer) in self.transfers.iter().enumerate() {
            streams.push(transfer.forward(streams[t].clone(), own(t + 1)?, run)?);
        }
        Tensor::cat(&streams, 1)
    }

    fn width(&self) -> usize {
        self.bottoms[0].outputs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};
    use mt_layers::Params;

    /// Of the layers of three tasks and their transfers, what their start values follow from.
    const LAYERS: [(&str, f64); 11] = [
        ("bottoms.a.0", 0.7),
        ("bottoms.b.0", 1.1),
        ("bottoms.c.0", 1.3),
        ("transfers.b.pass.0", 0.5),
        ("transfers.c.pass.0", 0.7),
        ("transfers.b.value.0", 0.8),
        ("transfers.c.value.0", 1.0),
        ("transfers.b.query.0", 1.2),
        ("transfers.c.query.0", 1.4),
        ("transfers.b.key.0", 1.7),
        ("transfers.c.key.0", 1.9),
    ];

    /// Streams of two rows, and the gradients of four parameters: of candle's operations in double precision, of fused ones
    /// in single.
    fn found(dtype: DType) -> Result<Vec<Vec<f32>>> {
        let device = &Device::Cpu;
        let wave = |k: f64, shape: &[usize]| {
            let count = shape.iter().product::<usize>();
            let values = (0..count).map(|i| (i as f64 * k + 0.3).sin()).collect::<Vec<_>>();
            Tensor::from_vec(values, shape, device)?.to_dtype(dtype)
        };
        let params = Params::new(1);
        let cfg = AitmConfig { bottom: vec![3], init: Initializer::Xavier, norm: Norm::None };
        let sizes = Sizes { inputs: 4, heads: &["a", "b", "c"] };
        let aitm = Aitm::new(&cfg, sizes, params.builder(dtype, device))?;
        let mut values = BTreeMap::new();
        for (layer, k) in LAYERS {
            let inputs = if layer.starts_with("bottoms") { 4 } else { 3 };
            values.insert(format!("{layer}.weight"), wave(k, &[inputs, 1, 3])?);
            values.insert(format!("{layer}.bias"), wave(k + 0.05, &[1, 3])?);
        }
        params.assign(&values)?;
        let xs = Input::from(wave(0.9, &[2, 4])?);
        let factors = Tensor::from_vec((1..19).map(f64::from).collect::<Vec<_>>(), (2, 9), device)?;
        let loss = |run: &mut Run| (aitm.forward(&xs, run)? * factors.to_dtype(dtype)?)?.sum_all();
        let store = match dtype {
            DType::F64 => Some(loss(&mut Run::training())?.backward()?),
            _ => params.backward(loss).map(|_| None)?,
        };
        let mut found =
            vec![aitm.forward(&xs, &mut Run::evaluation())?.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?];
        let names = ["bottoms.a.0.weight", "transfers.c.pass.0.weight", "transfers.b.value.0.bias"];
        for name in names.into_iter().chain(["transfers.c.query.0.weight", "transfers.b.key.0.weight"]) {
            let param = params.all().into_iter().find(|param| param.name == name).expect("a parameter");
            found.push(match &store {
                Some(store) => {
                    let gradient = store.get(&param.var).expect("a gradient");
                    gradient.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?
                }
                None => param.gradient.lock().host.clone(),
            });
        }
        Ok(found)
    }

    /// PyTorch's 64-bit numbers, rounded to six places:
    ///
    /// ```python
    /// import torch
    /// wave = lambda k, *shape: torch.sin(torch.arange(torch.Size(shape).numel(), dtype=torch.float64) * k + 0.3) \
    ///     .reshape(shape).requires_grad_()
    /// layer = lambda k, inputs: (wave(k, inputs, 3), wave(k + 0.05, 3))
    /// lin = lambda x, layer: x @ layer[0] + layer[1]
    /// x, f = wave(0.9, 2, 4), [layer(k, 4) for k in (0.7, 1.1, 1.3)]
    /// g, v, q, k = ([layer(k, 3), layer(k + 0.2, 3)] for k in (0.5, 0.8, 1.2, 1.7))
    /// z = [torch.relu(lin(x, f[0]))]
    /// for t in range(2):
    ///     u = torch.stack([torch.relu(lin(z[t], g[t])), torch.relu(lin(x, f[t + 1]))], 1)
    ///     w = torch.softmax((lin(u, q[t]) * lin(u, k[t])).sum(-1, keepdim=True) / 3 ** 0.5, 1)
    ///     z.append((w * lin(u, v[t])).sum(1))
    /// y = torch.cat(z, 1)
    /// (y * torch.arange(1, 19, dtype=torch.float64).reshape(2, 9)).sum().backward()
    /// for t in [y, f[0][0].grad, g[1][0].grad, v[0][1].grad, q[1][0].grad, k[0][0].grad]:
    ///     print([round(e, 6) for e in t.flatten().tolist()])
    /// ```
    #[test]
    fn values_and_gradients_are_those_of_pytorch() -> Result<()> {
        let expected: [&[f32]; 6] = [
            &[
                0.212_562, 0.512_257, 0.513_514, 0.211_682, 0.840_865, 0.892_950, 0.272_962, 0.835_718,
                0.546_731, 0.054_769, 0.998_719, 1.415_44, 0.679_876, 1.375_774, 1.170_106, 0.266_289,
                0.855_946, 0.575_263,
            ],
            &[
                -2.758_373,
                -21.430_09,
                -13.235_513,
                -5.552_712,
                -28.200_896,
                -15.337_928,
                -4.144_869,
                -13.629_826,
                -5.832_904,
                0.399_728,
                11.256_025,
                8.086_345,
            ],
            &[
                23.401_497,
                -18.352_427,
                16.447_27,
                51.856_734,
                -40.847_44,
                36.675_397,
                46.044_966,
                -36.340_06,
                32.655_16,
            ],
            &[31.074_204, 27.678_68, -1.836_999],
            &[
                0.076_732, -1.066_886, 0.629_669, 0.619_38, -8.951_47, 5.408_062, 0.147_864, 0.339_714,
                -0.416_296,
            ],
            &[
                0.776_346, 5.331_644, 2.750_237, 0.019_187, 2.101_464, 1.439_555, -0.296_603, -0.557_473,
                -0.022_172,
            ],
        ];
        for (dtype, epsilon) in [(DType::F64, 2e-6), (DType::F32, 2e-5)] {
            for (found, expected) in found(dtype)?.iter().zip(expected) {
                approx::assert_relative_eq!(found[..], *expected, epsilon = epsilon, max_relative = epsilon);
            }
        }
        Ok(())
    }
}

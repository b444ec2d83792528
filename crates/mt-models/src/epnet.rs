//! EPNet: the input's columns, each weighed by a gate that knows a prior, such as who asks and where. J. Chang et al., *PEPNet: Parameter
//! and Embedding Personalized Network for Infusing with Personalized Prior Information*, KDD 2023: its gate unit over embeddings.
//!
//! `x' = x ⊙ 2 σ(W_2 relu(W_1 x̃ + b_1) + b_2)`
//!
//! | symbol | code | shape | parameter |
//! |---|---|---|---|
//! | x | `xs` | `(B, D)` | |
//! | x̃ | `read`: x, whose gradient goes to the prior's columns alone | `(B, D)` | |
//! | W_1, W_2 | `gate` | `(B, D) → (B, H) → (B, D)` | `{l}.weight` `(I, 1, O)`, `{l}.bias` `(1, O)` |
//!
//! Differs from the paper: the prior is some of the input's columns, so it is read with them and not once more beside them.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use mt_layers::{Bank, Initializer, Input, Run, sigmoid};

use crate::graph::Graph;
use crate::section::Section;
use crate::stage::{Stage, Transform};

/// Sizes of an [`Epnet`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpnetConfig {
    /// Fields and numeric columns that are the prior.
    pub fields: Vec<String>,
    /// Hidden units `H` of the gate.
    pub hidden: usize,
    /// Start values.
    pub init: Initializer,
}

/// A gate over the input with its parameters.
#[derive(Debug, Clone)]
pub struct Epnet {
    gate: Bank,
    /// 1 in the prior's columns and 0 in the others, and the other way round: `(D)`.
    prior: Tensor,
    others: Tensor,
}

impl EpnetConfig {
    /// Reads the keys of `kind: epnet`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config), naming the key.
    pub fn read(section: &mut Section<'_>) -> crate::Result<Box<dyn Stage>> {
        let fields = section.names("fields", "the fields that the gate learns from, such as [tab]")?;
        Ok(Box::new(EpnetConfig { fields, hidden: section.count("hidden", 1, 32)?, init: section.init() }))
    }
}

impl Epnet {
    /// Builds the gate for `inputs` columns, of which `prior` are those of the prior.
    ///
    /// # Errors
    /// If `vb` cannot provide a parameter.
    pub fn new(cfg: &EpnetConfig, inputs: usize, prior: &[u32], vb: VarBuilder<'_>) -> Result<Self> {
        let of = |column: usize| f32::from(u8::from(prior.contains(&(column as u32))));
        let prior = Tensor::from_iter((0..inputs).map(of), vb.device())?.to_dtype(vb.dtype())?;
        let others = prior.affine(-1.0, 1.0)?;
        Ok(Self { gate: Bank::gate(inputs, inputs, &[cfg.hidden], cfg.init, vb)?, prior, others })
    }
}

impl Transform for Epnet {
    fn forward(&self, xs: &Input, run: &mut Run) -> Result<Input> {
        let xs = xs.to_dense(self.prior.dtype(), self.prior.device())?;
        let read = (xs.broadcast_mul(&self.prior)? + xs.detach().broadcast_mul(&self.others)?)?;
        let weights = sigmoid(&self.gate.forward(&read.into(), run)?)?;
        Ok(((xs * weights)? * 2.0)?.into())
    }
}

impl Stage for EpnetConfig {
    fn fields(&self) -> &[String] {
        &self.fields
    }

    fn build(&self, inputs: usize, own: &[u32], vb: VarBuilder<'_>) -> Result<Box<dyn Transform>> {
        Ok(Box::new(Epnet::new(self, inputs, own, vb)?))
    }

    fn graph(&self, graph: &mut dyn Graph, name: &str, xs: &str, _: &[u32]) -> crate::Result<String> {
        let logits = graph.mlp(name, 2, xs, false)?;
        let weights = graph.node("Sigmoid", &[&logits], &[]);
        let weighed = graph.node("Mul", &[xs, &weights], &[]);
        Ok(graph.node("Add", &[&weighed, &weighed], &[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device, Var};
    use mt_layers::Params;

    /// PyTorch's 64-bit numbers, rounded to six places:
    ///
    /// ```python
    /// import torch
    /// wave = lambda k, *shape: torch.sin(torch.arange(torch.Size(shape).numel(), dtype=torch.float64) * k + 0.3) \
    ///     .reshape(shape).requires_grad_()
    /// x, w1, b1, w2, b2 = wave(0.9, 2, 5), wave(0.7, 5, 3), wave(1.1, 3), wave(1.3, 3, 5), wave(0.4, 5)
    /// prior, others = x[:, [1, 3]], x[:, [0, 2, 4]].detach()
    /// h = torch.relu(prior @ w1[[1, 3]] + others @ w1[[0, 2, 4]] + b1)
    /// y = x * 2 * torch.sigmoid(h @ w2 + b2)
    /// (y * torch.arange(1, 11, dtype=torch.float64).reshape(2, 5)).sum().backward()
    /// for t in [y, x.grad, w1.grad, w2.grad]: print([round(e, 6) for e in t.flatten().tolist()])
    /// ```
    #[test]
    fn values_and_gradients_are_those_of_pytorch() -> Result<()> {
        let device = &Device::Cpu;
        let wave = |k: f64, shape: &[usize]| {
            let count = shape.iter().product::<usize>();
            let values = (0..count).map(|i| (i as f64 * k + 0.3).sin() as f32).collect::<Vec<_>>();
            Tensor::from_vec(values, shape, device)
        };
        let params = Params::new(1);
        let cfg = EpnetConfig { fields: vec![], hidden: 3, init: Initializer::Xavier };
        let gate = Epnet::new(&cfg, 5, &[1, 3], params.builder(DType::F32, device))?;
        let values = [
            ("0.weight", wave(0.7, &[5, 1, 3])?),
            ("0.bias", wave(1.1, &[1, 3])?),
            ("1.weight", wave(1.3, &[3, 1, 5])?),
            ("1.bias", wave(0.4, &[1, 5])?),
        ];
        params.assign(&values.into_iter().map(|(name, values)| (name.to_owned(), values)).collect())?;
        let xs = Var::from_tensor(&wave(0.9, &[2, 5])?)?;
        let out = |run: &mut Run| {
            gate.forward(&Input::from(xs.as_tensor().clone()), run)?.to_dense(DType::F32, device)
        };
        let factors = Tensor::from_vec((1..11).map(|i| i as f32).collect::<Vec<_>>(), (2, 5), device)?;
        let loss = |run: &mut Run| (out(run)? * &factors)?.sum_all();
        let store = loss(&mut Run::training())?.backward()?;
        params.backward(loss)?;
        let mut found: Vec<Vec<f32>> = vec![out(&mut Run::evaluation())?.flatten_all()?.to_vec1()?];
        found.push(store.get(&xs).expect("a gradient").flatten_all()?.to_vec1()?);
        for name in ["0.weight", "1.weight"] {
            let param = params.all().into_iter().find(|param| param.name == name).expect("a parameter");
            found.push(param.gradient.lock().host.clone());
        }
        let expected: [&[f32]; 4] = [
            &[
                0.429_618, 1.587_465, 1.190_441, 0.130_175, -0.831_002, -1.387_521, -0.927_862, 0.444_094,
                0.926_006, 1.015_646,
            ],
            &[
                1.453_77, 3.104_44, 4.137_26, 5.239_443, 6.041_309, 8.357_182, 11.116_053, 11.403_793,
                -9.172_264, 11.884_47,
            ],
            &[
                8.080_383, 8.773_852, 8.557_986, 4.466_882, 5.739_278, 5.170_716, -2.527_066, -1.638_667,
                -2.129_649, -7.608_581, -7.776_501, -7.818_338, -6.932_074, -8.029_235, -7.590_265,
            ],
            &[
                -0.463_555, -0.187_683, 0.187_197, 0.774_102, 0.755_933, -1.616_138, -0.394_551, 1.361_629,
                2.991_031, 1.744_136, -0.501_745, 0.037_492, 0.859_344, 1.108_538, -0.007_436,
            ],
        ];
        for (found, expected) in found.iter().zip(expected) {
            approx::assert_relative_eq!(found[..], *expected, epsilon = 2e-5, max_relative = 2e-5);
        }
        Ok(())
    }
}

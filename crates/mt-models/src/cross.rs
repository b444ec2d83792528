//! Cross layers of DCN-V2, in their low-rank form. R. Wang et al., *DCN V2: Improved Deep & Cross Network and Practical Lessons for
//! Web-scale Learning to Rank Systems*, WWW 2021, eq. 1 and 3, stacked under a network (fig. 1a).
//!
//! `x_{l+1} = x_0 ⊙ (U_l (V_lᵀ x_l) + b_l) + x_l`
//!
//! | symbol | code | shape | parameter |
//! |---|---|---|---|
//! | x_l | `xs` | `(B, D)` | |
//! | V_l, U_l | | `(D, r)` | `{l}.into`, `{l}.out` |
//! | b_l | | `(D)` | `{l}.bias` |
//!
//! Differs from the paper: no mixture of such layers (its section 3.4), and none of full rank.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use mt_layers::{Bank, Initializer, Input, Run};

use crate::graph::Graph;
use crate::section::Section;
use crate::stage::{Stage, Transform};

/// Sizes of cross layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrossConfig {
    /// Number of layers.
    pub layers: usize,
    /// Rank `r` of each.
    pub rank: usize,
    /// Start values.
    pub init: Initializer,
}

/// Cross layers with their parameters.
#[derive(Debug, Clone)]
pub struct Cross {
    /// Of each layer `V`, `Uᵀ` and `b`.
    layers: Vec<[Tensor; 3]>,
}

impl CrossConfig {
    /// Reads the keys of `kind: cross`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config), naming the key.
    pub fn read(section: &mut Section<'_>) -> crate::Result<Box<dyn Stage>> {
        Ok(Box::new(CrossConfig {
            layers: section.count("layers", 1, 2)?,
            rank: section.count("rank", 1, 32)?,
            init: section.init(),
        }))
    }
}

impl Cross {
    /// Builds the layers for `inputs` columns.
    ///
    /// # Errors
    /// If `vb` cannot provide a parameter.
    pub fn new(cfg: &CrossConfig, inputs: usize, vb: VarBuilder<'_>) -> Result<Self> {
        let layer = |l: usize| {
            let (vb, rank, init) = (vb.pp(l), cfg.rank, cfg.init);
            Ok([
                vb.get_with_hints((inputs, rank), "into", init.weight(inputs, rank))?,
                vb.get_with_hints((inputs, rank), "out", init.weight(rank, inputs))?.t()?,
                vb.get_with_hints(inputs, "bias", init.bias())?,
            ])
        };
        Ok(Self { layers: (0..cfg.layers).map(layer).collect::<Result<_>>()? })
    }
}

impl Transform for Cross {
    fn forward(&self, xs: &Input, run: &mut Run) -> Result<Input> {
        let [_, _, bias] = &self.layers[0];
        let first = xs.to_dense(bias.dtype(), bias.device())?;
        let mut xs = first.clone();
        for [into, out, bias] in &self.layers {
            // `out` lies along the inputs and is read turned, so trained it is no operand of a bank, which takes parameters as they lie.
            let crossed = match into.track_op() {
                true => xs.matmul(into)?.matmul(out)?.broadcast_add(bias)?,
                false => {
                    let none = Tensor::zeros(into.dim(1)?, into.dtype(), into.device())?;
                    let low = Bank::linear(into.clone(), none)?.forward(&xs.clone().into(), run)?;
                    Bank::linear(out.contiguous()?, bias.clone())?.forward(&low.into(), run)?
                }
            };
            xs = ((&first * crossed)? + xs)?;
        }
        Ok(xs.into())
    }
}

impl Stage for CrossConfig {
    fn build(&self, inputs: usize, _: &[u32], vb: VarBuilder<'_>) -> Result<Box<dyn Transform>> {
        Ok(Box::new(Cross::new(self, inputs, vb)?))
    }

    fn graph(&self, graph: &mut dyn Graph, name: &str, first: &str, _: &[u32]) -> crate::Result<String> {
        let mut xs = first.to_owned();
        for l in 0..self.layers {
            let constant = |graph: &mut dyn Graph, what: &str, turned: bool| {
                let name = format!("{name}.{l}.{what}");
                let values = graph.parameter(&name)?;
                graph.constant(&name, &if turned { values.t()? } else { values })
            };
            let (into, out) = (constant(graph, "into", false)?, constant(graph, "out", true)?);
            let bias = constant(graph, "bias", false)?;
            let low = graph.node("MatMul", &[&xs, &into], &[]);
            let sums = graph.node("Gemm", &[&low, &out, &bias], &[]);
            let crossed = graph.node("Mul", &[first, &sums], &[]);
            xs = graph.node("Add", &[&crossed, &xs], &[]);
        }
        Ok(xs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device, Var};

    /// PyTorch's 64-bit numbers, rounded to six places:
    ///
    /// ```python
    /// import torch
    /// wave = lambda k, *shape: torch.sin(torch.arange(torch.Size(shape).numel(), dtype=torch.float64) * k + 0.3) \
    ///     .reshape(shape).requires_grad_()
    /// x, v, u, b = wave(0.9, 2, 4), [wave(0.7, 4, 2), wave(1.1, 4, 2)], [wave(0.5, 4, 2), wave(1.3, 4, 2)], [wave(1.7, 4), wave(0.4, 4)]
    /// y = x
    /// for l in range(2): y = x * (y @ v[l] @ u[l].T + b[l]) + y
    /// (y * torch.arange(1, 9, dtype=torch.float64).reshape(2, 4)).sum().backward()
    /// for t in [y, x.grad, v[0].grad, u[1].grad, b[0].grad]: print([round(e, 6) for e in t.flatten().tolist()])
    /// ```
    #[test]
    fn values_and_gradients_are_those_of_pytorch() -> Result<()> {
        let device = &Device::Cpu;
        let wave = |k: f64, rows: usize, columns: usize| {
            let values = (0..rows * columns).map(|i| (i as f64 * k + 0.3).sin()).collect::<Vec<_>>();
            Var::from_vec(values, (rows, columns), device)
        };
        let (xs, v, u) =
            (wave(0.9, 2, 4)?, [wave(0.7, 4, 2)?, wave(1.1, 4, 2)?], [wave(0.5, 4, 2)?, wave(1.3, 4, 2)?]);
        let b = [wave(1.7, 1, 4)?, wave(0.4, 1, 4)?];
        let layer = |l: usize| Ok([v[l].as_tensor().clone(), u[l].t()?, b[l].flatten_all()?]);
        let cross = Cross { layers: (0..2).map(layer).collect::<Result<_>>()? };
        let out = cross.forward(&Input::from(xs.as_tensor().clone()), &mut Run::evaluation())?;
        let out = out.to_dense(DType::F64, device)?;
        let factors = Tensor::from_vec((1..9).map(f64::from).collect::<Vec<_>>(), (2, 4), device)?;
        let store = (&out * factors)?.sum_all()?.backward()?;
        let mut found = vec![out.flatten_all()?.to_vec1::<f64>()?];
        for var in [&xs, &v[0], &u[1], &b[0]] {
            found.push(store.get(var).expect("a gradient").flatten_all()?.to_vec1()?);
        }
        let expected: [&[f64]; 5] = [
            &[0.299_427, 4.575_699, 0.832_302, 0.233_675, -0.064_021, -0.130_139, 0.173_603, 0.698_720],
            &[3.690_145, 13.907_414, 2.537_886, 0.827_354, -13.526_478, -19.722_618, 8.026_374, 41.574_732],
            &[8.520_372, 9.534_913, 14.265_114, 15.002_443, 9.214_302, 9.116_423, -2.809_710, -3.668_724],
            &[0.028_838, 0.366_338, 1.084_819, -1.031_403, 1.762_667, -2.378_992, 0.575_705, -1.227_350],
            &[-3.717_718, -6.149_891, 0.856_825, 3.453_939],
        ];
        for (found, expected) in found.iter().zip(expected) {
            approx::assert_relative_eq!(found[..], *expected, epsilon = 1e-6);
        }
        Ok(())
    }

    #[test]
    fn parameters_lie_along_the_inputs() -> Result<()> {
        let params = mt_layers::Params::new(1);
        let cfg = CrossConfig { layers: 2, rank: 3, init: Initializer::Xavier };
        let cross = cfg.build(5, &[], params.builder(DType::F32, &Device::Cpu).pp("stages.0"))?;
        let shapes: Vec<_> = params.all().iter().map(|p| (p.name.clone(), p.var.dims().to_vec())).collect();
        let expected = ["stages.0.0.bias", "stages.0.0.into", "stages.0.0.out"].map(str::to_owned);
        assert_eq!(shapes.iter().take(3).map(|(name, _)| name.clone()).collect::<Vec<_>>(), expected);
        assert_eq!(
            (&shapes[0].1[..], &shapes[1].1[..], &shapes[2].1[..]),
            (&[5][..], &[5, 3][..], &[5, 3][..])
        );
        assert_eq!(shapes.len(), 6);
        let xs = Input::from(Tensor::ones((7, 5), DType::F32, &Device::Cpu)?);
        let out = cross.forward(&xs, &mut Run::evaluation())?;
        assert_eq!((out.rows()?, out.width()?), (7, 5));
        Ok(())
    }

    #[test]
    fn a_row_of_weights_that_are_only_read_is_the_same_in_any_batch() -> Result<()> {
        let (params, device) = (mt_layers::Params::new(1), &Device::Cpu);
        let cfg = CrossConfig { layers: 2, rank: 3, init: Initializer::Xavier };
        let trained = Cross::new(&cfg, 7, params.builder(DType::F32, device))?;
        let read = Cross::new(&cfg, 7, params.frozen(DType::F32, device))?;
        let values = (0..90 * 7).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<_>>();
        let xs = Tensor::from_vec(values, (90, 7), device)?;
        let run = |cross: &Cross, xs: Tensor| -> Result<Vec<Vec<f32>>> {
            cross.forward(&xs.into(), &mut Run::evaluation())?.to_dense(DType::F32, device)?.to_vec2()
        };
        let all = run(&read, xs.clone())?;
        for (a, b) in all.iter().flatten().zip(run(&trained, xs.clone())?.iter().flatten()) {
            approx::assert_relative_eq!(a, b, epsilon = 1e-5);
        }
        for (first, count) in [(0, 1), (3, 5), (40, 33)] {
            assert_eq!(run(&read, xs.narrow(0, first, count)?.contiguous()?)?, all[first..first + count]);
        }
        Ok(())
    }
}

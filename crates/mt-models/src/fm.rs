//! Second-order factorisation: what pairs of fields say together, by the products of their embeddings. S. Rendle, *Factorization Machines*,
//! ICDM 2010, eq. 5; of its sum over the embeddings' columns the terms, as X. He and T.-S. Chua, *Neural Factorization Machines for Sparse
//! Predictive Analytics*, SIGIR 2017, eq. 4, have them.
//!
//! `x' = [x, ½ ((Σ_f v_f)² - Σ_f v_f²)] = [x, Σ_{f < g} v_f ⊙ v_g]`
//!
//! | symbol | code | shape |
//! |---|---|---|
//! | x | `xs` | `(B, D)` |
//! | v_f | the columns of field `f` | `(B, K)` |
//!
//! It has no parameters. The `K` terms are columns that belong to no input; a network that weighs them alike reads their sum, the second order
//! of a factorisation machine and of DeepFM.
//!
//! Differs from the papers: embeddings are those that everything else reads, of values that are there or not; a number has no embedding.

use candle_core::{DType, Result, Tensor};
use candle_nn::VarBuilder;
use mt_layers::{Columns, Input, Run};

use crate::graph::Graph;
use crate::section::Section;
use crate::stage::{Stage, Transform};

/// Fields that are multiplied in pairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FmConfig {
    /// Fields of one width `K`.
    pub fields: Vec<String>,
}

/// The products of pairs of fields.
#[derive(Debug, Clone)]
pub struct Fm {
    fields: usize,
    columns: Columns,
    dtype: DType,
}

impl FmConfig {
    /// Reads the keys of `kind: fm`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config), naming the key.
    pub fn read(section: &mut Section<'_>) -> crate::Result<Box<dyn Stage>> {
        let fields =
            section.names("fields", "the fields whose pairs are multiplied, such as [user, item]")?;
        match fields.len() {
            1 => Err(section.error("fields", "expected two fields or more, found 1")),
            _ => Ok(Box::new(FmConfig { fields })),
        }
    }
}

impl Fm {
    /// Of so many fields, whose columns are `own`, as many each, one field behind the other.
    ///
    /// # Errors
    /// If there are no columns, or they do not ascend.
    pub fn new(fields: usize, own: &[u32], vb: &VarBuilder<'_>) -> Result<Self> {
        Ok(Self { fields, columns: Columns::new(own.to_vec(), vb.device())?, dtype: vb.dtype() })
    }
}

impl Transform for Fm {
    fn forward(&self, xs: &Input, _: &mut Run) -> Result<Input> {
        let width = self.columns.len() / self.fields;
        let xs = xs.to_dense(self.dtype, self.columns.device())?;
        let own = self.columns.of(&xs.clone().into())?.to_dense(self.dtype, self.columns.device())?;
        let own = own.reshape(((), self.fields, width))?;
        let pairs = (own.sum(1)?.sqr()? - own.sqr()?.sum(1)?)? * 0.5;
        Ok(Tensor::cat(&[&xs, &pairs?], 1)?.into())
    }
}

impl Stage for FmConfig {
    fn fields(&self) -> &[String] {
        &self.fields
    }

    fn appends(&self, widths: &[usize]) -> std::result::Result<usize, String> {
        let differs = (1..widths.len()).find(|&i| widths[i] != widths[0]);
        match differs {
            Some(i) => Err(format!(
                "expected fields of one width, found {} columns of {:?} and {} of {:?}",
                widths[0], self.fields[0], widths[i], self.fields[i]
            )),
            None => Ok(widths.first().copied().unwrap_or_default()),
        }
    }

    fn build(&self, _: usize, own: &[u32], vb: VarBuilder<'_>) -> Result<Box<dyn Transform>> {
        Ok(Box::new(Fm::new(self.fields.len(), own, &vb)?))
    }

    /// Sums over fields are products with a matrix that has a 1 where a column is the term's.
    fn graph(&self, graph: &mut dyn Graph, name: &str, xs: &str, own: &[u32]) -> crate::Result<String> {
        let width = own.len() / self.fields.len();
        let of_term = |i: usize| f32::from(u8::from(i / width % width == i % width));
        let terms = (0..own.len() * width).map(of_term).collect::<Vec<_>>();
        let terms = Tensor::from_vec(terms, (own.len(), width), &candle_core::Device::Cpu)?;
        let terms = graph.constant(&format!("{name}.terms"), &terms)?;
        let own = graph.columns(xs, own);
        let squares = graph.node("Mul", &[&own, &own], &[]);
        let [sums, squares] = [own, squares].map(|of| graph.node("MatMul", &[&of, &terms], &[]));
        let sums = graph.node("Mul", &[&sums, &sums], &[]);
        let twice = graph.node("Sub", &[&sums, &squares], &[]);
        let half =
            graph.constant(&format!("{name}.half"), &Tensor::full(0.5f32, 1, &candle_core::Device::Cpu)?)?;
        let pairs = graph.node("Mul", &[&twice, &half], &[]);
        Ok(graph.concat(&[xs.to_owned(), pairs], 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};
    use mt_layers::Params;

    /// PyTorch's 64-bit numbers, rounded to six places:
    ///
    /// ```python
    /// import torch
    /// x = torch.sin(torch.arange(16, dtype=torch.float64) * 0.9 + 0.3).reshape(2, 8).requires_grad_()
    /// a, b, c = x[:, 0:2], x[:, 3:5], x[:, 6:8]
    /// y = torch.cat([x, a * b + a * c + b * c], 1)
    /// (y * torch.arange(1, 21, dtype=torch.float64).reshape(2, 10)).sum().backward()
    /// print([round(e, 6) for e in y[:, 8:].flatten().tolist()], [round(e, 6) for e in x.grad.flatten().tolist()])
    /// ```
    #[test]
    fn values_and_slopes_are_those_of_pytorch() -> Result<()> {
        let pairs = [-0.198_748, -0.564_924, -0.578_502, -0.982_017];
        let expected = [
            -2.686_09, -1.762_248, 3.0, 1.703_512, 17.435_804, 6.0, 10.929_762, 10.442_729, 3.924_395,
            10.982_862, 13.0, 38.044_014, 50.965_892, 16.0, 21.524_38, 15.200_926,
        ];
        let device = &Device::Cpu;
        let wave = (0..16).map(|i| (f64::from(i) * 0.9 + 0.3).sin() as f32).collect::<Vec<_>>();
        let xs = Var::from_tensor(&Tensor::from_vec(wave, (2, 8), device)?)?;
        let vb = Params::new(1).builder(DType::F32, device);
        let fm = Fm::new(3, &[0, 1, 3, 4, 6, 7], &vb)?;
        let ys =
            fm.forward(&xs.as_tensor().clone().into(), &mut Run::training())?.to_dense(DType::F32, device)?;
        assert_eq!(ys.narrow(1, 0, 8)?.to_vec2::<f32>()?, xs.to_vec2::<f32>()?);
        let found = ys.narrow(1, 8, 2)?.flatten_all()?.to_vec1::<f32>()?;
        approx::assert_relative_eq!(found[..], pairs, epsilon = 2e-6);
        let factors = Tensor::from_vec((1..21).map(|i| i as f32).collect::<Vec<_>>(), (2, 10), device)?;
        let slopes = (ys * factors)?.sum_all()?.backward()?.get(&xs).expect("a slope").flatten_all()?;
        approx::assert_relative_eq!(slopes.to_vec1::<f32>()?[..], expected, epsilon = 2e-5);
        Ok(())
    }
}

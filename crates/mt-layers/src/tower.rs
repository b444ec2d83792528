//! Task towers: one MLP a task from its stream to its logits.

use candle_core::{Module, Result, Tensor, bail};
use candle_nn::{Linear, VarBuilder};

use crate::fused::towers::{FusedTowers, Transposed};
use crate::fused::{parameters, readable};
use crate::init::Initializer;
use crate::norm::{Norm, Normalizer};
use crate::trace::traced;

/// A multilayer perceptron of plain linear layers `(out, in)`: ReLU after all but the last.
///
/// # Parameters
/// `{l}.weight` of shape `(O, I)` and `{l}.bias` of shape `(O)`.
#[derive(Debug, Clone)]
pub struct Mlp {
    pub(crate) layers: Vec<Linear>,
    /// Of each layer but the last.
    norms: Vec<Option<Normalizer>>,
}

impl Mlp {
    /// From `inputs` columns through `hidden` layers to `outputs` columns.
    pub fn new(
        inputs: usize,
        hidden: &[usize],
        outputs: usize,
        init: Initializer,
        vb: VarBuilder,
    ) -> Result<Self> {
        let mut layers = Vec::with_capacity(hidden.len() + 1);
        let mut inputs = inputs;
        for (l, &units) in hidden.iter().chain([&outputs]).enumerate() {
            if units == 0 || inputs == 0 {
                bail!("layer {l} has no units or no input")
            }
            let vb = vb.pp(l);
            let weight = vb.get_with_hints((units, inputs), "weight", init.weight(inputs, units))?;
            layers.push(Linear::new(weight, Some(vb.get_with_hints(units, "bias", init.bias())?)));
            inputs = units;
        }
        let norms = vec![None; hidden.len()];
        Ok(Self { layers, norms })
    }

    /// The same with the sums of every hidden layer normalised before their activation.
    ///
    /// # Parameters
    /// `{l}.norm.scale` and `{l}.norm.shift` of shape `(O)`, with [`Norm::Batch`] `{l}.norm.running_mean` and
    /// `{l}.norm.running_variance`, too.
    pub fn normalised(mut self, norm: Norm, vb: VarBuilder) -> Result<Self> {
        for (l, (own, layer)) in self.norms.iter_mut().zip(&self.layers).enumerate() {
            *own = norm.layer(&[layer.weight().dim(0)?], vb.pp(l))?;
        }
        Ok(self)
    }

    fn outputs(&self) -> Result<usize> {
        self.layers[self.layers.len() - 1].weight().dim(0)
    }
}

impl Module for Mlp {
    fn forward(&self, xs: &Tensor) -> Result<Tensor> {
        let mut xs = xs.clone();
        for (l, layer) in self.layers.iter().enumerate() {
            xs = layer.forward(&xs)?;
            let norm = self.norms.get(l).and_then(Option::as_ref);
            if let Some(norm) = norm {
                xs = norm.forward(&xs)?;
            }
            if l + 1 < self.layers.len() {
                xs = xs.relu()?;
            }
            let own = [layer.weight()].into_iter().chain(layer.bias());
            traced(own.chain(norm.into_iter().flat_map(Normalizer::tensors)), || Ok(xs.clone()))?;
        }
        Ok(xs)
    }
}

/// The towers of all tasks.
#[derive(Debug, Clone)]
pub struct Towers {
    towers: Vec<Mlp>,
    inputs: usize,
    /// Kept from one pass to the next once the weights are final.
    transposed: Option<Transposed>,
}

impl Towers {
    /// One tower for each of `tasks` (its name and number of logits), reading a stream of `inputs` columns.
    ///
    /// # Parameters
    /// Those of [`Mlp`] under the task's name: `{task}.{l}.weight` and `{task}.{l}.bias`.
    pub fn new<'a>(
        inputs: usize,
        hidden: &[usize],
        tasks: impl IntoIterator<Item = (&'a str, usize)>,
        init: Initializer,
        vb: VarBuilder,
    ) -> Result<Self> {
        let towers = tasks
            .into_iter()
            .map(|(task, logits)| Mlp::new(inputs, hidden, logits, init, vb.pp(task)))
            .collect::<Result<Vec<_>>>()?;
        if towers.is_empty() {
            bail!("a model needs at least one task")
        }
        Ok(Self { towers, inputs, transposed: None })
    }

    /// Prepares for predicting with the weights as they are: if they change after it, predictions do not follow.
    pub fn prepare(&mut self) {
        self.transposed = Some(Transposed::default());
    }

    /// The same with the sums of every hidden layer normalised before their activation.
    ///
    /// # Parameters
    /// Those of [`Mlp::normalised`] under the task's name; `tasks` are as for [`Towers::new`].
    pub fn normalised<'a>(
        self,
        norm: Norm,
        tasks: impl IntoIterator<Item = &'a str>,
        vb: VarBuilder,
    ) -> Result<Self> {
        let towers = self.towers.into_iter().zip(tasks);
        let towers = towers.map(|(tower, task)| tower.normalised(norm, vb.pp(task)));
        Ok(Self { towers: towers.collect::<Result<_>>()?, ..self })
    }

    /// Streams `(B, S·H)` to logits `(B, L)`, task after task. `S` is the number of tasks, or 1 when all share one.
    pub fn forward(&self, streams: &Tensor) -> Result<Tensor> {
        let (_, columns) = streams.dims2()?;
        let shared = columns == self.inputs;
        if !shared && columns != self.inputs * self.towers.len() {
            bail!("{} towers of {} inputs cannot read {columns} columns", self.towers.len(), self.inputs)
        }
        let at = |task: usize| if shared { 0 } else { task * self.inputs };
        let layers = self.towers.iter().flat_map(|tower| &tower.layers);
        let tensors = layers.flat_map(|layer| [Some(layer.weight()), layer.bias()]).flatten();
        let plain = self.towers.iter().flat_map(|tower| &tower.norms).all(Option::is_none);
        if let (true, Some(parameters)) = (plain && readable(streams), parameters(tensors)) {
            let reads = (0..self.towers.len()).map(at).collect();
            let depth = self.towers[0].layers.len();
            let anchor = self.towers[0].layers[0].weight();
            let transposed = self.transposed.clone().unwrap_or_default();
            return streams.apply_op2(anchor, FusedTowers::new(parameters, depth, reads, transposed)?);
        }
        self.composed(streams, at)
    }

    fn composed(&self, streams: &Tensor, at: impl Fn(usize) -> usize) -> Result<Tensor> {
        let logits = self
            .towers
            .iter()
            .enumerate()
            .map(|(task, tower)| tower.forward(&streams.narrow(1, at(task), self.inputs)?.contiguous()?))
            .collect::<Result<Vec<_>>>()?;
        Tensor::cat(&logits, 1)
    }

    /// Number of logits `L` of all tasks.
    pub fn logits(&self) -> Result<usize> {
        self.towers.iter().map(Mlp::outputs).sum()
    }
}

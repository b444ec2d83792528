//! Task towers: one MLP a task from its stream to its logits.

use candle_core::{Module, Result, Tensor, bail};
use candle_nn::{Linear, VarBuilder};

use crate::detour::Why;
use crate::fused::towers::{FusedTowers, Shared};
use crate::fused::{parameters, readable};
use crate::init::Initializer;
use crate::norm::{Norm, Normalizer};
use crate::run::Run;

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

    /// `(B, I)` to `(B, O)`.
    ///
    /// # Errors
    /// If the sizes do not fit.
    pub fn forward(&self, xs: &Tensor, run: &mut Run) -> Result<Tensor> {
        let mut xs = xs.clone();
        for (l, layer) in self.layers.iter().enumerate() {
            xs = match fused(layer, &xs, run)? {
                Some(xs) => xs,
                None => layer.forward(&xs)?,
            };
            let norm = self.norms.get(l).and_then(Option::as_ref);
            if let Some(norm) = norm {
                xs = norm.forward(&xs, run)?;
            }
            if l + 1 < self.layers.len() {
                xs = xs.relu()?;
            }
            let own = [layer.weight()].into_iter().chain(layer.bias());
            run.traced(own.chain(norm.into_iter().flat_map(Normalizer::tensors)), || Ok(xs.clone()))?;
        }
        Ok(xs)
    }
}

/// A layer alone, or `None` where the composition has to run.
fn fused(layer: &Linear, xs: &Tensor, run: &mut Run) -> Result<Option<Tensor>> {
    if !readable(xs) {
        return Ok(None);
    }
    let Some(parameters) = parameters([Some(layer.weight()), layer.bias()].into_iter().flatten(), run) else {
        return Ok(None);
    };
    let below = run.below(xs);
    xs.apply_op2(layer.weight(), FusedTowers::new(parameters, 1, &[0], Shared::default(), below)?).map(Some)
}

/// The towers of all tasks.
#[derive(Debug, Clone)]
pub struct Towers {
    towers: Vec<Mlp>,
    /// Columns that each reads.
    inputs: Vec<usize>,
    /// Kept from one pass to the next once the weights are final.
    weights: Option<Shared>,
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
        Self::each(hidden, tasks.into_iter().map(|(task, logits)| (task, inputs, logits)), init, vb)
    }

    /// As [`Towers::new`], with a number of columns for each of `tasks` (its name, columns and number of logits).
    pub fn each<'a>(
        hidden: &[usize],
        tasks: impl IntoIterator<Item = (&'a str, usize, usize)>,
        init: Initializer,
        vb: VarBuilder,
    ) -> Result<Self> {
        let (mut towers, mut inputs) = (Vec::new(), Vec::new());
        for (task, columns, logits) in tasks {
            towers.push(Mlp::new(columns, hidden, logits, init, vb.pp(task))?);
            inputs.push(columns);
        }
        if towers.is_empty() {
            bail!("a model needs at least one task")
        }
        Ok(Self { towers, inputs, weights: None })
    }

    /// Prepares for predicting with the weights as they are: if they change after it, predictions do not follow.
    pub fn prepare(&mut self) {
        self.weights = Some(Shared::default());
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

    /// Streams `(B, Σ I_t)`, those of a tower after those of the one before, to logits `(B, L)`, task after task; or one
    /// stream `(B, I)` that towers of equally many columns share.
    pub fn forward(&self, streams: &Tensor, run: &mut Run) -> Result<Tensor> {
        let (_, columns) = streams.dims2()?;
        let shared = self.inputs.iter().all(|&inputs| inputs == columns);
        if !shared && columns != self.inputs.iter().sum::<usize>() {
            bail!("towers of {:?} inputs cannot read {columns} columns", self.inputs)
        }
        let mut next = 0;
        let start = |&inputs: &usize| {
            let start = next;
            next += if shared { 0 } else { inputs };
            start
        };
        let reads: Vec<usize> = self.inputs.iter().map(start).collect();
        let layers = self.towers.iter().flat_map(|tower| &tower.layers);
        let tensors = layers.flat_map(|layer| [Some(layer.weight()), layer.bias()]).flatten();
        let anchor = self.towers[0].layers[0].weight();
        // Scales and shifts, if all hidden layers are normalised row by row or none is.
        let norms = || self.towers.iter().flat_map(|tower| &tower.norms).flatten();
        let of_rows: Option<Vec<_>> = norms().map(Normalizer::of_rows).collect();
        let why = match run.looks_between() {
            Some(why) => Some(why),
            None if of_rows.is_none() => Some(Why::Norm),
            None => (!readable(streams)).then_some(Why::NotReadable),
        };
        if let Some(why) = why {
            run.left(anchor, why);
        } else if let Some(parameters) =
            parameters(tensors.chain(of_rows.into_iter().flatten().flatten()), run)
        {
            let depth = self.towers[0].layers.len();
            let (weights, below) = (self.weights.clone().unwrap_or_default(), run.below(streams));
            let towers = FusedTowers::new(parameters, depth, &reads, weights, below)?;
            return streams.apply_op2(anchor, towers);
        }
        self.composed(streams, &reads, run)
    }

    fn composed(&self, streams: &Tensor, reads: &[usize], run: &mut Run) -> Result<Tensor> {
        let logits = self
            .towers
            .iter()
            .zip(reads.iter().zip(&self.inputs))
            .map(|(tower, (&at, &inputs))| tower.forward(&streams.narrow(1, at, inputs)?.contiguous()?, run))
            .collect::<Result<Vec<_>>>()?;
        Tensor::cat(&logits, 1)
    }

    /// Number of logits `L` of all tasks.
    pub fn logits(&self) -> Result<usize> {
        self.towers.iter().map(Mlp::outputs).sum()
    }
}

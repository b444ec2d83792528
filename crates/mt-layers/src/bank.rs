//! Banks: `n` MLPs of equal sizes side by side, their weights stacked. Experts are a bank, a gate or a bottom is a
//! bank of one.

use std::ops::Range;
use std::sync::Mutex;

use candle_core::{Module, Result, Tensor, bail};
use candle_nn::VarBuilder;
use mt_kernels::Piece;
use mt_kernels::affine::Maps;

use crate::detour::Why;
use crate::fused::affine::Affine;
use crate::fused::normal::LayerNorm;
use crate::fused::operation::{self, Operation};
use crate::fused::stack::Stack;
use crate::fused::{parameters, readable};
use crate::init::Initializer;
use crate::input::Input;
use crate::linear::matmul;
use crate::norm::{Norm, Normalizer};
use crate::run::Run;

/// `n` multilayer perceptrons of equal sizes; ReLU after each layer, or after all but the last.
///
/// # Parameters
/// Layer `l` has `{l}.weight` of shape `(I, n, O)` and `{l}.bias` of shape `(n, O)`. The input axis comes first so
/// that a sparse row reads whole weight rows, and so that the first layer of all `n` is one matrix product.
#[derive(Debug, Clone)]
pub struct Bank {
    layers: Vec<Layer>,
    n: usize,
    activate_last: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Layer {
    weight: Tensor,
    bias: Tensor,
    inputs: usize,
    outputs: usize,
    norm: Option<Normalizer>,
}

impl Bank {
    /// `n` experts reading `inputs` columns, with layers of `units` units and ReLU after each.
    pub fn experts(
        inputs: usize,
        n: usize,
        units: &[usize],
        init: Initializer,
        vb: VarBuilder,
    ) -> Result<Self> {
        Self::new(inputs, n, units, true, init, vb)
    }

    /// One gate reading `inputs` columns: `hidden` layers with ReLU, then one logit for each of `choices` experts.
    pub fn gate(
        inputs: usize,
        choices: usize,
        hidden: &[usize],
        init: Initializer,
        vb: VarBuilder,
    ) -> Result<Self> {
        Self::new(inputs, 1, &[hidden, &[choices]].concat(), false, init, vb)
    }

    fn new(
        inputs: usize,
        n: usize,
        units: &[usize],
        activate_last: bool,
        init: Initializer,
        vb: VarBuilder,
    ) -> Result<Self> {
        if n == 0 || units.is_empty() || units.contains(&0) || inputs == 0 {
            bail!(
                "a bank needs at least one input, one unit a layer and one layer: {inputs} inputs, {n} x {units:?}"
            )
        }
        let mut layers = Vec::with_capacity(units.len());
        let mut inputs = inputs;
        for (l, &outputs) in units.iter().enumerate() {
            let vb = vb.pp(l);
            let weight = vb.get_with_hints((inputs, n, outputs), "weight", init.weight(inputs, outputs))?;
            let bias = vb.get_with_hints((n, outputs), "bias", init.bias())?;
            layers.push(Layer { weight, bias, inputs, outputs, norm: None });
            inputs = outputs;
        }
        Ok(Self { layers, n, activate_last })
    }

    /// The same with the sums of every layer normalised before their activation.
    ///
    /// # Parameters
    /// `{l}.norm.scale` and `{l}.norm.shift` of shape `(n, O)`, with [`Norm::Batch`] `{l}.norm.running_mean` and
    /// `{l}.norm.running_variance`, too.
    pub fn normalised(mut self, norm: Norm, vb: VarBuilder) -> Result<Self> {
        for (l, layer) in self.layers.iter_mut().enumerate() {
            layer.norm = norm.layer(&[self.n, layer.outputs], vb.pp(l))?;
        }
        Ok(self)
    }

    /// A single affine map without an activation, of a weight `(I, O)` and a bias `(O)` that are there already. Of weights that
    /// are only read, each row comes out the same to the bit in any batch, as it does of other banks; candle's own product adds in
    /// an order that depends on the number of rows.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn linear(weight: Tensor, bias: Tensor) -> Result<Self> {
        let (inputs, outputs) = weight.dims2()?;
        if bias.dims() != [outputs] {
            bail!("a weight {:?} with a bias {:?}", weight.shape(), bias.shape())
        }
        let layer = Layer { weight, bias, inputs, outputs, norm: None };
        Ok(Self { layers: vec![layer], n: 1, activate_last: false })
    }

    /// Number of MLPs side by side.
    pub fn len(&self) -> usize {
        self.n
    }

    /// Never true: a bank has at least one member.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Units of the last layer of each member.
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs
    }

    /// Every member on the same input: `(B, D)` to `(B, n·O)`.
    pub fn forward(&self, xs: &Input, run: &mut Run) -> Result<Tensor> {
        forward_side_by_side(&[(self, 0..xs.width()?)], xs, run)
    }

    /// The parameter by which it is known.
    pub(crate) fn anchor(&self) -> &Tensor {
        &self.layers[0].weight
    }
}

/// Banks, and the columns of one input that each reads.
pub(crate) type Reads<'a> = [(&'a Bank, Range<usize>)];

/// Several banks of equal depth, each on its own columns of one input; their outputs are concatenated:
/// `(B, D)` to `(B, Σ n·O)`.
pub fn forward_side_by_side(banks: &Reads, xs: &Input, run: &mut Run) -> Result<Tensor> {
    let levels = layers(banks)?;
    if let Some(stack) = stack(&levels, xs, run)? {
        return apply(stack, xs, &levels, run);
    }
    let mut xs = xs.clone();
    for level in &levels {
        xs = Input::Dense(level.forward(&xs, run)?);
    }
    let anchor = banks[0].0.anchor();
    xs.to_dense(anchor.dtype(), anchor.device())
}

/// One layer of all banks.
pub(crate) struct Level<'a> {
    layers: Vec<&'a Layer>,
    pieces: Vec<Piece>,
    /// Columns that each layer writes.
    columns: Vec<Range<usize>>,
    relu: bool,
}

/// The layers of banks side by side, from the input up.
pub(crate) fn layers<'a>(banks: &Reads<'a>) -> Result<Vec<Level<'a>>> {
    let Some((first, _)) = banks.first() else { bail!("no bank to run") };
    let depth = first.layers.len();
    if banks.iter().any(|(bank, _)| bank.layers.len() != depth || bank.activate_last != first.activate_last) {
        bail!("banks side by side must be equally deep")
    }
    let mut reads: Vec<Range<usize>> = banks.iter().map(|(_, read)| read.clone()).collect();
    let mut levels = Vec::with_capacity(depth);
    for l in 0..depth {
        let layers: Vec<&Layer> = banks.iter().map(|(bank, _)| &bank.layers[l]).collect();
        let (pieces, writes) = pieces(banks, &layers, &reads, l)?;
        let relu = first.activate_last || l + 1 < depth;
        levels.push(Level { layers, pieces, columns: writes.clone(), relu });
        reads = writes;
    }
    Ok(levels)
}

/// The layers as one operation, or `None` where something is done or looked at between them.
pub(crate) fn stack(levels: &[Level], xs: &Input, run: &mut Run) -> Result<Option<Stack>> {
    let norms = !levels.iter().all(Level::row_by_row);
    if let Some(why) = run.looks_between().or(norms.then_some(Why::Norm)) {
        run.left(levels[0].anchor(), why);
        return Ok(None);
    }
    affine(levels, xs, run)
}

/// The affine maps as one operation, or `None` where the composition has to run.
fn affine(levels: &[Level], xs: &Input, run: &mut Run) -> Result<Option<Stack>> {
    match xs {
        Input::Dense(xs) if !readable(xs) => {
            run.left(levels[0].anchor(), Why::NotReadable);
            return Ok(None);
        }
        Input::Dense(_) => {}
        Input::Sparse(rows) => {
            let whole = |piece: &Piece| piece.input == 0 && piece.inputs == rows.width();
            if !levels[0].pieces.iter().all(whole) {
                bail!("sparse rows of {} columns are read as a whole", rows.width())
            }
        }
    }
    Ok(levels.iter().map(|level| level.fused(run)).collect::<Option<_>>().map(Stack::new))
}

/// Applies an operation that reads `xs` and starts with `levels`.
pub(crate) fn apply(
    operation: impl Operation,
    xs: &Input,
    levels: &[Level],
    run: &mut Run,
) -> Result<Tensor> {
    let Layer { weight, bias, .. } = levels[0].layers[0];
    operation::apply(operation, xs, weight, bias, run)
}

/// The affine maps of layer `l`, and the columns each bank writes. In the first layer all members of a bank read the
/// same columns, so they are one map; after it each reads its own.
fn pieces(
    banks: &Reads,
    layers: &[&Layer],
    reads: &[Range<usize>],
    l: usize,
) -> Result<(Vec<Piece>, Vec<Range<usize>>)> {
    let (mut pieces, mut writes, mut out) = (Vec::new(), Vec::new(), 0);
    for (i, (layer, read)) in layers.iter().zip(reads).enumerate() {
        let (n, stride) = (banks[i].0.n, banks[i].0.n * layer.outputs);
        let (members, width, step) = if l == 0 { (1, stride, 0) } else { (n, layer.outputs, layer.inputs) };
        if read.len() != if l == 0 { layer.inputs } else { n * layer.inputs } {
            bail!("a bank with {} inputs reads {} columns", layer.inputs, read.len())
        }
        for m in 0..members {
            let (at, input) = (m * width, read.start + m * step);
            pieces.push(Piece { layer: i, at, width, stride, input, inputs: layer.inputs, out: out + at });
        }
        writes.push(out..out + stride);
        out += stride;
    }
    Ok((pieces, writes))
}

impl Level<'_> {
    /// Whether no layer normalises its sums.
    fn plain(&self) -> bool {
        self.layers.iter().all(|layer| layer.norm.is_none())
    }

    /// Whether no layer normalises its sums, or all of them row by row.
    fn row_by_row(&self) -> bool {
        self.plain() || self.norms().count() == self.layers.len()
    }

    /// Scale and shift of the layers that normalise their sums row by row.
    fn norms(&self) -> impl Iterator<Item = [&Tensor; 2]> {
        self.layers.iter().filter_map(|layer| layer.norm.as_ref()?.of_rows())
    }

    /// One layer on its own.
    fn forward(&self, xs: &Input, run: &mut Run) -> Result<Tensor> {
        let this = std::slice::from_ref(self);
        let (mut out, done) = match affine(this, xs, run)? {
            Some(stack) => (apply(stack, xs, this, run)?, self.row_by_row()),
            None => (self.composed(xs)?, self.plain()),
        };
        if !done {
            out = self.normalised(&out, run)?;
            out = if self.relu { out.relu()? } else { out };
        }
        for (layer, columns) in self.layers.iter().zip(&self.columns) {
            let norm = layer.norm.iter().flat_map(Normalizer::tensors);
            let parameters = [&layer.weight, &layer.bias].into_iter().chain(norm);
            run.traced(parameters, || out.narrow(1, columns.start, columns.len()))?;
        }
        Ok(out)
    }

    /// The sums of each layer, in its columns of `out`, normalised as it says.
    fn normalised(&self, out: &Tensor, run: &Run) -> Result<Tensor> {
        let parts = self.layers.iter().zip(&self.columns).map(|(layer, columns)| {
            let sums = out.narrow(1, columns.start, columns.len())?;
            layer.norm.as_ref().map_or_else(|| Ok(sums.clone()), |norm| norm.forward(&sums, run))
        });
        Tensor::cat(&parts.collect::<Result<Vec<_>>>()?, 1)
    }

    /// The parameter by which it is known.
    fn anchor(&self) -> &Tensor {
        &self.layers[0].weight
    }

    fn fused(&self, run: &mut Run) -> Option<Affine> {
        let parameters = parameters(self.layers.iter().flat_map(|layer| [&layer.weight, &layer.bias]), run)?;
        let width = self.pieces.iter().map(|piece| piece.width).sum();
        let norm = match self.plain() || !self.row_by_row() {
            true => None,
            false => Some(self.layer_norm(run)?),
        };
        let relu = self.relu && self.row_by_row() && norm.is_none();
        Some(Affine { parameters, maps: Maps { pieces: self.pieces.clone(), width, relu }, norm })
    }

    /// The normalisation of all columns, row by row.
    fn layer_norm(&self, run: &mut Run) -> Option<LayerNorm> {
        let members =
            self.layers.iter().zip(&self.columns).flat_map(|(layer, columns)| {
                std::iter::repeat_n(layer.outputs, columns.len() / layer.outputs)
            });
        Some(LayerNorm {
            parameters: parameters(self.norms().flatten(), run)?,
            members: members.collect(),
            relu: self.relu,
            kept: Mutex::default(),
        })
    }

    fn composed(&self, xs: &Input) -> Result<Tensor> {
        let xs = xs.to_dense(self.layers[0].weight.dtype(), self.layers[0].weight.device())?;
        let mut parts = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            let layer = self.layers[piece.layer];
            let weight = layer.weight.reshape((piece.inputs, piece.stride))?;
            let weight = weight.narrow(1, piece.at, piece.width)?;
            let bias = layer.bias.reshape(piece.stride)?.narrow(0, piece.at, piece.width)?;
            let xs = xs.narrow(1, piece.input, piece.inputs)?;
            parts.push(matmul(&xs, &weight)?.broadcast_add(&bias)?);
        }
        let out = Tensor::cat(&parts, 1)?;
        if self.relu && self.plain() { candle_nn::Activation::Relu.forward(&out) } else { Ok(out) }
    }
}

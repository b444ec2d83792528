//! All towers of a model, all of their layers, in one operation.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::dense::{Block, multiply, multiply_transposed, transpose};
use super::panels::Columns;
use super::{CHUNK, PARALLEL, Pair, Parameter, buffer, slice, with_all, with_values};
use crate::kernel;
use crate::leaf::InputGradient;

/// The operation; its second argument is the first weight, which ties it into the graph.
///
/// Keeps the hidden activations of the forward pass for the backward one: chunk after chunk of rows, within a chunk
/// layer after layer, so that each layer's units are one row-major matrix.
pub(crate) struct FusedTowers {
    parameters: Vec<Parameter>,
    transposed: Transposed,
    plan: Plan,
    hidden: Mutex<Vec<f32>>,
}

/// The weights of all layers as `(inputs, outputs)`, made by the first forward pass of the operations that share it. For
/// a single row of a model of five tasks, making them is a tenth of the work.
pub(crate) type Transposed = Arc<OnceLock<Vec<Vec<f32>>>>;

/// Where everything lies.
struct Plan {
    layers: Vec<Layer>,
    /// Hidden activations of a row.
    hidden: usize,
    /// Logits of a row.
    logits: usize,
    /// Parameter values of all towers, in the order of the parameters.
    values: usize,
    /// First value of each parameter in a flat gradient.
    starts: Vec<usize>,
}

/// One linear layer of one tower; its weight is parameter `2 * i`, its bias `2 * i + 1`, `i` its place in the plan.
struct Layer {
    inputs: usize,
    outputs: usize,
    /// First column read: of the streams for a tower's first layer, else of the hidden activations.
    read: usize,
    first: bool,
    /// First column written: of the logits for a tower's last layer, else of the hidden activations.
    write: usize,
    last: bool,
}

impl FusedTowers {
    /// Towers of `depth` layers each; tower `t` reads the streams from column `reads[t]`.
    pub fn new(
        parameters: Vec<Parameter>,
        depth: usize,
        reads: Vec<usize>,
        transposed: Transposed,
    ) -> Result<Self> {
        let mut plan = Plan { layers: Vec::new(), hidden: 0, logits: 0, values: 0, starts: Vec::new() };
        for (i, pair) in parameters.chunks_exact(2).enumerate() {
            let (outputs, inputs) = pair[0].tensor.dims2()?;
            let (first, last) = (i % depth == 0, i % depth == depth - 1);
            let read = if first { reads[i / depth] } else { plan.hidden - inputs };
            let end = if last { &mut plan.logits } else { &mut plan.hidden };
            let write = *end;
            *end += outputs;
            plan.layers.push(Layer { inputs, outputs, read, first, write, last });
            plan.starts.extend([plan.values, plan.values + inputs * outputs]);
            plan.values += (inputs + 1) * outputs;
        }
        Ok(Self { parameters, transposed, plan, hidden: Mutex::default() })
    }

    fn parallel(&self, rows: usize) -> bool {
        rows * self.plan.values >= PARALLEL
    }
}

kernel! {
    fn relu(_simd: S, xs: &mut [f32]) {
        for x in xs {
            // Not `max`, which would make 0 of NaN and hide it from the loss; this is one instruction less, too.
            *x = if *x < 0.0 { 0.0 } else { *x };
        }
    }
}

kernel! {
    /// `delta` of units that were not active becomes 0.
    fn mask(_simd: S, delta: &mut [f32], hidden: &[f32]) {
        let hidden = &hidden[..delta.len()];
        for i in 0..delta.len() {
            delta[i] = if hidden[i] > 0.0 { delta[i] } else { 0.0 };
        }
    }
}

impl Plan {
    /// One chunk of rows through all layers. `weights` are transposed to `(inputs, outputs)`.
    fn forward(
        &self,
        weights: &[Vec<f32>],
        params: &[&[f32]],
        streams: Streams,
        hidden: &mut [f32],
        logits: &mut [f32],
    ) {
        let rows = streams.rows();
        for (l, layer) in self.layers.iter().enumerate() {
            let (before, after) = hidden.split_at_mut(if layer.last { 0 } else { layer.write * rows });
            let (before, out, to) = match layer.last {
                true => (&*after, &mut *logits, layer.columns(layer.write, self.logits)),
                false => (&*before, &mut after[..layer.outputs * rows], layer.columns(0, layer.outputs)),
            };
            for row in out.chunks_exact_mut(to.stride) {
                row[to.at..][..to.width].copy_from_slice(params[2 * l + 1]);
            }
            let weight = Block::new(&weights[l], 0, layer.outputs, layer.outputs);
            multiply(rows, layer.reads(streams, before), weight, out, to);
            if !layer.last {
                relu(out);
            }
        }
    }

    /// One chunk of rows back through all layers: adds to `sums` (flat parameter gradient) and `input`. `delta` starts
    /// zeroed.
    #[allow(clippy::too_many_arguments, reason = "what it reads, then what it writes")]
    fn backward(
        &self,
        params: &[&[f32]],
        streams: Streams,
        hidden: &[f32],
        gradient: &[f32],
        delta: &mut [f32],
        sums: &mut [f32],
        input: &mut [f32],
    ) {
        let rows = streams.rows();
        let mut idle = false;
        for (l, layer) in self.layers.iter().enumerate().rev() {
            // A backward pass of one task leaves the other towers without a gradient.
            if layer.last {
                let own = |row: &[f32]| row[layer.write..][..layer.outputs].iter().all(|g| *g == 0.0);
                idle = gradient.chunks_exact(self.logits).all(own);
            }
            if idle {
                continue;
            }
            let (before, after) =
                delta.split_at_mut(if layer.last { delta.len() } else { layer.write * rows });
            let delta = match layer.last {
                true => Block::new(gradient, layer.write, layer.outputs, self.logits),
                false => {
                    let after = &mut after[..layer.outputs * rows];
                    mask(after, &hidden[layer.write * rows..]);
                    Block::new(after, 0, layer.outputs, layer.outputs)
                }
            };
            let (weights, biases) = sums[self.starts[2 * l]..].split_at_mut(layer.inputs * layer.outputs);
            let ones = Block::new(&ONES, 0, 1, 1);
            multiply_transposed(rows, ones, delta, biases, layer.columns(0, layer.outputs));
            let xs = layer.reads(streams, hidden);
            let to = Columns { at: 0, width: layer.inputs, stride: layer.inputs };
            multiply_transposed(rows, delta, xs, weights, to);
            let weight = Block::new(params[2 * l], 0, layer.inputs, layer.inputs);
            match layer.first {
                true => multiply(
                    rows,
                    delta,
                    weight,
                    input,
                    Columns { at: layer.read, stride: streams.width, ..to },
                ),
                false => multiply(rows, delta, weight, &mut before[layer.read * rows..], to),
            }
        }
    }
}

/// A column of ones, whose product with a matrix is its column sums.
const ONES: [f32; CHUNK] = [1.0; CHUNK];

/// The streams of a chunk of rows.
#[derive(Clone, Copy)]
struct Streams<'a> {
    values: &'a [f32],
    width: usize,
}

impl Streams<'_> {
    fn rows(self) -> usize {
        self.values.len() / self.width
    }
}

impl Layer {
    fn columns(&self, at: usize, stride: usize) -> Columns {
        Columns { at, width: self.outputs, stride }
    }

    /// What the layer reads: the streams, or the units of the layer before.
    fn reads<'a>(&self, streams: Streams<'a>, hidden: &'a [f32]) -> Block<'a> {
        match self.first {
            true => Block::new(streams.values, self.read, self.inputs, streams.width),
            false => Block::new(&hidden[self.read * streams.rows()..], 0, self.inputs, self.inputs),
        }
    }
}

impl CustomOp2 for FusedTowers {
    fn name(&self) -> &'static str {
        "towers"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let streams = slice(s1, l1)?;
        let (rows, columns) = l1.shape().dims2()?;
        let plan = &self.plan;
        // `max(1)`: towers without hidden layers have nothing to keep, but chunks need a size.
        let kept = plan.hidden.max(1);
        let (mut hidden, mut logits) = (buffer(rows * kept), buffer(rows * plan.logits));
        with_all(&self.parameters, |params| {
            let transposed = |(l, layer): (usize, &Layer)| {
                transpose(Block::new(params[2 * l], 0, layer.inputs, layer.inputs), layer.outputs)
            };
            let weights =
                self.transposed.get_or_init(|| plan.layers.iter().enumerate().map(transposed).collect());
            let chunk = |((streams, hidden), logits): ((&[f32], &mut [f32]), &mut [f32])| {
                plan.forward(weights, params, Streams { values: streams, width: columns }, hidden, logits);
            };
            if self.parallel(rows) {
                let inputs = streams.par_chunks(CHUNK * columns).zip(hidden.par_chunks_mut(CHUNK * kept));
                inputs.zip(logits.par_chunks_mut(CHUNK * plan.logits)).for_each(chunk);
            } else {
                let inputs = streams.chunks(CHUNK * columns).zip(hidden.chunks_mut(CHUNK * kept));
                inputs.zip(logits.chunks_mut(CHUNK * plan.logits)).for_each(chunk);
            }
            Ok(())
        })?;
        *self.hidden.lock().unwrap_or_else(PoisonError::into_inner) = hidden;
        Ok((CpuStorage::F32(logits), Shape::from((rows, plan.logits))))
    }

    fn bwd(
        &self,
        streams: &Tensor,
        _: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (rows, columns) = streams.dims2()?;
        let plan = &self.plan;
        let kept = plan.hidden.max(1);
        let hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sums = buffer(rows.div_ceil(CHUNK) * plan.values);
        let mut to_streams = InputGradient::of(streams);
        let (input, fresh) = to_streams.parts();
        let grad = grad.contiguous()?;
        let mut backward = |params: &[&[f32]], streams: &[f32], grad: &[f32]| {
            type Chunk<'a> = (((Pair<'a>, &'a [f32]), &'a mut [f32]), &'a mut [f32]);
            let chunk = |((((streams, hidden), grad), sums), input): Chunk| {
                let streams = Streams { values: streams, width: columns };
                if fresh {
                    input.fill(0.0);
                }
                let mut delta = buffer(plan.hidden * streams.rows());
                plan.backward(params, streams, hidden, grad, &mut delta, sums, input);
            };
            if self.parallel(rows) {
                let inputs = streams.par_chunks(CHUNK * columns).zip(hidden.par_chunks(CHUNK * kept));
                inputs
                    .zip(grad.par_chunks(CHUNK * plan.logits))
                    .zip(sums.par_chunks_mut(plan.values))
                    .zip(input.par_chunks_mut(CHUNK * columns))
                    .for_each(chunk);
            } else {
                let inputs = streams.chunks(CHUNK * columns).zip(hidden.chunks(CHUNK * kept));
                inputs
                    .zip(grad.chunks(CHUNK * plan.logits))
                    .zip(sums.chunks_mut(plan.values))
                    .zip(input.chunks_mut(CHUNK * columns))
                    .for_each(chunk);
            }
            Ok(())
        };
        with_all(&self.parameters, |params| {
            with_values(streams, |streams| with_values(&grad, |grad| backward(params, streams, grad)))
        })?;
        for (i, parameter) in self.parameters.iter().enumerate() {
            let Some(slot) = &parameter.gradient else { continue };
            let mut slot = slot.lock();
            slot.touch(None);
            for part in sums.chunks_exact(plan.values) {
                let part = &part[plan.starts[i]..][..slot.host.len()];
                slot.host.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
            }
        }
        Ok((if streams.track_op() { to_streams.give(streams)? } else { None }, None))
    }
}

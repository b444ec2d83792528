//! All towers of a model, all of their layers, in one operation.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{CHUNK, PARALLEL, Pair, Parameter, buffer, slice, with_all, with_values};
use crate::kernel;
use crate::simd::{axpy, dot};

/// The operation; its second argument is the first weight, which ties it into the graph.
///
/// Keeps the hidden activations of the forward pass, row by row, for the backward one.
pub(crate) struct FusedTowers {
    parameters: Vec<Parameter>,
    plan: Plan,
    hidden: Mutex<Vec<f32>>,
}

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
    pub fn new(parameters: Vec<Parameter>, depth: usize, reads: Vec<usize>) -> Result<Self> {
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
        Ok(Self { parameters, plan, hidden: Mutex::default() })
    }

    fn parallel(&self, rows: usize) -> bool {
        rows * self.plan.values >= PARALLEL
    }
}

kernel! {
    fn forward_rows(
        plan: &Plan,
        params: &[&[f32]],
        streams: &[f32],
        columns: usize,
        hidden: &mut [f32],
        logits: &mut [f32],
    ) {
        for (r, streams) in streams.chunks_exact(columns).enumerate() {
            let hidden = &mut hidden[r * plan.hidden..][..plan.hidden];
            let logits = &mut logits[r * plan.logits..][..plan.logits];
            for (i, layer) in plan.layers.iter().enumerate() {
                let (weight, bias) = (params[2 * i], params[2 * i + 1]);
                let (before, after) = hidden.split_at_mut(if layer.last { plan.hidden } else { layer.write });
                let from: &[f32] = if layer.first { streams } else { before };
                let xs = &from[layer.read..][..layer.inputs];
                let out = if layer.last { &mut logits[layer.write..] } else { after };
                for (o, (weight, bias)) in weight.chunks_exact(layer.inputs).zip(bias).enumerate() {
                    let x = dot(weight, xs) + bias;
                    out[o] = if layer.last { x } else { x.max(0.0) };
                }
            }
        }
    }
}

kernel! {
    /// Overwrites `delta` (one row of hidden activations) and adds to `sums` (flat parameter gradient) and `input`.
    fn backward_rows(
        plan: &Plan,
        params: &[&[f32]],
        streams: &[f32],
        columns: usize,
        hidden: &[f32],
        gradient: &[f32],
        delta: &mut [f32],
        sums: &mut [f32],
        input: &mut [f32],
    ) {
        for (r, streams) in streams.chunks_exact(columns).enumerate() {
            let hidden = &hidden[r * plan.hidden..][..plan.hidden];
            let gradient = &gradient[r * plan.logits..][..plan.logits];
            delta.fill(0.0);
            for (i, layer) in plan.layers.iter().enumerate().rev() {
                let weight = params[2 * i];
                let (sums_w, sums_b) = sums[plan.starts[2 * i]..].split_at_mut(layer.inputs * layer.outputs);
                let (before, after) = delta.split_at_mut(if layer.last { plan.hidden } else { layer.write });
                let from = if layer.first { streams } else { hidden };
                let xs = &from[layer.read..][..layer.inputs];
                let towards: &mut [f32] = if layer.first { &mut input[r * columns..] } else { before };
                let towards = &mut towards[layer.read..][..layer.inputs];
                for o in 0..layer.outputs {
                    let d = if layer.last { gradient[layer.write + o] } else { after[o] };
                    let active = layer.last || hidden[layer.write + o] > 0.0;
                    if active && d != 0.0 {
                        sums_b[o] += d;
                        axpy(d, xs, &mut sums_w[o * layer.inputs..][..layer.inputs]);
                        axpy(d, &weight[o * layer.inputs..][..layer.inputs], towards);
                    }
                }
            }
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
            let chunk = |((streams, hidden), logits): ((&[f32], &mut [f32]), &mut [f32])| {
                forward_rows(plan, params, streams, columns, hidden, logits);
            };
            if self.parallel(rows) {
                let inputs = streams.par_chunks(CHUNK * columns).zip(hidden.par_chunks_mut(CHUNK * kept));
                inputs.zip(logits.par_chunks_mut(CHUNK * plan.logits)).for_each(chunk);
            } else {
                chunk(((streams, &mut hidden), &mut logits));
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
        let mut input = buffer(rows * columns);
        let grad = grad.contiguous()?;
        let mut backward = |params: &[&[f32]], streams: &[f32], grad: &[f32]| {
            type Chunk<'a> = (((Pair<'a>, &'a [f32]), &'a mut [f32]), &'a mut [f32]);
            let chunk = |((((streams, hidden), grad), sums), input): Chunk| {
                let mut delta = buffer(plan.hidden);
                backward_rows(plan, params, streams, columns, hidden, grad, &mut delta, sums, input);
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
            slot.touched = true;
            for part in sums.chunks_exact(plan.values) {
                let part = &part[plan.starts[i]..][..slot.host.len()];
                slot.host.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
            }
        }
        let input = if streams.track_op() {
            Some(Tensor::from_vec(input, (rows, columns), grad.device())?)
        } else {
            None
        };
        Ok((input, None))
    }
}

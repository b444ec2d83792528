//! Softmax gates and their mixtures in one pass over the rows.
#![allow(clippy::too_many_arguments, reason = "what a kernel reads, then what it writes")]

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use pulp::Simd;
use rayon::prelude::*;

use super::affine::Affine;
use super::delta::mask;
use super::panels::{Panel, Tail, by_panels};
use super::scratch::{Scratch, scratch};
use super::{CHUNK, PARALLEL, Pair, buffer, least, slice, with_all, written};
use crate::kernel;
use crate::mixture::Mixture;
use crate::simd::{exp, flushed};

/// `(logits - their maximum) · scale`, the arguments of a softmax.
#[inline(always)]
fn shift(logits: &[f32], scale: f32, shifted: &mut [f32]) {
    let logits = &logits[..shifted.len()];
    let mut largest = f32::NEG_INFINITY;
    for i in 0..logits.len() {
        largest = largest.max(logits[i]);
    }
    for i in 0..logits.len() {
        shifted[i] = (logits[i] - largest) * scale;
    }
}

#[inline(always)]
fn normalise(weights: &mut [f32]) {
    let mut sum = 0.0;
    for i in 0..weights.len() {
        sum += weights[i];
    }
    let scale = 1.0 / sum;
    for i in 0..weights.len() {
        weights[i] = flushed(weights[i] * scale);
    }
}

kernel! {
    /// `columns` is the width of a row of experts.
    fn forward_rows(
        simd: S,
        mixture: &Mixture,
        columns: usize,
        experts: &[f32],
        logits: &[f32],
        weights: &mut [f32],
        out: &mut [f32],
    ) {
        let (width, choices, gates) = (mixture.width, mixture.logits(), mixture.gates.len());
        let (rows, scale) = (logits.len() / choices, 1.0 / mixture.temperature);
        let mut at = 0;
        for _ in 0..rows {
            for g in 0..gates {
                let len = mixture.gates[g].len();
                shift(&logits[at..], scale, &mut weights[at..at + len]);
                at += len;
            }
        }
        // One loop over all gates of all rows: a gate of five alone would leave most of a vector empty.
        for i in 0..weights.len() {
            weights[i] = exp(weights[i]);
        }
        at = 0;
        for r in 0..rows {
            let experts = &experts[r * columns..][..columns];
            for g in 0..gates {
                let gate = &mixture.gates[g][..];
                let out = &mut out[(r * gates + g) * width..][..width];
                let weights = &mut weights[at..at + gate.len()];
                normalise(weights);
                by_panels!(8, width, mix_panel(simd, width, gate, weights, experts, out));
                at += gate.len();
            }
        }
    }
}

#[inline(always)]
fn mix_panel<S: Simd, const V: usize, const TAIL: bool>(
    simd: S,
    width: usize,
    gate: &[usize],
    weights: &[f32],
    experts: &[f32],
    out: &mut [f32],
    first: usize,
) {
    let tail = Tail::of(simd, width);
    let mut sums = Panel::<S, V, TAIL>::zero(simd);
    let weights = &weights[..gate.len()];
    for i in 0..gate.len() {
        let expert = Panel::load(simd, tail, &experts[gate[i] * width + first..]);
        sums = sums.add_scaled(simd, simd.splat_f32s(weights[i]), expert);
    }
    sums.store(simd, tail, &mut out[first..]);
}

kernel! {
    /// Writes `to_experts` and `to_logits`.
    fn backward_rows(
        simd: S,
        mixture: &Mixture,
        columns: usize,
        experts: &[f32],
        weights: &[f32],
        gradient: &[f32],
        to_experts: &mut [f32],
        to_logits: &mut [f32],
    ) {
        let (width, choices, gates) = (mixture.width, mixture.logits(), mixture.gates.len());
        let scale = 1.0 / mixture.temperature;
        for r in 0..weights.len() / choices {
            let experts = &experts[r * columns..][..columns];
            let to_experts = &mut to_experts[r * columns..][..columns];
            to_experts.fill(0.0);
            to_logits[r * choices..][..choices].fill(0.0);
            let mut at = r * choices;
            for g in 0..gates {
                let gate = &mixture.gates[g][..];
                let gradient = &gradient[(r * gates + g) * width..][..width];
                // A backward pass of one task leaves the other gates without a gradient.
                let mut largest = gradient[0].abs();
                if largest == 0.0 {
                    for i in 1..width {
                        largest = largest.max(gradient[i].abs());
                    }
                }
                if largest == 0.0 {
                    at += gate.len();
                    continue;
                }
                let weights = &weights[at..at + gate.len()];
                let to_logits = &mut to_logits[at..at + gate.len()];
                by_panels!(
                    8,
                    width,
                    unmix_panel(simd, width, gate, weights, experts, gradient, to_experts, to_logits)
                );
                let mut mean = 0.0;
                for i in 0..gate.len() {
                    mean += weights[i] * to_logits[i];
                }
                for i in 0..gate.len() {
                    to_logits[i] = weights[i] * (to_logits[i] - mean) * scale;
                }
                at += gate.len();
            }
        }
    }
}

#[inline(always)]
fn unmix_panel<S: Simd, const V: usize, const TAIL: bool>(
    simd: S,
    width: usize,
    gate: &[usize],
    weights: &[f32],
    experts: &[f32],
    gradient: &[f32],
    to_experts: &mut [f32],
    to_logits: &mut [f32],
    first: usize,
) {
    let tail = Tail::of(simd, width);
    let gradient = Panel::<S, V, TAIL>::load(simd, tail, &gradient[first..]);
    let (weights, to_logits) = (&weights[..gate.len()], &mut to_logits[..gate.len()]);
    for i in 0..gate.len() {
        let at = gate[i] * width + first;
        to_logits[i] += gradient.dot(simd, Panel::load(simd, tail, &experts[at..]));
        let to_expert = &mut to_experts[at..];
        let sum = Panel::load(simd, tail, to_expert).add_scaled(simd, simd.splat_f32s(weights[i]), gradient);
        sum.store(simd, tail, to_expert);
    }
}

impl Mixture {
    fn parallel(&self, rows: usize) -> bool {
        rows * self.logits() * self.width >= PARALLEL
    }

    /// The gates' weights, kept for the backward pass, and the mixtures. A row of experts has `columns` columns.
    pub(crate) fn forward_rows(
        &self,
        columns: usize,
        experts: &[f32],
        logits: &[f32],
    ) -> (Scratch, Vec<f32>) {
        let (choices, width) = (self.logits(), self.outputs());
        let rows = experts.len() / columns;
        let mut weights = scratch(rows * choices);
        let inputs = experts.par_chunks(CHUNK * columns).zip(logits.par_chunks(CHUNK * choices));
        let beside = inputs.zip(weights.par_chunks_mut(CHUNK * choices));
        let write = |((experts, logits), weights): (Pair, &mut [f32]), out: &mut [f32]| {
            forward_rows(self, columns, experts, logits, weights, out);
        };
        let out = written(rows * width, CHUNK * width, self.parallel(rows), beside, write);
        (weights, out)
    }

    /// The gradients of the experts and of the logits. Of experts that are the outputs of a `layer` the gradient is that
    /// before its activation; last come its column sums of each chunk of rows.
    pub(crate) fn backward_rows(
        &self,
        columns: usize,
        layer: Option<&Affine>,
        experts: &[f32],
        weights: &[f32],
        gradient: &[f32],
    ) -> (Scratch, Scratch, Vec<f32>) {
        let (choices, width) = (self.logits(), self.outputs());
        let rows = experts.len() / columns;
        let (mut to_experts, mut to_logits) = (scratch(rows * columns), scratch(rows * choices));
        let mut sums = buffer(rows.div_ceil(CHUNK) * columns);
        let inputs = experts.par_chunks(CHUNK * columns).zip(weights.par_chunks(CHUNK * choices));
        inputs
            .zip(gradient.par_chunks(CHUNK * width))
            .zip(to_experts.par_chunks_mut(CHUNK * columns))
            .zip(to_logits.par_chunks_mut(CHUNK * choices))
            .zip(sums.par_chunks_mut(columns))
            .with_min_len(least(self.parallel(rows)))
            .for_each(|(((((experts, weights), gradient), to_experts), to_logits), sums)| {
                backward_rows(self, columns, experts, weights, gradient, to_experts, to_logits);
                if let Some(layer) = layer {
                    // Here, where the gradient is in the caches still.
                    mask(to_experts, experts, layer.relu, sums);
                }
            });
        (to_experts, to_logits, sums)
    }
}

/// The operation on tensors; keeps the gates' weights of the forward pass for the backward one.
pub(crate) struct FusedMixture {
    mixture: Mixture,
    weights: Mutex<Scratch>,
}

impl FusedMixture {
    pub fn new(mixture: Mixture) -> Self {
        Self { mixture, weights: Mutex::default() }
    }
}

impl CustomOp2 for FusedMixture {
    fn name(&self) -> &'static str {
        "mixture"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, columns) = l1.shape().dims2()?;
        let (weights, out) = self.mixture.forward_rows(columns, slice(s1, l1)?, slice(s2, l2)?);
        *self.weights.lock().unwrap_or_else(PoisonError::into_inner) = weights;
        let shape = Shape::from((rows, self.mixture.outputs()));
        Ok((CpuStorage::F32(out), shape))
    }

    fn bwd(
        &self,
        experts: &Tensor,
        logits: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let weights = self.weights.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, columns) = experts.dims2()?;
        let gradient = gradient.contiguous()?;
        let (to_experts, to_logits, _) = with_all(&[experts, &gradient], |values| {
            Ok(self.mixture.backward_rows(columns, None, values[0], &weights, values[1]))
        })?;
        let to_experts = Tensor::from_vec(to_experts.into_vec(), experts.shape(), experts.device())?;
        Ok((Some(to_experts), Some(Tensor::from_vec(to_logits.into_vec(), logits.shape(), logits.device())?)))
    }
}

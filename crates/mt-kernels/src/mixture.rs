//! Softmax gates and their mixtures in one pass over the rows: `out_g = Σ_e softmax(logits_g / τ)_e · expert_e`.
#![allow(clippy::too_many_arguments, reason = "what a kernel reads, then what it writes")]

use pulp::Simd;
use rayon::prelude::*;

use crate::affine::mask;
use crate::buffer::{buffer, written};
use crate::chunks::{CHUNK, PARALLEL, Pair, least};
use crate::kernel;
use crate::panels::{Panel, Tail, by_panels};
use crate::scratch::{Scratch, scratch};
use crate::simd::{exp, flushed};

/// Which experts each gate mixes.
#[derive(Debug, Clone, PartialEq)]
pub struct Gates {
    /// Units of an expert.
    pub width: usize,
    /// The experts that each gate chooses from, in the order of its logits.
    pub gates: Vec<Vec<usize>>,
    /// `τ`.
    pub temperature: f32,
}

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
        mixture: &Gates,
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
        mixture: &Gates,
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

impl Gates {
    /// Logits of all gates.
    #[inline]
    pub fn logits(&self) -> usize {
        self.gates.iter().map(Vec::len).sum()
    }

    /// Columns of all mixtures.
    #[inline]
    pub fn outputs(&self) -> usize {
        self.gates.len() * self.width
    }

    fn parallel(&self, rows: usize) -> bool {
        rows * self.logits() * self.width >= PARALLEL
    }

    /// The gates' weights, kept for the backward pass, and the mixtures. A row of experts has `columns` columns.
    #[inline]
    pub fn forward(&self, columns: usize, experts: &[f32], logits: &[f32]) -> (Scratch, Vec<f32>) {
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

    /// The gradients of the experts and of the logits. If `relu` says whether the experts went through that, the gradient is that
    /// before the activation; last come its column sums of each chunk of rows.
    pub fn backward(
        &self,
        columns: usize,
        relu: Option<bool>,
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
                if let Some(relu) = relu {
                    // Here, where the gradient is in the caches still.
                    mask(to_experts, experts, relu, sums);
                }
            });
        (to_experts, to_logits, sums)
    }
}

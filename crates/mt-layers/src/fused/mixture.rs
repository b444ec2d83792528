//! Softmax gates and their mixtures in one pass over the rows.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{CHUNK, PARALLEL, Pair, buffer, slice, with_values};
use crate::kernel;
use crate::mixture::Mixture;
use crate::simd::{axpy, dot, exp};

/// The operation; keeps the gates' weights of the forward pass for the backward one.
pub(crate) struct FusedMixture {
    mixture: Mixture,
    weights: Mutex<Vec<f32>>,
}

impl FusedMixture {
    pub fn new(mixture: Mixture) -> Self {
        Self { mixture, weights: Mutex::default() }
    }

    fn parallel(&self, rows: usize) -> bool {
        rows * self.mixture.logits() * self.mixture.width >= PARALLEL
    }
}

#[inline(always)]
fn softmax(logits: &[f32], scale: f32, weights: &mut [f32]) {
    let largest = logits.iter().fold(f32::NEG_INFINITY, |m, &x| m.max(x));
    let mut sum = 0.0;
    for (weight, &x) in weights.iter_mut().zip(logits) {
        *weight = exp((x - largest) * scale);
    }
    for weight in weights.iter() {
        sum += weight;
    }
    for weight in weights.iter_mut() {
        *weight /= sum;
    }
}

kernel! {
    fn forward_rows(mixture: &Mixture, experts: &[f32], logits: &[f32], weights: &mut [f32], out: &mut [f32]) {
        let (width, choices) = (mixture.width, mixture.logits());
        let scale = 1.0 / mixture.temperature;
        let columns = experts.len() * choices / logits.len();
        let rows = experts.chunks_exact(columns).zip(logits.chunks_exact(choices));
        let results = weights.chunks_exact_mut(choices).zip(out.chunks_exact_mut(width * mixture.gates.len()));
        for ((experts, logits), (weights, out)) in rows.zip(results) {
            let mut at = 0;
            for (gate, out) in mixture.gates.iter().zip(out.chunks_exact_mut(width)) {
                let weights = &mut weights[at..at + gate.len()];
                softmax(&logits[at..at + gate.len()], scale, weights);
                for (&weight, &e) in weights.iter().zip(gate) {
                    axpy(weight, &experts[e * width..][..width], out);
                }
                at += gate.len();
            }
        }
    }
}

kernel! {
    fn backward_rows(
        mixture: &Mixture,
        experts: &[f32],
        weights: &[f32],
        gradient: &[f32],
        to_experts: &mut [f32],
        to_logits: &mut [f32],
    ) {
        let (width, choices) = (mixture.width, mixture.logits());
        let scale = 1.0 / mixture.temperature;
        let columns = experts.len() * choices / weights.len();
        let rows = experts.chunks_exact(columns).zip(weights.chunks_exact(choices));
        let rows = rows.zip(gradient.chunks_exact(width * mixture.gates.len()));
        let results = to_experts.chunks_exact_mut(columns).zip(to_logits.chunks_exact_mut(choices));
        for (((experts, weights), gradient), (to_experts, to_logits)) in rows.zip(results) {
            let mut at = 0;
            for (gate, gradient) in mixture.gates.iter().zip(gradient.chunks_exact(width)) {
                let weights = &weights[at..at + gate.len()];
                let to_logits = &mut to_logits[at..at + gate.len()];
                let mut mean = 0.0;
                for ((to_logit, &weight), &e) in to_logits.iter_mut().zip(weights).zip(gate) {
                    *to_logit = dot(gradient, &experts[e * width..][..width]);
                    mean = weight.mul_add(*to_logit, mean);
                    axpy(weight, gradient, &mut to_experts[e * width..][..width]);
                }
                for (to_logit, &weight) in to_logits.iter_mut().zip(weights) {
                    *to_logit = weight * (*to_logit - mean) * scale;
                }
                at += gate.len();
            }
        }
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
        let (experts, logits) = (slice(s1, l1)?, slice(s2, l2)?);
        let (rows, columns) = l1.shape().dims2()?;
        let (choices, width) = (self.mixture.logits(), self.mixture.width * self.mixture.gates.len());
        let (mut weights, mut out) = (buffer(rows * choices), buffer(rows * width));
        let chunk = |(((experts, logits), weights), out): ((Pair, &mut [f32]), &mut [f32])| {
            forward_rows(&self.mixture, experts, logits, weights, out);
        };
        if self.parallel(rows) {
            let inputs = experts.par_chunks(CHUNK * columns).zip(logits.par_chunks(CHUNK * choices));
            inputs
                .zip(weights.par_chunks_mut(CHUNK * choices))
                .zip(out.par_chunks_mut(CHUNK * width))
                .for_each(chunk);
        } else if rows > 0 {
            chunk((((experts, logits), &mut weights), &mut out));
        }
        *self.weights.lock().unwrap_or_else(PoisonError::into_inner) = weights;
        Ok((CpuStorage::F32(out), Shape::from((rows, width))))
    }

    fn bwd(
        &self,
        experts: &Tensor,
        logits: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (rows, columns) = experts.dims2()?;
        let (choices, width) = (self.mixture.logits(), self.mixture.width * self.mixture.gates.len());
        let weights = self.weights.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut to_experts, mut to_logits) = (buffer(rows * columns), buffer(rows * choices));
        let gradient = gradient.contiguous()?;
        with_values(experts, |experts| {
            with_values(&gradient, |gradient| {
                type Chunk<'a> = (((Pair<'a>, &'a [f32]), &'a mut [f32]), &'a mut [f32]);
                let chunk = |((((experts, weights), gradient), to_experts), to_logits): Chunk| {
                    backward_rows(&self.mixture, experts, weights, gradient, to_experts, to_logits);
                };
                if self.parallel(rows) {
                    let inputs = experts.par_chunks(CHUNK * columns).zip(weights.par_chunks(CHUNK * choices));
                    inputs
                        .zip(gradient.par_chunks(CHUNK * width))
                        .zip(to_experts.par_chunks_mut(CHUNK * columns))
                        .zip(to_logits.par_chunks_mut(CHUNK * choices))
                        .for_each(chunk);
                } else if rows > 0 {
                    chunk(((((experts, &weights), gradient), &mut to_experts), &mut to_logits));
                }
                Ok(())
            })
        })?;
        let to_experts = Tensor::from_vec(to_experts, (rows, columns), experts.device())?;
        let to_logits = Tensor::from_vec(to_logits, (rows, choices), logits.device())?;
        Ok((Some(to_experts), Some(to_logits)))
    }
}

//! Layer normalisation of a layer's sums, row by row, where they were just computed.
//!
//! `h = relu(scale ⊙ n + shift)`, `n = (x - mean x) / √(var x + ε)` over the units of each member

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::scratch::{Scratch, scratch};
use super::{CHUNK, Parameter, buffer, least, with_all};
use crate::kernel;
use crate::norm::Norm;

/// Partial sums that are taken side by side.
const LANES: usize = 8;

/// The normalisation of a fused layer.
#[derive(Debug)]
pub(crate) struct LayerNorm {
    /// `scale` and `shift` of each layer in turn, which together are those of all columns.
    pub parameters: Vec<Parameter>,
    /// Columns of each member: those that are normalised together.
    pub members: Vec<usize>,
    /// Whether ReLU follows.
    pub relu: bool,
    pub kept: Mutex<Kept>,
}

/// What the backward pass reads of the latest forward one.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// `n`, as wide as the layer.
    normal: Scratch,
    /// `1 / √(var x + ε)`, one a member.
    inverse: Scratch,
}

/// `Σ a ⊙ b`, in lanes.
#[inline(always)]
fn product_sum(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let whole = a.len() / LANES * LANES;
    let b = &b[..a.len()];
    for at in (0..whole).step_by(LANES) {
        for i in 0..LANES {
            lanes[i] += a[at + i] * b[at + i];
        }
    }
    for i in whole..a.len() {
        lanes[i - whole] += a[i] * b[i];
    }
    total(lanes)
}

#[inline(always)]
fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let whole = values.len() / LANES * LANES;
    for at in (0..whole).step_by(LANES) {
        for i in 0..LANES {
            lanes[i] += values[at + i];
        }
    }
    for i in whole..values.len() {
        lanes[i - whole] += values[i];
    }
    total(lanes)
}

#[inline(always)]
fn total(lanes: [f32; LANES]) -> f32 {
    let mut all = 0.0;
    for lane in lanes {
        all += lane;
    }
    all
}

kernel! {
    /// Normalises rows of sums in place, member by member of `members` columns each; keeps `normal` and `inverse`.
    pub(super) fn normalise(
        _simd: S,
        members: &[usize],
        scale: &[f32],
        shift: &[f32],
        relu: bool,
        out: &mut [f32],
        normal: &mut [f32],
        inverse: &mut [f32],
    ) {
        let (width, count) = (scale.len(), members.len());
        let mut at = 0;
        for r in 0..out.len() / width {
            for m in 0..count {
                let units = members[m];
                let (out, normal) = (&mut out[at..][..units], &mut normal[at..][..units]);
                let first = at - r * width;
                let (scale, shift) = (&scale[first..][..units], &shift[first..][..units]);
                let mean = sum(out) / units as f32;
                for i in 0..units {
                    normal[i] = out[i] - mean;
                }
                let variance = product_sum(normal, normal) / units as f32;
                let over = 1.0 / (variance + Norm::EPSILON as f32).sqrt();
                inverse[r * count + m] = over;
                for i in 0..units {
                    normal[i] *= over;
                    let value = normal[i] * scale[i] + shift[i];
                    out[i] = if relu && value < 0.0 { 0.0 } else { value };
                }
                at += units;
            }
        }
    }
}

kernel! {
    /// Makes the gradient of a layer's `result` that of its sums before they were normalised, and adds up that of `scale` and
    /// `shift`.
    pub(super) fn normalise_backward(
        _simd: S,
        members: &[usize],
        scale: &[f32],
        relu: bool,
        result: &[f32],
        normal: &[f32],
        inverse: &[f32],
        gradient: &mut [f32],
        to_scale: &mut [f32],
        to_shift: &mut [f32],
    ) {
        let (width, count) = (scale.len(), members.len());
        let mut at = 0;
        for r in 0..gradient.len() / width {
            for m in 0..count {
                let units = members[m];
                let first = at - r * width;
                let (gradient, result) = (&mut gradient[at..][..units], &result[at..][..units]);
                let (normal, scale) = (&normal[at..][..units], &scale[first..][..units]);
                let (to_scale, to_shift) = (&mut to_scale[first..][..units], &mut to_shift[first..][..units]);
                for i in 0..units {
                    let own = if relu && result[i] <= 0.0 { 0.0 } else { gradient[i] };
                    to_scale[i] += own * normal[i];
                    to_shift[i] += own;
                    gradient[i] = own * scale[i];
                }
                let mean = sum(gradient) / units as f32;
                let slope = product_sum(gradient, normal) / units as f32;
                let over = inverse[r * count + m];
                for i in 0..units {
                    gradient[i] = (gradient[i] - mean - normal[i] * slope) * over;
                }
                at += units;
            }
        }
    }
}

impl LayerNorm {
    /// Scales and shifts of all columns.
    fn columns(&self) -> candle_core::Result<[Vec<f32>; 2]> {
        with_all(&self.parameters, |all| {
            let of =
                |first| all.iter().skip(first).step_by(2).flat_map(|values| values.iter().copied()).collect();
            Ok([of(0), of(1)])
        })
    }

    /// Normalises the sums of all rows in place, and activates them.
    pub(super) fn forward(&self, out: &mut [f32], parallel: bool) -> candle_core::Result<()> {
        let [scale, shift] = self.columns()?;
        let (width, count) = (scale.len(), self.members.len());
        let rows = out.len() / width;
        let (mut normal, mut inverse) = (scratch(out.len()), scratch(rows * count));
        let kept = normal.par_chunks_mut(CHUNK * width).zip(inverse.par_chunks_mut(CHUNK * count));
        out.par_chunks_mut(CHUNK * width).zip(kept).with_min_len(least(parallel)).for_each(
            |(out, (normal, inverse))| {
                normalise(&self.members, &scale, &shift, self.relu, out, normal, inverse);
            },
        );
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Kept { normal, inverse };
        Ok(())
    }

    /// Makes the gradient of `result` that of the sums before, and adds that of the parameters to their slots.
    pub(super) fn backward(
        &self,
        result: &[f32],
        gradient: &mut [f32],
        parallel: bool,
    ) -> candle_core::Result<()> {
        let [scale, _] = self.columns()?;
        let (width, count) = (scale.len(), self.members.len());
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sums = buffer(gradient.len().div_ceil(CHUNK * width) * 2 * width);
        let read = result.par_chunks(CHUNK * width).zip(kept.normal.par_chunks(CHUNK * width));
        let read = read.zip(kept.inverse.par_chunks(CHUNK * count));
        let written = gradient.par_chunks_mut(CHUNK * width).zip(sums.par_chunks_mut(2 * width));
        read.zip(written).with_min_len(least(parallel)).for_each(
            |(((result, normal), inverse), (gradient, sums))| {
                let (to_scale, to_shift) = sums.split_at_mut(width);
                let (members, relu) = (&self.members, self.relu);
                normalise_backward(
                    members, &scale, relu, result, normal, inverse, gradient, to_scale, to_shift,
                );
            },
        );
        let mut first = 0;
        for pair in self.parameters.chunks_exact(2) {
            let units = pair[0].tensor.elem_count();
            for (parameter, at) in pair.iter().zip([first, width + first]) {
                let Some(slot) = &parameter.gradient else { continue };
                let mut slot = slot.lock();
                slot.touch(None);
                for part in sums.chunks_exact(2 * width) {
                    let part = &part[at..][..units];
                    slot.host.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
                }
            }
            first += units;
        }
        Ok(())
    }
}

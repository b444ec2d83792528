//! Layer normalisation of a layer's sums, row by row, where they were just computed.
//!
//! `h = relu(scale ⊙ n + shift)`, `n = (x - mean x) / √(var x + ε)` over the units of each member

use std::sync::{Mutex, PoisonError};

use mt_kernels::buffer::buffer;
use mt_kernels::normal::{normalise, normalise_backward};
use mt_kernels::scratch::{Scratch, scratch};
use mt_kernels::{CHUNK, least};
use rayon::prelude::*;

use super::{Parameter, with_all};

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

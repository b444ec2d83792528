//! The gradient of a layer's outputs before their activation, and the backward passes that begin with it.

use candle_core::Result;
use mt_kernels::InputGradient;
use mt_kernels::affine::mask;
use mt_kernels::buffer::buffer;
use mt_kernels::rows::Rows;
use mt_kernels::scratch::Scratch;
use mt_kernels::{CHUNK, SHARED, least};
use rayon::prelude::*;

use super::affine::Affine;

/// A layer's gradient before the activation.
pub(super) struct Delta<'a> {
    layer: &'a Affine,
    values: Scratch,
    /// Its column sums.
    bias: Vec<f32>,
}

impl<'a> Delta<'a> {
    /// Of the gradient of a layer's `result`.
    pub fn new(layer: &'a Affine, result: &[f32], mut gradient: Scratch) -> Result<Self> {
        let (size, parallel) = (CHUNK * layer.width(), gradient.len() >= SHARED);
        if let Some(norm) = &layer.norm {
            norm.backward(result, &mut gradient, parallel)?;
        }
        // What went through the normalisation went through ReLU before.
        let relu = layer.maps.relu;
        let mut sums = buffer(gradient.len().div_ceil(size) * layer.width());
        let chunks = gradient.par_chunks_mut(size).zip(result.par_chunks(size));
        chunks
            .zip(sums.par_chunks_mut(layer.width()))
            .with_min_len(least(parallel))
            .for_each(|((gradient, result), sums)| mask(gradient, result, relu, sums));
        Ok(Self::masked(layer, gradient, sums))
    }

    /// Of chunks that went through [`mask`], with the sums of each.
    pub fn masked(layer: &'a Affine, values: Scratch, mut sums: Vec<f32>) -> Self {
        let (total, rest) = sums.split_at_mut(layer.width().min(values.len()));
        for part in rest.chunks_exact(layer.width()) {
            total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
        }
        sums.truncate(layer.width());
        Self { layer, values, bias: sums }
    }
}

/// The backward passes of layers that read the same rows: adds the parameters' gradients to their slots, and that of
/// dense `rows` to `input` if it is wanted.
pub(super) fn backward(deltas: &[Delta], rows: Rows, input: Option<&mut InputGradient>) -> Result<()> {
    let of_parameters =
        || deltas.iter().for_each(|delta| delta.layer.add_gradients(rows, &delta.values, &delta.bias));
    let (Rows::Dense { width, .. }, Some(input)) = (rows, input) else {
        of_parameters();
        return Ok(());
    };
    let mut of_input = || {
        deltas.iter().try_for_each(|delta| delta.layer.add_input_gradient(rows, &delta.values, width, input))
    };
    if deltas.iter().any(|delta| delta.layer.maps.is_large(rows)) {
        // A thread that is done with its share of one large product goes on with the others instead of waiting.
        return rayon::join(of_parameters, of_input).1;
    }
    of_parameters();
    of_input()
}

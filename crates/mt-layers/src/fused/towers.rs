//! All towers of a model, all of their layers, in one operation.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use mt_kernels::buffer::{buffer, written};
use mt_kernels::levels::{Levels, RowMajor, Weights};
use mt_kernels::scratch::{Scratch, scratch};
use mt_kernels::{CHUNK, PARALLEL, least};
use rayon::prelude::*;

use super::{Parameter, slice, with_all};
use crate::leaf::Below;

/// The operation; its second argument is the first weight, which ties it into the graph.
///
/// Keeps the hidden units of the forward pass for the backward one, chunk after chunk of rows.
pub(crate) struct FusedTowers {
    parameters: Vec<Parameter>,
    weights: Shared,
    levels: Levels,
    hidden: Mutex<Scratch>,
    /// Where the gradient of the streams goes.
    below: Below,
}

/// The weights, gathered by the first forward pass of the operations that share them. For a single row of a model of five
/// tasks that is a tenth of the work.
pub(crate) type Shared = Arc<OnceLock<Weights>>;

impl FusedTowers {
    /// Towers of `depth` layers each, whose `parameters` and `starts` are in the order that [`Levels::new`] says.
    pub fn new(
        parameters: Vec<Parameter>,
        depth: usize,
        starts: &[usize],
        weights: Shared,
        below: Below,
    ) -> Result<Self> {
        let layers = 2 * depth * starts.len();
        let size = |layer: usize| parameters[2 * layer].tensor.dims2();
        let levels = Levels::new(depth, size, parameters.len() > layers, starts)?;
        Ok(Self { parameters, weights, levels, hidden: Mutex::default(), below })
    }

    fn parallel(&self, rows: usize) -> bool {
        rows * self.levels.values >= PARALLEL
    }

    fn weights(&self) -> Result<&Weights> {
        with_all(&self.parameters, |params| Ok(self.weights.get_or_init(|| self.levels.weights(params))))
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
        let (rows, width) = l1.shape().dims2()?;
        let (levels, weights) = (&self.levels, self.weights()?);
        // `max(1)`: towers without hidden layers have nothing to keep, but chunks need a size.
        let (kept, logits) = (levels.hidden.max(1), levels.logits());
        let mut hidden = scratch(rows * kept);
        let beside = streams.par_chunks(CHUNK * width).zip(hidden.par_chunks_mut(CHUNK * kept));
        let write = |(streams, hidden): (&[f32], &mut [f32]), out: &mut [f32]| {
            levels.forward(weights, RowMajor { values: streams, width }, hidden, out);
        };
        let out = written(rows * logits, CHUNK * logits, self.parallel(rows), beside, write);
        *self.hidden.lock().unwrap_or_else(PoisonError::into_inner) = hidden;
        Ok((CpuStorage::F32(out), Shape::from((rows, logits))))
    }

    fn bwd(
        &self,
        streams: &Tensor,
        _: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (rows, width) = streams.dims2()?;
        let (levels, weights) = (&self.levels, self.weights()?);
        let (kept, logits) = (levels.hidden.max(1), levels.logits());
        let hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sums = buffer(rows.div_ceil(CHUNK) * levels.values);
        let mut to_streams = self.below.take(streams);
        let (input, fresh) = to_streams.parts();
        with_all(&[streams, &grad.contiguous()?], |values| {
            let (streams, grad) = (values[0], values[1]);
            let inputs = streams.par_chunks(CHUNK * width).zip(hidden.par_chunks(CHUNK * kept));
            inputs
                .zip(grad.par_chunks(CHUNK * logits))
                .zip(sums.par_chunks_mut(levels.values))
                .zip(input.par_chunks_mut(CHUNK * width))
                .with_min_len(least(self.parallel(rows)))
                .for_each(|((((streams, hidden), grad), sums), input)| {
                    let streams = RowMajor { values: streams, width };
                    levels.backward(weights, streams, hidden, grad, sums, input, fresh);
                });
            Ok(())
        })?;
        for (p, parameter) in self.parameters.iter().enumerate() {
            let Some(slot) = &parameter.gradient else { continue };
            let mut slot = slot.lock();
            slot.touch(None);
            for part in sums.chunks_exact(levels.values) {
                let part = &part[levels.start(p)..][..slot.host.len()];
                slot.host.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
            }
        }
        Ok((if streams.track_op() { self.below.give(to_streams, streams)? } else { None }, None))
    }
}

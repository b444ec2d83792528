//! Operations on the CPU with hand-written backward passes, and how they reach candle's buffers.
//!
//! Each is used when all of its parameters either need no gradient (inference) or have a gradient slot
//! ([`crate::Params::backward`]); otherwise the plain candle composition beside it runs. Work is split over rows or
//! over weight rows so that every sum has one fixed order: results do not depend on the number of threads.

#![allow(clippy::needless_range_loop, reason = "kernels count indices, see `kernel!`")]

pub(crate) mod affine;
pub(crate) mod attention;
mod buffer;
pub(crate) mod by_task;
mod delta;
mod dense;
pub(crate) mod gated;
mod levels;
mod list;
pub(crate) mod loss;
mod loss_rows;
mod matmul;
pub(crate) mod mixture;
pub(crate) mod operation;
mod packed;
mod panels;
mod rows;
pub(crate) mod scratch;
mod sparse;
pub(crate) mod stack;
#[cfg_attr(not(all(target_arch = "x86_64", target_os = "linux")), path = "no_tiles.rs")]
pub(crate) mod tiles;
pub(crate) mod towers;

use candle_core::{CpuStorage, DType, Device, Layout, Result, Storage, Tensor, bail};

use crate::gradients::{Slot, slot_of};
pub(crate) use buffer::{buffer, written};

/// Rows a task of a parallel loop handles; fixed, so that partial sums do not depend on the thread count.
pub(crate) const CHUNK: usize = 128;

/// Multiply-adds below which waking a second thread costs more than it saves.
pub(crate) const PARALLEL: usize = 1 << 18;

/// Chunks that a thread takes at least: all of them where a second thread would not pay.
fn least(parallel: bool) -> usize {
    if parallel { 1 } else { usize::MAX }
}

/// A parameter as a fused operation sees it.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub tensor: Tensor,
    pub gradient: Option<Slot>,
}

impl AsRef<Tensor> for Parameter {
    fn as_ref(&self) -> &Tensor {
        &self.tensor
    }
}

/// The parameters as fused operations take them, or `None` where the composition has to run.
pub(crate) fn parameters<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Option<Vec<Parameter>> {
    tensors
        .into_iter()
        .map(|tensor| {
            let on_cpu = matches!(tensor.device(), Device::Cpu) && tensor.dtype() == DType::F32;
            if !on_cpu || !tensor.is_contiguous() {
                return None;
            }
            let gradient = if tensor.track_op() { Some(slot_of(tensor)?) } else { None };
            Some(Parameter { tensor: tensor.clone(), gradient })
        })
        .collect()
}

/// Whether an input can be read in place by a fused operation.
pub(crate) fn readable(xs: &Tensor) -> bool {
    matches!(xs.device(), Device::Cpu) && xs.dtype() == DType::F32 && xs.is_contiguous()
}

/// Runs `f` on a tensor's values without copying them.
pub(crate) fn with_values<R>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => f(slice(storage, layout)?),
        _ => bail!("expected a tensor on the cpu"),
    }
}

/// Runs `f` on the values of several tensors.
pub(crate) fn with_all<A: AsRef<Tensor>, R>(
    tensors: &[A],
    f: impl FnOnce(&[&[f32]]) -> Result<R>,
) -> Result<R> {
    let guards: Vec<_> = tensors.iter().map(|tensor| tensor.as_ref().storage_and_layout()).collect();
    let mut slices = Vec::with_capacity(guards.len());
    for (storage, layout) in &guards {
        match &**storage {
            Storage::Cpu(storage) => slices.push(slice(storage, layout)?),
            _ => bail!("expected a tensor on the cpu"),
        }
    }
    f(&slices)
}

/// The values behind a contiguous layout.
pub(crate) fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (Some((start, end)), CpuStorage::F32(values)) = (layout.contiguous_offsets(), storage) else {
        bail!("expected contiguous float32 values")
    };
    Ok(&values[start..end])
}

/// Two zipped slices of a chunk of rows, read by one task of a parallel loop.
pub(crate) type Pair<'a> = (&'a [f32], &'a [f32]);

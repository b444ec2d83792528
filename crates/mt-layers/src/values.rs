//! The values behind candle's tensors, without copying them.

use candle_core::{CpuStorage, DType, Device, Layout, Result, Storage, Tensor, bail};

/// Whether an input can be read in place by a fused operation.
pub fn readable(xs: &Tensor) -> bool {
    matches!(xs.device(), Device::Cpu) && xs.dtype() == DType::F32 && xs.is_contiguous()
}

/// Runs `f` on a tensor's values without copying them.
pub fn with_values<R>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => f(slice(storage, layout)?),
        _ => bail!("expected a tensor on the cpu"),
    }
}

/// Runs `f` on the values of several tensors.
pub fn with_all<A: AsRef<Tensor>, R>(tensors: &[A], f: impl FnOnce(&[&[f32]]) -> Result<R>) -> Result<R> {
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
pub fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (Some((start, end)), CpuStorage::F32(values)) = (layout.contiguous_offsets(), storage) else {
        bail!("expected contiguous float32 values")
    };
    Ok(&values[start..end])
}

/// `sums += gradient`, of a tensor on the CPU.
pub fn add_values(gradient: &Tensor, sums: &mut [f32]) -> Result<()> {
    with_values(&gradient.contiguous()?, |gradient| {
        sums.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += g);
        Ok(())
    })
}

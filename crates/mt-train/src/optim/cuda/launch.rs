//! The launch of a kernel on the values of candle's tensors.
#![allow(unsafe_code)]

use std::cell::RefCell;

use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::{CudaView, CudaViewMut, LaunchConfig, PushKernelArg};
use candle_core::{
    CpuStorage, CudaDevice, CudaStorage, DType, InplaceOp1, InplaceOp2, Layout, Result, Tensor, bail,
};

use super::Kernel;

const KERNELS: &str = include_str!("kernels.ptx");

/// The name under which a device keeps the kernels, once loaded.
const MODULE: &str = "mt_train_optim";

/// Threads a block: whole warps, and small enough that a parameter of some thousand values spreads over the card.
const THREADS: usize = 256;

/// Blocks of a grid; more than any card runs at once. A thread of a full grid takes several values.
const MOST_BLOCKS: usize = 1 << 14;

/// Whether the kernels take this tensor.
pub fn fits(tensor: &Tensor) -> bool {
    tensor.device().is_cuda() && tensor.dtype() == DType::F32
}

/// Queues one step of `values` and of the `state` that is kept for them, towards or along `followed`.
pub fn run(kernel: &Kernel, values: &Tensor, followed: &Tensor, state: &[&Tensor]) -> Result<()> {
    values.inplace_op2(&followed.contiguous()?, &Launch { kernel, state })
}

struct Launch<'a> {
    kernel: &'a Kernel,
    state: &'a [&'a Tensor],
}

impl InplaceOp2 for Launch<'_> {
    fn name(&self) -> &'static str {
        self.kernel.name
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<()> {
        bail!("the kernel {} runs on a card", self.kernel.name)
    }

    fn cuda_fwd(
        &self,
        values: &mut CudaStorage,
        to: &Layout,
        followed: &CudaStorage,
        from: &Layout,
    ) -> Result<()> {
        let device = values.device.clone();
        let Some((start, end)) = from.contiguous_offsets() else {
            bail!("{} follows contiguous values", self.kernel.name)
        };
        let followed = followed.as_cuda_slice::<f32>()?.slice(start..end);
        let mut values = view(&device, values, to)?;
        with_views(&device, self.state, Vec::new(), |state| {
            self.kernel.launch(&device, &mut values, &followed, state)
        })
    }
}

impl Kernel {
    fn launch(
        &self,
        device: &CudaDevice,
        values: &mut CudaViewMut<f32>,
        followed: &CudaView<f32>,
        state: &mut [CudaViewMut<f32>],
    ) -> Result<()> {
        let n = values.len();
        if followed.len() != n || state.iter().any(|state| state.len() != n) {
            bail!("{} has {n} values, but not so many of what they follow or of their state", self.name)
        }
        if n == 0 {
            return Ok(());
        }
        let function = device.get_or_load_custom_func(self.name, MODULE, KERNELS)?;
        // `size_t` of the card, which has 64 bits whatever the host has.
        let count = n as u64;
        let mut launch = function.builder();
        launch.arg(&count).arg(values).arg(followed);
        for constant in &self.constants {
            launch.arg(constant);
        }
        for state in state {
            launch.arg(state);
        }
        let grid = LaunchConfig {
            grid_dim: (n.div_ceil(THREADS).min(MOST_BLOCKS) as u32, 1, 1),
            block_dim: (THREADS as u32, 1, 1),
            shared_mem_bytes: 0,
        };
        // SAFETY: the kernels take their number, two pointers, float constants, and pointers to what is kept, in this
        // order; how many of these each kernel takes, and in which order, is held to PTX and source by the tests of this
        // module. They touch `n` values behind each pointer, all on `device`, and write only behind those that are
        // borrowed mutably. Work queued on a stream runs in order, and memory is freed on the stream too.
        unsafe { launch.launch(grid) }.w()?;
        Ok(())
    }
}

/// Runs `f` on views of all `tensors`, added to `views`.
fn with_views(
    device: &CudaDevice,
    tensors: &[&Tensor],
    mut views: Vec<CudaViewMut<'_, f32>>,
    f: impl FnOnce(&mut [CudaViewMut<'_, f32>]) -> Result<()>,
) -> Result<()> {
    let Some((first, rest)) = tensors.split_first() else {
        return f(&mut views);
    };
    let visit = |storage: &mut CudaStorage, layout: &Layout| {
        // The views so far live longer than the new one; all of them now count as living as long as it.
        let mut views: Vec<CudaViewMut<'_, f32>> = views;
        views.push(view(device, storage, layout)?);
        with_views(device, rest, views, f)
    };
    first.inplace_op1(&Once(RefCell::new(Some(visit))))
}

/// The values of a contiguous float32 tensor on `device`.
fn view<'a>(
    device: &CudaDevice,
    storage: &'a mut CudaStorage,
    layout: &Layout,
) -> Result<CudaViewMut<'a, f32>> {
    if storage.device.id() != device.id() {
        bail!("an optimizer's state lies on another device than its parameter")
    }
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("an optimizer updates contiguous float32 values")
    };
    Ok(storage.as_cuda_slice_mut::<f32>()?.slice_mut(start..end))
}

/// Mutable access to the storage of a tensor, through the only door candle leaves open.
struct Once<F>(RefCell<Option<F>>);

impl<F: FnOnce(&mut CudaStorage, &Layout) -> Result<()>> InplaceOp1 for Once<F> {
    fn name(&self) -> &'static str {
        "optimizer state"
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout) -> Result<()> {
        bail!("an optimizer's state lies on the CPU and its parameter on a card")
    }

    fn cuda_fwd(&self, storage: &mut CudaStorage, layout: &Layout) -> Result<()> {
        match self.0.borrow_mut().take() {
            Some(f) => f(storage, layout),
            None => Ok(()),
        }
    }
}

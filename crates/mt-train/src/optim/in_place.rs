//! Mutable access to a variable's values, through the only door candle leaves open.

use std::cell::RefCell;

use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Var, bail};

/// Runs `f` on the values of a contiguous float32 variable on the CPU.
pub(super) fn with_values_mut(var: &Var, f: impl FnOnce(&mut [f32])) -> Result<()> {
    var.inplace_op1(&Once(RefCell::new(Some(f))))
}

struct Once<F>(RefCell<Option<F>>);

impl<F: FnOnce(&mut [f32])> InplaceOp1 for Once<F> {
    fn name(&self) -> &'static str {
        "update"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
            bail!("an optimizer updates contiguous float32 values")
        };
        if let Some(f) = self.0.borrow_mut().take() {
            f(&mut values[start..end]);
        }
        Ok(())
    }
}

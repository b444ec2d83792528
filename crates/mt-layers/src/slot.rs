//! The gradient of one parameter, in a buffer that lives across steps.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{Device, Result, Tensor, TensorId};

use crate::fused::add_values;

/// The gradient of one parameter, accumulated until an optimizer consumes it.
#[derive(Debug, Default)]
pub struct Gradient {
    /// Row-major values on the host; what CPU kernels write and CPU optimizers read.
    pub host: Vec<f32>,
    /// The gradient of a parameter on another device.
    pub device: Option<Tensor>,
    /// Rows of the parameter (places along its first axis) beyond which `host` is zero, ascending; `None` where it
    /// may be anything everywhere. A small batch of sparse rows reaches a third of a wide first layer; an optimizer
    /// need not read the rest.
    pub rows: Option<Vec<Range<u32>>>,
    /// Whether anything was added since the last [`Gradient::clear`]. A parameter without a gradient is not
    /// updated, so that stale momentum does not move it.
    pub touched: bool,
    /// Whether several threads made it, which are then still awake to share the work of an optimizer.
    pub shared: bool,
}

impl Gradient {
    /// Marks the gradient as consumed. Whoever reads `host` zeroes it in the same pass.
    pub fn clear(&mut self) {
        self.device = None;
        self.rows = None;
        self.touched = false;
        self.shared = false;
    }

    /// Drops what was added, to be as if nothing had been.
    pub fn reset(&mut self) {
        self.host.fill(0.0);
        self.clear();
    }

    /// Announces an addition to `host`, to `rows` of it where that is known.
    pub(crate) fn touch(&mut self, rows: Option<&[Range<u32>]>) {
        self.rows = if self.touched { None } else { rows.map(<[_]>::to_vec) };
        self.touched = true;
    }

    /// Adds what candle found.
    pub(crate) fn add(&mut self, gradient: &Tensor) -> Result<()> {
        self.touch(None);
        if !matches!(gradient.device(), Device::Cpu) {
            self.device = Some(match self.device.take() {
                Some(sum) => (sum + gradient)?,
                None => gradient.clone(),
            });
            return Ok(());
        }
        add_values(gradient, &mut self.host)
    }
}

/// A shared handle to one parameter's gradient. There is none without room for the parameter's values.
#[derive(Debug, Clone)]
pub struct Slot(Arc<Mutex<Gradient>>);

impl Slot {
    /// A zero gradient of `elements` values.
    pub fn zeros(elements: usize) -> Self {
        Self(Arc::new(Mutex::new(Gradient { host: vec![0.0; elements], ..Gradient::default() })))
    }

    /// Exclusive access. One thread runs a step, so the lock is never contended.
    pub fn lock(&self) -> MutexGuard<'_, Gradient> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Slots by the identity of the parameter tensor; looked up, never iterated.
pub(crate) type Slots = HashMap<TensorId, Slot>;

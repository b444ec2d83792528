//! The short way of parameter gradients: straight into a buffer that lives across steps.
//!
//! candle's `backward` allocates each gradient anew, zero-fills a second tensor and adds the two; for a first layer
//! of 233 KB that alone costs more than the arithmetic. Inside [`Gradients::collect`] a fused operation adds its parameter
//! gradients to the [`Slot`] of the parameter instead and reports none to candle. Outside of it, or for parameters
//! without a slot, the plain candle composition runs and candle's own gradients come out as usual.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::backprop::GradStore;
use candle_core::{Device, Result, Tensor, TensorId};

use crate::fused::with_values;
use crate::leaf::Leaf;

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

    fn add(&mut self, gradient: &Tensor) -> Result<()> {
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

/// `sums += gradient`, of a tensor on the CPU.
pub(crate) fn add_values(gradient: &Tensor, sums: &mut [f32]) -> Result<()> {
    with_values(&gradient.contiguous()?, |gradient| {
        sums.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += g);
        Ok(())
    })
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

/// Gradients that are being collected.
struct Active {
    slots: Arc<Slots>,
    leaves: Vec<Leaf>,
}

thread_local! {
    static ACTIVE: RefCell<Option<Active>> = const { RefCell::new(None) };
}

/// Where gradients of `parameter` go, if they are being collected on this thread.
pub(crate) fn slot_of(parameter: &Tensor) -> Option<Slot> {
    ACTIVE.with_borrow(|active| active.as_ref()?.slots.get(&parameter.id()).cloned())
}

/// Whether gradients are being collected on this thread.
pub(crate) fn collecting() -> bool {
    ACTIVE.with_borrow(Option::is_some)
}

/// Runs `f` on the leaves of the collection on this thread, if there is one.
pub(crate) fn with_leaves<T>(f: impl FnOnce(&mut Vec<Leaf>) -> T) -> Option<T> {
    ACTIVE.with_borrow_mut(|active| active.as_mut().map(|active| f(&mut active.leaves)))
}

/// While it lives, gradients are collected on this thread; then whatever was before it holds again.
pub(crate) struct Scope(Option<Active>);

impl Scope {
    /// Ends the collection: leaves get their gradients, from the last one made to the first.
    pub fn end(self) -> Result<()> {
        while let Some(leaf) = with_leaves(Vec::pop).flatten() {
            leaf.end()?;
        }
        Ok(())
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        ACTIVE.set(self.0.take());
    }
}

/// The gradient slots of a set of parameters.
#[derive(Debug)]
pub struct Gradients {
    slots: Arc<Slots>,
    parameters: Vec<(Tensor, Slot)>,
}

impl Gradients {
    pub(crate) fn new(parameters: Vec<(Tensor, Slot)>) -> Self {
        let slots = parameters.iter().map(|(tensor, slot)| (tensor.id(), slot.clone())).collect();
        Self { slots: Arc::new(slots), parameters }
    }

    /// Runs `forward` to a scalar loss and adds its gradients to the parameters' slots.
    ///
    /// Returns the loss, detached. Call [`Gradient::clear`] after use, as the optimizers do.
    ///
    /// # Errors
    /// Whatever `forward` or candle's backward pass fails with.
    pub fn collect(&self, forward: impl FnOnce() -> Result<Tensor>) -> Result<Tensor> {
        let scope = self.scope();
        let loss = forward()?;
        self.add(&loss.backward()?)?;
        scope.end()?;
        Ok(loss.detach())
    }

    /// Collects gradients on this thread until the result is dropped.
    pub(crate) fn scope(&self) -> Scope {
        Scope(ACTIVE.replace(Some(Active { slots: self.slots.clone(), leaves: Vec::new() })))
    }

    /// Adds what candle found for parameters and leaves that no fused operation took.
    pub(crate) fn add(&self, ordinary: &GradStore) -> Result<()> {
        for (parameter, slot) in &self.parameters {
            if let Some(gradient) = ordinary.get(parameter) {
                slot.lock().add(gradient)?;
            }
        }
        with_leaves(|leaves| leaves.iter_mut().try_for_each(|leaf| leaf.add(ordinary))).unwrap_or(Ok(()))
    }
}

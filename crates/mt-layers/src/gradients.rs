//! The short way of parameter gradients: straight into a buffer that lives across steps.
//!
//! candle's `backward` allocates each gradient anew, zero-fills a second tensor and adds the two; for a first layer
//! of 233 KB that alone costs more than the arithmetic. Inside [`Gradients::collect`] a fused operation adds its parameter
//! gradients to the [`Slot`] of the parameter instead and reports none to candle. Outside of it, or for parameters
//! without a slot, the plain candle composition runs and candle's own gradients come out as usual.

use std::sync::Arc;

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor};

use crate::leaf::Leaf;
use crate::run::Run;
use crate::slot::{Slot, Slots};

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
    /// Returns the loss, detached. Call [`Gradient::clear`](crate::Gradient::clear) after use, as the optimizers do.
    ///
    /// # Errors
    /// Whatever `forward` or candle's backward pass fails with.
    pub fn collect(&self, run: &mut Run, forward: impl FnOnce(&mut Run) -> Result<Tensor>) -> Result<Tensor> {
        let (loss, leaves) = self.forward(run, forward)?;
        self.add(&loss.backward()?, &leaves)?;
        end(leaves)?;
        Ok(loss.detach())
    }

    /// Runs `forward` so that its operations leave their gradients here, and returns the leaves among what they made.
    pub(crate) fn forward<T>(
        &self,
        run: &mut Run,
        forward: impl FnOnce(&mut Run) -> Result<T>,
    ) -> Result<(T, Vec<Leaf>)> {
        run.collecting(self.slots.clone(), forward)
    }

    /// Adds what candle found for parameters and leaves that no fused operation took.
    pub(crate) fn add(&self, ordinary: &GradStore, leaves: &[Leaf]) -> Result<()> {
        for (parameter, slot) in &self.parameters {
            if let Some(gradient) = ordinary.get(parameter) {
                slot.lock().add(gradient)?;
            }
        }
        leaves.iter().try_for_each(|leaf| leaf.add(ordinary))
    }
}

/// Hands leaves their gradients, from the last one made to the first.
pub(crate) fn end(leaves: Vec<Leaf>) -> Result<()> {
    leaves.into_iter().rev().try_for_each(Leaf::end)
}

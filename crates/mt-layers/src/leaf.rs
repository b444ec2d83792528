//! A leaf of candle's graph that is no parameter: what a batch looked up, or what a fused operation made of it.
//!
//! Were it the output of an operation of candle's, candle would clear and add up a tensor of its size to hand the
//! gradient on. A fused operation that reads a leaf leaves the gradient here, until all of it is there for whoever made
//! the leaf.

use std::fmt;
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::backprop::GradStore;
use candle_core::{Device, Result, Tensor, Var};
use mt_kernels::InputGradient;
use mt_kernels::scratch::Scratch;

use crate::fused::add_values;

/// Takes the leaf's tensor and its gradient.
type Receive = Box<dyn FnOnce(&Tensor, Scratch) -> Result<()>>;

/// A leaf while gradients are being collected.
pub(crate) struct Leaf {
    var: Var,
    gradient: Arc<Mutex<InputGradient>>,
    receive: Receive,
}

impl Leaf {
    /// A leaf with these values on the CPU, whose gradient `receive` gets with it, if there is one in the end.
    pub fn new(
        values: Vec<f32>,
        shape: (usize, usize),
        receive: impl FnOnce(&Tensor, Scratch) -> Result<()> + 'static,
    ) -> Result<(Tensor, Self)> {
        let gradient = Arc::new(Mutex::new(InputGradient::new(values.len())));
        let var = Var::from_vec(values, shape, &Device::Cpu)?;
        Ok((var.as_tensor().clone(), Self { var, gradient, receive: Box::new(receive) }))
    }

    /// Whether `xs` is this leaf.
    pub fn is(&self, xs: &Tensor) -> bool {
        self.var.id() == xs.id()
    }

    /// For an operation that reads it.
    pub fn below(&self) -> Below {
        Below(Some(self.gradient.clone()))
    }

    /// Adds what candle found by itself.
    pub fn add(&self, ordinary: &GradStore) -> Result<()> {
        let add = |found: &Tensor| add_values(found, lock(&self.gradient).sums());
        ordinary.get(&self.var).map_or(Ok(()), add)
    }

    /// Hands the gradient over, if there is one.
    pub fn end(self) -> Result<()> {
        let gradient = take(&mut *lock(&self.gradient));
        if gradient.is_fresh() {
            return Ok(());
        }
        (self.receive)(&self.var, gradient.into_sums())
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Leaf").field(&self.var.shape()).finish()
    }
}

fn lock(gradient: &Mutex<InputGradient>) -> MutexGuard<'_, InputGradient> {
    gradient.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the gradient of what an operation reads goes: to a leaf, or to candle.
#[derive(Debug, Clone, Default)]
pub(crate) struct Below(Option<Arc<Mutex<InputGradient>>>);

impl Below {
    /// Whether it goes to a leaf.
    pub fn is_leaf(&self) -> bool {
        self.0.is_some()
    }

    /// The gradient of `xs`: what was added so far to that of a leaf; to be [given](Below::give) back.
    pub fn take(&self, xs: &Tensor) -> InputGradient {
        self.0.as_ref().map_or_else(|| InputGradient::new(xs.elem_count()), |leaf| take(&mut *lock(leaf)))
    }

    /// Keeps the gradient of a leaf; that of another tensor comes out, for candle.
    pub fn give(&self, gradient: InputGradient, xs: &Tensor) -> Result<Option<Tensor>> {
        if let Some(leaf) = &self.0 {
            *lock(leaf) = gradient;
            return Ok(None);
        }
        Ok(Some(Tensor::from_vec(gradient.into_sums().into_vec(), xs.shape(), xs.device())?))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::gradients::Gradients;
    use crate::run::Run;

    /// What a leaf of ones gets for a loss.
    fn received(loss: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Option<Vec<f32>>> {
        let got = Rc::new(RefCell::new(None));
        let kept = got.clone();
        Gradients::new(Vec::new()).collect(&mut Run::training(), |run| {
            let receive = move |_: &Tensor, gradient: Scratch| {
                *kept.borrow_mut() = Some(gradient.to_vec());
                Ok(())
            };
            loss(&run.leaf(vec![1.0; 4], (2, 2), receive)?)
        })?;
        Ok(got.take())
    }

    #[test]
    fn a_leaf_gets_the_sum_of_what_candle_found() -> Result<()> {
        let found = received(|xs| (xs.sqr()?.sum_all()? + xs.narrow(1, 0, 1)?.sum_all()?)?.affine(2.0, 0.0))?;
        assert_eq!(found, Some(vec![6.0, 4.0, 6.0, 4.0]));
        Ok(())
    }

    #[test]
    fn a_leaf_that_the_loss_does_not_read_gets_nothing() -> Result<()> {
        let other = Var::ones(1, candle_core::DType::F32, &Device::Cpu)?;
        assert_eq!(received(|_| other.sum_all())?, None);
        Ok(())
    }

    #[test]
    fn outside_of_a_collection_it_is_a_constant() -> Result<()> {
        let constant = Run::training().leaf(vec![1.0; 4], (2, 2), |_, _| Ok(()))?;
        assert!(!constant.track_op());
        Ok(())
    }
}

//! A leaf of candle's graph that is no parameter: what a batch looked up, or what a fused operation made of it.
//!
//! Were it the output of an operation of candle's, candle would clear and add up a tensor of its size to hand the
//! gradient on. A fused operation that reads a leaf leaves the gradient here, until all of it is there for whoever made
//! the leaf.

use std::mem::take;

use candle_core::backprop::GradStore;
use candle_core::{Device, Result, Tensor, Var};

use crate::fused::scratch::{Scratch, scratch};
use crate::gradients::{add_values, collecting, with_leaves};

/// Takes the leaf's tensor and its gradient.
type Receive = Box<dyn FnOnce(&Tensor, Scratch) -> Result<()>>;

/// A leaf while gradients are being collected.
pub(crate) struct Leaf {
    var: Var,
    gradient: InputGradient,
    receive: Receive,
}

/// A tensor on the CPU that takes part in autograd while gradients are being collected on this thread: `receive` gets
/// it and its gradient, if it has one, in the end: the leaf made last comes first, so that it can add to the gradients of
/// those made before. Elsewhere it is a constant.
pub(crate) fn leaf(
    values: Vec<f32>,
    shape: (usize, usize),
    receive: impl FnOnce(&Tensor, Scratch) -> Result<()> + 'static,
) -> Result<Tensor> {
    if !collecting() {
        return Tensor::from_vec(values, shape, &Device::Cpu);
    }
    let gradient = InputGradient::new(values.len());
    let var = Var::from_vec(values, shape, &Device::Cpu)?;
    let tensor = var.as_tensor().clone();
    with_leaves(|leaves| leaves.push(Leaf { var, gradient, receive: Box::new(receive) }));
    Ok(tensor)
}

impl Leaf {
    /// Adds what candle found by itself.
    pub fn add(&mut self, ordinary: &GradStore) -> Result<()> {
        ordinary.get(&self.var).map_or(Ok(()), |gradient| add_values(gradient, self.gradient.sums()))
    }

    /// Hands the gradient over, if there is one.
    pub fn end(self) -> Result<()> {
        if self.gradient.is_fresh() {
            return Ok(());
        }
        (self.receive)(&self.var, self.gradient.into_sums())
    }
}

/// The gradient of what an operation reads.
#[derive(Debug, Default)]
pub(crate) struct InputGradient {
    values: Scratch,
    /// Whether nothing was added yet: `values` holds anything.
    fresh: bool,
    /// Whether it goes back to a leaf.
    of_leaf: bool,
}

impl InputGradient {
    /// A gradient of so many values, to which nothing was added.
    pub fn new(len: usize) -> Self {
        Self { values: scratch(len), fresh: true, of_leaf: false }
    }

    /// The gradient of `xs`: what was added so far if it is a [`leaf`]; to be [given](InputGradient::give) back.
    pub fn of(xs: &Tensor) -> Self {
        let taken = with_leaf(xs, |leaf| take(&mut leaf.gradient));
        taken.map_or_else(|| Self::new(xs.elem_count()), |taken| Self { of_leaf: true, ..taken })
    }

    /// Keeps the gradient of a leaf; that of another tensor comes out, for candle.
    pub fn give(self, xs: &Tensor) -> Result<Option<Tensor>> {
        if self.of_leaf {
            with_leaf(xs, |leaf| leaf.gradient = self);
            return Ok(None);
        }
        Ok(Some(Tensor::from_vec(self.into_sums().into_vec(), xs.shape(), xs.device())?))
    }

    /// Whether nothing was added yet.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// For whoever overwrites all of it.
    pub fn written(&mut self) -> &mut [f32] {
        self.fresh = false;
        &mut self.values
    }

    /// For whoever adds to it part by part, and clears each part first if so told.
    pub fn parts(&mut self) -> (&mut [f32], bool) {
        (&mut self.values, take(&mut self.fresh))
    }

    /// For whoever adds to it.
    pub fn sums(&mut self) -> &mut [f32] {
        if take(&mut self.fresh) {
            self.values.fill(0.0);
        }
        &mut self.values
    }

    /// What was added.
    pub fn into_sums(mut self) -> Scratch {
        self.sums();
        self.values
    }
}

/// Whether `xs` is a leaf of the collection on this thread.
pub(crate) fn is_leaf(xs: &Tensor) -> bool {
    with_leaf(xs, |_| ()).is_some()
}

fn with_leaf<T>(xs: &Tensor, f: impl FnOnce(&mut Leaf) -> T) -> Option<T> {
    with_leaves(|leaves| leaves.iter_mut().find(|leaf| leaf.var.id() == xs.id()).map(f)).flatten()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::gradients::Gradients;

    /// What a leaf of ones gets for a loss.
    fn received(loss: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Option<Vec<f32>>> {
        let got = Rc::new(RefCell::new(None));
        let kept = got.clone();
        Gradients::new(Vec::new()).collect(|| {
            let receive = move |_: &Tensor, gradient: Scratch| {
                *kept.borrow_mut() = Some(gradient.to_vec());
                Ok(())
            };
            loss(&leaf(vec![1.0; 4], (2, 2), receive)?)
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
        let constant = leaf(vec![1.0; 4], (2, 2), |_, _| Ok(()))?;
        assert!(!constant.track_op());
        Ok(())
    }
}

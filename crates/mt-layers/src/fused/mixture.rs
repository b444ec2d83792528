//! Softmax gates and their mixtures in one pass over the rows.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use mt_kernels::mixture::Gates;
use mt_kernels::scratch::Scratch;

use super::{slice, with_all};

/// The operation on tensors; keeps the gates' weights of the forward pass for the backward one.
pub(crate) struct FusedMixture {
    mixture: Gates,
    weights: Mutex<Scratch>,
}

impl FusedMixture {
    pub fn new(mixture: Gates) -> Self {
        Self { mixture, weights: Mutex::default() }
    }
}

impl CustomOp2 for FusedMixture {
    fn name(&self) -> &'static str {
        "mixture"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, columns) = l1.shape().dims2()?;
        let (weights, out) = self.mixture.forward(columns, slice(s1, l1)?, slice(s2, l2)?);
        *self.weights.lock().unwrap_or_else(PoisonError::into_inner) = weights;
        let shape = Shape::from((rows, self.mixture.outputs()));
        Ok((CpuStorage::F32(out), shape))
    }

    fn bwd(
        &self,
        experts: &Tensor,
        logits: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let weights = self.weights.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, columns) = experts.dims2()?;
        let gradient = gradient.contiguous()?;
        let (to_experts, to_logits, _) = with_all(&[experts, &gradient], |values| {
            Ok(self.mixture.backward(columns, None, values[0], &weights, values[1]))
        })?;
        let to_experts = Tensor::from_vec(to_experts.into_vec(), experts.shape(), experts.device())?;
        Ok((Some(to_experts), Some(Tensor::from_vec(to_logits.into_vec(), logits.shape(), logits.device())?)))
    }
}

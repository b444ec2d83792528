//! Experts, gates and their mixtures as one operation.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::scratch::{Scratch, scratch};
use super::stack::{Sparse, Stack, rows, wanted};
use super::{slice, with_all};
use crate::mixture::Mixture;

/// The arguments are those of [`super::stack::SideBySide`].
pub(crate) struct Gated {
    pub sparse: Sparse,
    pub experts: Stack,
    pub gates: Stack,
    pub mixture: Mixture,
    pub kept: Mutex<Kept>,
}

/// What the backward pass reads of the latest forward one.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    experts: Scratch,
    logits: Scratch,
    weights: Scratch,
}

impl CustomOp2 for Gated {
    fn name(&self) -> &'static str {
        "gated experts"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let rows = rows(&self.sparse, slice(s1, l1)?, l1.shape())?;
        let mut experts = scratch(rows.len() * self.experts.width());
        self.experts.forward(rows, &mut experts)?;
        let mut logits = scratch(rows.len() * self.gates.width());
        self.gates.forward(rows, &mut logits)?;
        let (weights, out) = self.mixture.forward_rows(self.experts.width(), &experts, &logits);
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Kept { experts, logits, weights };
        Ok((CpuStorage::F32(out), Shape::from((rows.len(), self.mixture.outputs()))))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        _: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { experts, logits, weights } = &*kept;
        let mut input = wanted(&self.sparse, xs);
        with_all(&[xs, &grad.contiguous()?], |values| {
            let rows = rows(&self.sparse, values[0], xs.shape())?;
            let (to_experts, to_logits) =
                self.mixture.backward_rows(self.experts.width(), experts, weights, values[1]);
            self.experts.backward(rows, experts, &to_experts, input.as_mut())?;
            self.gates.backward(rows, logits, &to_logits, input.as_mut())
        })?;
        Ok((input.map(|input| input.give(xs)).transpose()?.flatten(), None))
    }
}

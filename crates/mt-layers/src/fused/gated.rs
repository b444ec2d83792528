//! Experts, gates and their mixtures as one operation.

use std::sync::{Mutex, PoisonError};

use candle_core::Result;
use mt_kernels::InputGradient;
use mt_kernels::mixture::Gates;
use mt_kernels::rows::Rows;
use mt_kernels::scratch::{Scratch, scratch};

use super::delta::{Delta, backward};
use super::operation::Operation;
use super::stack::Stack;

/// A level of experts, the gates that weigh them, and their mixtures.
pub(crate) struct Gated {
    pub experts: Stack,
    pub gates: Stack,
    pub mixture: Gates,
    pub kept: Mutex<Kept>,
}

/// What the backward pass reads of the latest forward one.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    experts: Scratch,
    logits: Scratch,
    weights: Scratch,
}

impl Operation for Gated {
    const NAME: &'static str = "gated experts";

    fn width(&self) -> usize {
        self.mixture.outputs()
    }

    fn forward(&self, rows: Rows) -> Result<Vec<f32>> {
        let mut experts = scratch(rows.len() * self.experts.width());
        self.experts.write(rows, &mut experts)?;
        let mut logits = scratch(rows.len() * self.gates.width());
        self.gates.write(rows, &mut logits)?;
        let (weights, out) = self.mixture.forward(self.experts.width(), &experts, &logits);
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Kept { experts, logits, weights };
        Ok(out)
    }

    fn backward(
        &self,
        rows: Rows,
        _: &[f32],
        gradient: Scratch,
        input: Option<&mut InputGradient>,
    ) -> Result<()> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { experts, logits, weights } = &*kept;
        let (last, gate) = (self.experts.last(), self.gates.last());
        let plain = last.norm.is_none().then_some(last);
        let (to_experts, to_logits, sums) = self.mixture.backward(
            last.width(),
            plain.map(|last| last.maps.relu),
            experts,
            weights,
            &gradient,
        );
        let delta = match plain {
            Some(_) => Delta::masked(last, to_experts, sums),
            None => Delta::new(last, experts, to_experts)?,
        };
        let experts = self.experts.descend(delta)?;
        let gates = self.gates.descend(Delta::new(gate, logits, to_logits)?)?;
        backward(&[experts, gates], rows, input)
    }
}

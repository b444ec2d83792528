//! One level of experts and the gates that mix them.

use std::ops::Range;
use std::sync::Mutex;

use candle_core::{Result, Tensor, bail};

use crate::bank::{Bank, apply, forward_side_by_side, layers, stack};
use crate::fused::gated::Gated;
use crate::importance::weighing;
use crate::input::Input;
use crate::mixture::Mixture;
use crate::observe::observing;
use crate::tap::{cutting, tap};

/// Expert banks, gates, and a mixture of the experts for each gate.
#[derive(Debug, Clone)]
pub struct GatedExperts {
    experts: Vec<(Bank, Range<usize>)>,
    gates: Vec<(Bank, Range<usize>)>,
    mixture: Mixture,
    shared: Range<usize>,
}

impl GatedExperts {
    /// Banks with the input columns that each reads. The experts' outputs lie side by side, as do the gates' logits,
    /// and `mixture` says which experts a gate chooses from. All tasks share the experts `shared`.
    ///
    /// # Errors
    /// If experts differ in their widths, banks in their depths, or the mixture does not fit them.
    pub fn new(
        experts: Vec<(Bank, Range<usize>)>,
        gates: Vec<(Bank, Range<usize>)>,
        mixture: Mixture,
        shared: Range<usize>,
    ) -> Result<Self> {
        let width = mixture.width;
        if experts.iter().any(|(bank, _)| bank.outputs() != width) {
            bail!("experts of another width than the mixture's {width}")
        }
        let columns: usize = experts.iter().map(|(bank, _)| bank.len() * width).sum();
        mixture.check(columns, gates.iter().map(|(bank, _)| bank.outputs()).sum())?;
        let this = Self { experts, gates, mixture, shared: shared.start * width..shared.end * width };
        layers(&reads(&this.experts))?;
        layers(&reads(&this.gates))?;
        Ok(this)
    }

    /// Units of an expert, and columns of a stream.
    pub fn width(&self) -> usize {
        self.mixture.width
    }

    /// A stream for each gate: `(B, D)` to `(B, G·H)`. What the tasks share is [`tap`]ped between experts and gates.
    pub fn forward(&self, xs: &Input) -> Result<Tensor> {
        if cutting() {
            let (experts, logits) = self.parts(xs)?;
            return self.mixture.forward(&tap(experts, self.shared.clone())?, &tap(logits, 0..0)?);
        }
        self.below(xs)
    }

    /// The same without a tap: for a level below others.
    pub fn below(&self, xs: &Input) -> Result<Tensor> {
        if !observing() && !weighing() {
            let (experts, gates) = (layers(&reads(&self.experts))?, layers(&reads(&self.gates))?);
            if let (Some(bank), Some(gate)) = (stack(&experts, xs)?, stack(&gates, xs)?) {
                let mixture = self.mixture.clone();
                return apply(xs, &experts, |sparse| Gated {
                    sparse,
                    experts: bank,
                    gates: gate,
                    mixture,
                    kept: Mutex::default(),
                });
            }
        }
        let (experts, logits) = self.parts(xs)?;
        self.mixture.forward(&experts, &logits)
    }

    /// The outputs `(B, E·H)` of all experts and the logits of all gates.
    fn parts(&self, xs: &Input) -> Result<(Tensor, Tensor)> {
        Ok((forward_side_by_side(&reads(&self.experts), xs)?, forward_side_by_side(&reads(&self.gates), xs)?))
    }
}

fn reads(banks: &[(Bank, Range<usize>)]) -> Vec<(&Bank, Range<usize>)> {
    banks.iter().map(|(bank, read)| (bank, read.clone())).collect()
}

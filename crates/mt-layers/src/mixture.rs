//! Mixtures of experts: `out_g = Σ_e softmax(logits_g / τ)_e · expert_e`.

use candle_core::{D, Result, Tensor, bail};

use crate::fused::mixture::FusedMixture;
use crate::fused::readable;

/// Which experts each gate mixes.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    pub(crate) width: usize,
    pub(crate) gates: Vec<Vec<usize>>,
    pub(crate) temperature: f32,
}

impl Mixture {
    /// Gates over experts of `width` units. `gates[g]` lists the experts gate `g` chooses from, in the order of its
    /// logits. A `temperature` above 1 flattens the weights, below 1 sharpens them.
    ///
    /// # Errors
    /// If a gate has no expert, or the temperature is not positive.
    pub fn new(width: usize, gates: Vec<Vec<usize>>, temperature: f64) -> Result<Self> {
        if gates.is_empty() || gates.iter().any(Vec::is_empty) || width == 0 {
            bail!("every gate needs at least one expert")
        }
        if !(temperature.is_finite() && temperature > 0.0) {
            bail!("the gates' temperature must be positive, not {temperature}")
        }
        Ok(Self { width, gates, temperature: temperature as f32 })
    }

    /// Logits of all gates.
    pub(crate) fn logits(&self) -> usize {
        self.gates.iter().map(Vec::len).sum()
    }

    /// Experts `(B, E·H)` and gate logits `(B, Σ choices)` to mixtures `(B, G·H)`.
    pub fn forward(&self, experts: &Tensor, logits: &Tensor) -> Result<Tensor> {
        let (_, columns) = experts.dims2()?;
        let needed = self.gates.iter().flatten().max().map_or(0, |e| (e + 1) * self.width);
        if columns < needed || logits.dim(1)? != self.logits() {
            bail!("mixture of {columns} expert columns and {} logits does not fit {self:?}", logits.dim(1)?)
        }
        if readable(experts) && readable(logits) {
            return experts.apply_op2(logits, FusedMixture::new(self.clone()));
        }
        self.composed(experts, logits)
    }

    /// The gates' weights `(B, Σ choices)`: a softmax over each gate's own logits.
    pub fn weights(&self, logits: &Tensor) -> Result<Tensor> {
        let mut at = 0;
        let mut weights = Vec::with_capacity(self.gates.len());
        for choices in &self.gates {
            let own = (logits.narrow(1, at, choices.len())? / f64::from(self.temperature))?;
            weights.push(candle_nn::ops::softmax(&own, D::Minus1)?);
            at += choices.len();
        }
        Tensor::cat(&weights, 1)
    }

    /// The same in candle's own operations: the oracle of the fused one, and the path on other devices.
    pub(crate) fn composed(&self, experts: &Tensor, logits: &Tensor) -> Result<Tensor> {
        let weights = self.weights(logits)?;
        let mut at = 0;
        let mut mixtures = Vec::with_capacity(self.gates.len());
        for choices in &self.gates {
            let chosen = choices
                .iter()
                .map(|&e| experts.narrow(1, e * self.width, self.width))
                .collect::<Result<Vec<_>>>()?;
            let weights = weights.narrow(1, at, choices.len())?.unsqueeze(D::Minus1)?;
            mixtures.push(Tensor::stack(&chosen, 1)?.broadcast_mul(&weights)?.sum(1)?);
            at += choices.len();
        }
        Tensor::cat(&mixtures, 1)
    }
}

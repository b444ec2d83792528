//! Mixtures of experts: `out_g = Σ_e softmax(logits_g / τ)_e · expert_e`.

use candle_core::{D, Result, Tensor, bail};

use crate::fused::mixture::FusedMixture;
use crate::fused::readable;
use crate::importance::imbalance;
use crate::observe::observed;

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
    /// If a gate has no expert or one twice, or the temperature is not positive.
    pub fn new(width: usize, gates: Vec<Vec<usize>>, temperature: f64) -> Result<Self> {
        if gates.is_empty() || gates.iter().any(Vec::is_empty) || width == 0 {
            bail!("every gate needs at least one expert")
        }
        if gates.iter().any(|gate| (1..gate.len()).any(|i| gate[..i].contains(&gate[i]))) {
            bail!("a gate chooses from each expert once")
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

    /// Columns of all mixtures.
    pub(crate) fn outputs(&self) -> usize {
        self.gates.len() * self.width
    }

    /// Refuses experts and logits of other sizes than the gates'.
    pub(crate) fn check(&self, columns: usize, logits: usize) -> Result<()> {
        let needed = self.gates.iter().flatten().max().map_or(0, |e| (e + 1) * self.width);
        if columns < needed || logits != self.logits() {
            bail!("mixture of {columns} expert columns and {logits} logits does not fit {self:?}")
        }
        Ok(())
    }

    /// Experts `(B, E·H)` and gate logits `(B, Σ choices)` to mixtures `(B, G·H)`.
    pub fn forward(&self, experts: &Tensor, logits: &Tensor) -> Result<Tensor> {
        self.check(experts.dim(1)?, logits.dim(1)?)?;
        observed(self, experts, logits)?;
        imbalance(self, logits)?;
        if readable(experts) && readable(logits) {
            return experts.apply_op2(logits, FusedMixture::new(self.clone()));
        }
        self.composed(experts, logits)
    }

    /// The gates' weights `(B, Σ choices)`: a softmax over each gate's own logits.
    pub fn weights(&self, logits: &Tensor) -> Result<Tensor> {
        let scaled = (logits / f64::from(self.temperature))?;
        let (gates, choices) = (self.gates.len(), self.gates[0].len());
        if self.gates.iter().all(|gate| gate.len() == choices) {
            let each = scaled.reshape(((), gates, choices))?;
            return candle_nn::ops::softmax(&each, D::Minus1)?.reshape(((), gates * choices));
        }
        let mut at = 0;
        let mut weights = Vec::with_capacity(gates);
        for gate in &self.gates {
            weights.push(candle_nn::ops::softmax(&scaled.narrow(1, at, gate.len())?, D::Minus1)?);
            at += gate.len();
        }
        Tensor::cat(&weights, 1)
    }

    /// The same in candle's own operations: the oracle of the fused one, and the path on other devices. One batched
    /// product `(G, E) x (E, H)` a row, as a kernel a gate and expert would cost more to launch than to run.
    pub(crate) fn composed(&self, experts: &Tensor, logits: &Tensor) -> Result<Tensor> {
        let (rows, columns) = experts.dims2()?;
        let (gates, count) = (self.gates.len(), columns / self.width);
        let mut weights = self.weights(logits)?;
        if self.gates.iter().any(|gate| !gate.iter().copied().eq(0..count)) {
            // Behind the weights a column of zeros, for the experts that a gate does not choose from.
            let mut places = vec![weights.dim(1)? as u32; gates * count];
            let chosen =
                self.gates.iter().enumerate().flat_map(|(g, gate)| gate.iter().map(move |e| g * count + e));
            chosen.zip(0..).for_each(|(place, weight)| places[place] = weight);
            let places = Tensor::new(places, weights.device())?;
            weights = weights.pad_with_zeros(1, 0, 1)?.index_select(&places, 1)?;
        }
        let experts = experts.narrow(1, 0, count * self.width)?.reshape((rows, count, self.width))?;
        weights.reshape((rows, gates, count))?.matmul(&experts)?.reshape((rows, gates * self.width))
    }
}

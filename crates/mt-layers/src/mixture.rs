//! Mixtures of experts: `out_g = Σ_e softmax(logits_g / τ)_e · expert_e`.

use candle_core::{D, Result, Tensor, bail};
use mt_kernels::mixture::Gates;

use crate::fused::mixture::FusedMixture;
use crate::fused::readable;
use crate::noted::Mixed;
use crate::run::Run;

/// Which experts each gate mixes.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture(pub(crate) Gates);

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
        Ok(Self(Gates { width, gates, temperature: temperature as f32 }))
    }

    /// Refuses experts and logits of other sizes than the gates'.
    pub(crate) fn check(&self, columns: usize, logits: usize) -> Result<()> {
        let needed = self.0.gates.iter().flatten().max().map_or(0, |e| (e + 1) * self.0.width);
        if columns < needed || logits != self.0.logits() {
            bail!("mixture of {columns} expert columns and {logits} logits does not fit {self:?}")
        }
        Ok(())
    }

    /// Experts `(B, E·H)` and gate logits `(B, Σ choices)` to mixtures `(B, G·H)`.
    pub fn forward(&self, experts: &Tensor, logits: &Tensor, run: &mut Run) -> Result<Tensor> {
        self.check(experts.dim(1)?, logits.dim(1)?)?;
        run.mixes(|| self.mixed(experts, logits), || self.imbalance(logits))?;
        if readable(experts) && readable(logits) {
            return experts.apply_op2(logits, FusedMixture::new(self.0.clone()));
        }
        self.composed(experts, logits)
    }

    /// What it reads, for whoever looks.
    fn mixed(&self, experts: &Tensor, logits: &Tensor) -> Result<Mixed> {
        let weights = self.weights(logits)?.detach();
        Ok(Mixed { experts: experts.detach(), width: self.0.width, weights, gates: self.0.gates.clone() })
    }

    /// How unevenly the gates use their experts, as a loss; `None` where no gate has a choice. N. Shazeer et al., *Outrageously
    /// Large Neural Networks: The Sparsely-Gated Mixture-of-Experts Layer*, ICLR 2017, eq. 6-7.
    ///
    /// A gate's importance of an expert is the sum of its weights over the batch; the loss is the square of the importances'
    /// coefficient of variation. As a gate's weights sum to 1 in each row, it is `E Σ_e w̄_e² - 1` of the mean weights `w̄`: 0
    /// for even use, `E - 1` for a single expert. A gate's own experts only; summed over all gates.
    ///
    /// # Errors
    /// If the sizes do not fit.
    pub fn imbalance(&self, logits: &Tensor) -> Result<Option<Tensor>> {
        if self.0.gates.iter().all(|gate| gate.len() < 2) {
            return Ok(None);
        }
        let means = self.weights(logits)?.mean(0)?;
        // A gate without a choice has weight 1, and adds 1 - 1.
        let choices = self.0.gates.iter().flat_map(|gate| std::iter::repeat_n(gate.len() as f32, gate.len()));
        let choices = Tensor::from_iter(choices, means.device())?.to_dtype(means.dtype())?;
        ((means.sqr()? * choices)?.sum_all()? - self.0.gates.len() as f64).map(Some)
    }

    /// The gates' weights `(B, Σ choices)`: a softmax over each gate's own logits.
    pub fn weights(&self, logits: &Tensor) -> Result<Tensor> {
        let scaled = (logits / f64::from(self.0.temperature))?;
        let (gates, choices) = (self.0.gates.len(), self.0.gates[0].len());
        if self.0.gates.iter().all(|gate| gate.len() == choices) {
            let each = scaled.reshape(((), gates, choices))?;
            return candle_nn::ops::softmax(&each, D::Minus1)?.reshape(((), gates * choices));
        }
        let mut at = 0;
        let mut weights = Vec::with_capacity(gates);
        for gate in &self.0.gates {
            weights.push(candle_nn::ops::softmax(&scaled.narrow(1, at, gate.len())?, D::Minus1)?);
            at += gate.len();
        }
        Tensor::cat(&weights, 1)
    }

    /// The same in candle's own operations: the oracle of the fused one, and the path on other devices. One batched
    /// product `(G, E) x (E, H)` a row, as a kernel a gate and expert would cost more to launch than to run.
    pub(crate) fn composed(&self, experts: &Tensor, logits: &Tensor) -> Result<Tensor> {
        let (rows, columns) = experts.dims2()?;
        let (gates, count) = (self.0.gates.len(), columns / self.0.width);
        let mut weights = self.weights(logits)?;
        if self.0.gates.iter().any(|gate| !gate.iter().copied().eq(0..count)) {
            // Behind the weights a column of zeros, for the experts that a gate does not choose from.
            let mut places = vec![weights.dim(1)? as u32; gates * count];
            let chosen =
                self.0.gates.iter().enumerate().flat_map(|(g, gate)| gate.iter().map(move |e| g * count + e));
            chosen.zip(0..).for_each(|(place, weight)| places[place] = weight);
            let places = Tensor::new(places, weights.device())?;
            weights = weights.pad_with_zeros(1, 0, 1)?.index_select(&places, 1)?;
        }
        let experts = experts.narrow(1, 0, count * self.0.width)?.reshape((rows, count, self.0.width))?;
        weights.reshape((rows, gates, count))?.matmul(&experts)?.reshape((rows, gates * self.0.width))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn the_loss_is_the_squared_coefficient_of_variation_of_the_importances() -> Result<()> {
        let mixture = Mixture::new(1, vec![vec![0, 1, 2], vec![1, 2], vec![0]], 1.0)?;
        let experts = Tensor::zeros((2, 3), candle_core::DType::F32, &Device::Cpu)?;
        let rows = [[1f32, 0.0, -1.0, 2.0, 0.5, 9.0], [0.5, 3.0, 0.0, -1.0, 0.0, 9.0]];
        let logits = Var::new(&rows, &Device::Cpu)?;
        let (_, loss) = Run::training().importance(|run| mixture.forward(&experts, &logits, run))?;
        let loss = loss.expect("gates with a choice");

        let expected = |gate: std::ops::Range<usize>| {
            let mut importances = vec![0f64; gate.len()];
            for row in &rows {
                let exps: Vec<f64> = row[gate.clone()].iter().map(|x| f64::from(*x).exp()).collect();
                let sum: f64 = exps.iter().sum();
                importances.iter_mut().zip(exps).for_each(|(all, exp)| *all += exp / sum);
            }
            let mean = importances.iter().sum::<f64>() / importances.len() as f64;
            let squares = importances.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
            squares / importances.len() as f64 / mean.powi(2)
        };
        let expected = expected(0..3) + expected(3..5);
        approx::assert_relative_eq!(f64::from(loss.to_scalar::<f32>()?), expected, max_relative = 1e-5);

        let gradients = loss.backward()?;
        let slopes = gradients.get(&logits).expect("a gradient").to_vec2::<f32>()?;
        assert!(slopes[0][..5].iter().all(|slope| *slope != 0.0), "{slopes:?}");
        Ok(())
    }

    #[test]
    fn a_model_without_a_choice_has_none() -> Result<()> {
        let mixture = Mixture::new(1, vec![vec![0]], 1.0)?;
        let one = Tensor::ones((2, 1), candle_core::DType::F32, &Device::Cpu)?;
        assert!(Run::training().importance(|run| mixture.forward(&one, &one, run))?.1.is_none());
        Ok(())
    }
}

//! Mixture and loss as anyone would write them in candle. The crate's own compositions run only where the fused
//! operations cannot; those of banks and towers run for any weights that are not in a store.

use candle_core::{D, Device, Result, Tensor};

/// `Σ_e softmax(logits_g)_e · expert_e` of each gate `g`.
pub fn mixture(experts: &Tensor, logits: &Tensor, gates: &[Vec<usize>], width: usize) -> Result<Tensor> {
    let rows = experts.dim(0)?;
    let mut at = 0;
    let mut mixtures = Vec::with_capacity(gates.len());
    for choices in gates {
        let own = logits.narrow(1, at, choices.len())?;
        let weights = candle_nn::ops::softmax(&own, D::Minus1)?.unsqueeze(1)?;
        // All gates choose from all experts in order: one batched product a gate.
        let experts = experts.reshape((rows, choices.len(), width))?;
        mixtures.push(weights.matmul(&experts)?.squeeze(1)?);
        at += choices.len();
    }
    Tensor::cat(&mixtures, 1)
}

/// The sum of the tasks' mean cross-entropies `max(z, 0) - z·y + ln(1 + e^-|z|)`.
pub fn loss(logits: &Tensor, labels: &[f32], mask: &[f32], tasks: usize) -> Result<Tensor> {
    let shape = (labels.len() / tasks, tasks);
    let labels = Tensor::from_slice(labels, shape, &Device::Cpu)?;
    let counts = Tensor::from_slice(mask, shape, &Device::Cpu)?.sum(0)?;
    let mask = Tensor::from_slice(mask, shape, &Device::Cpu)?;
    let softplus = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
    let loss = ((logits.relu()? - (logits * labels)?)? + softplus)?;
    ((loss * mask)?.sum(0)? / counts)?.sum_all()
}

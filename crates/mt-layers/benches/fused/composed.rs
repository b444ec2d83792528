//! Mixture and loss as fast as candle's own operations allow for these shapes: all gates on all experts, all tasks with
//! one logit. The crate's compositions take any gates and tasks, and run only where the fused operations cannot.

use candle_core::{D, Device, Result, Tensor};

/// `Σ_e softmax(logits_g)_e · expert_e` of each gate `g`: one batched product. A sum of products a gate, which is what
/// the formula says, takes six times as long.
pub fn mixture(experts: &Tensor, logits: &Tensor, gates: usize, width: usize) -> Result<Tensor> {
    let (rows, columns) = experts.dims2()?;
    let n = columns / width;
    let weights = candle_nn::ops::softmax(&logits.reshape((rows, gates, n))?, D::Minus1)?;
    weights.matmul(&experts.reshape((rows, n, width))?)?.reshape((rows, gates * width))
}

/// The sum of the tasks' mean cross-entropies `max(z, 0) - z·y + ln(1 + e^-|z|)`.
pub fn loss(logits: &Tensor, labels: &[f32], mask: &[f32], tasks: usize) -> Result<Tensor> {
    let shape = (labels.len() / tasks, tasks);
    let labels = Tensor::from_slice(labels, shape, &Device::Cpu)?;
    let mask = Tensor::from_slice(mask, shape, &Device::Cpu)?;
    let softplus = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
    let loss = ((logits.relu()? - (logits * labels)?)? + softplus)?;
    ((loss * &mask)?.sum(0)? / mask.sum(0)?)?.sum_all()
}

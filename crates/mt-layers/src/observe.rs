//! A look at what passes through the mixtures of a model, for reports on how it uses its experts.

use std::cell::RefCell;

use candle_core::{Result, Tensor};

use crate::mixture::Mixture;
use crate::notes::{note, noted, noting};

/// What a mixture read.
#[derive(Debug, Clone)]
pub struct Mixed {
    /// Outputs of its experts `(B, E·H)`.
    pub experts: Tensor,
    /// Units `H` of an expert.
    pub width: usize,
    /// Weights of all gates `(B, Σ choices)`, gate after gate; those of a gate sum to 1.
    pub weights: Tensor,
    /// The experts that each gate chooses from, in the order of its weights.
    pub gates: Vec<Vec<usize>>,
}

thread_local! {
    static SEEN: RefCell<Option<Vec<Mixed>>> = const { RefCell::new(None) };
}

/// Runs `forward` and returns what each mixture in it read, from the input up.
///
/// # Errors
/// Whatever `forward` fails with.
pub fn observe<T>(forward: impl FnOnce() -> Result<T>) -> Result<(T, Vec<Mixed>)> {
    noting(&SEEN, forward)
}

/// Whether someone looks.
pub(crate) fn observing() -> bool {
    noted(&SEEN)
}

/// Notes what `mixture` reads, if someone looks.
pub(crate) fn observed(mixture: &Mixture, experts: &Tensor, logits: &Tensor) -> Result<()> {
    note(&SEEN, || {
        let weights = mixture.weights(logits)?.detach();
        let (width, gates) = (mixture.width, mixture.gates.clone());
        Ok(Mixed { experts: experts.detach(), width, weights, gates })
    })
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn mixtures_are_seen_inside_only() -> Result<()> {
        let mixture = Mixture::new(2, vec![vec![0, 1], vec![1]], 1.0)?;
        let experts = Tensor::new(&[[1f32, 2.0, 3.0, 4.0]], &Device::Cpu)?;
        let logits = Tensor::new(&[[0f32, 0.0, 5.0]], &Device::Cpu)?;
        mixture.forward(&experts, &logits)?;
        let (out, seen) = observe(|| mixture.forward(&experts, &logits))?;
        assert_eq!(out.to_vec2::<f32>()?, [[2.0, 3.0, 3.0, 4.0]]);
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].weights.to_vec2::<f32>()?, [[0.5, 0.5, 1.0]]);
        assert_eq!((seen[0].width, &seen[0].gates), (2, &vec![vec![0, 1], vec![1]]));
        Ok(())
    }
}

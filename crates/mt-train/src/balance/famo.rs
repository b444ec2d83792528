//! FAMO: fast adaptive multitask optimization. B. Liu et al., *FAMO: Fast Adaptive Multitask Optimization*, NeurIPS 2023,
//! algorithm 1.
//!
//! `z = softmax(ξ)`; the model goes down `Σ_t c z_t / L_t ∇L_t`, `c = 1 / Σ_t z_t / L_t`; then `ξ` goes down
//! `δ + γ ξ`, `δ = J_softmaxᵀ (ln L(before) - ln L(after))`: what fell by the largest share weighs less from then on.
//! The losses after the step are of the same rows, for which the model runs once more, forwards.
//!
//! Differs from the paper: `T` times the weights, so that they average 1; `ξ` goes down by Adam at rate `lr`, as in its
//! authors' code.

use serde::{Deserialize, Serialize};

use super::adam::Moments;
use super::least::LEAST;
use super::softmax::softmax;

/// A task's logit `ξ`, 0 at the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Logit {
    value: f64,
    moments: Moments,
}

fn shares(logits: &[Logit], active: &[usize]) -> Vec<f64> {
    softmax(active.iter().map(|&t| logits[t].value))
}

/// The weights of the tasks `active`, of mean 1, at their `losses`.
pub(crate) fn weights(logits: &[Logit], active: &[usize], losses: &[f64]) -> Vec<f64> {
    let each: Vec<f64> =
        shares(logits, active).iter().zip(losses).map(|(share, loss)| share / loss.max(LEAST)).collect();
    let sum: f64 = each.iter().sum();
    each.iter().map(|weight| weight * active.len() as f64 / sum).collect()
}

/// Moves the logits of the tasks `active`, whose losses were `before` a step and are `after` it.
pub(crate) fn learn(
    logits: &mut [Logit],
    active: &[usize],
    (before, after): (&[f64], &[f64]),
    rate: f64,
    decay: f64,
) {
    let shares = shares(logits, active);
    let falls: Vec<f64> =
        before.iter().zip(after).map(|(a, b)| a.max(LEAST).ln() - b.max(LEAST).ln()).collect();
    let mean: f64 = shares.iter().zip(&falls).map(|(share, fall)| share * fall).sum();
    for ((&t, share), fall) in active.iter().zip(&shares).zip(&falls) {
        let logit = &mut logits[t];
        logit.value += logit.moments.change(share * (fall - mean) + decay * logit.value, rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn two_tasks_weigh_by_their_inverse_loss_and_the_faster_less_from_then_on() {
        let mut logits = [Logit::default(); 2];
        // z = ½ each over losses 1 and 2: ½ and ¼, scaled to a mean of 1.
        let found = weights(&logits, &[0, 1], &[1.0, 2.0]);
        assert_relative_eq!(found[0], 4.0 / 3.0, epsilon = 1e-12);
        assert_relative_eq!(found[1], 2.0 / 3.0, epsilon = 1e-12);
        // δ = ±¼ ln 2, and Adam's first step is the rate.
        learn(&mut logits, &[0, 1], (&[1.0, 2.0], &[0.5, 2.0]), 0.1, 0.001);
        assert_relative_eq!(logits[0].value, -0.1, epsilon = 1e-6);
        assert_relative_eq!(logits[1].value, 0.1, epsilon = 1e-6);
        let ratio = weights(&logits, &[0, 1], &[1.0, 1.0]);
        assert_relative_eq!(ratio[1] / ratio[0], 0.2f64.exp(), epsilon = 1e-6);
    }

    #[test]
    fn a_task_that_takes_no_part_stays_as_it_is() {
        let mut logits = [Logit::default(); 3];
        learn(&mut logits, &[0, 2], (&[1.0, 1.0], &[0.9, 0.5]), 0.1, 0.001);
        assert_eq!(logits[1], Logit::default());
    }
}

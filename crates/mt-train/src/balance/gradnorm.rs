//! GradNorm: gradients of equal length, up to how far each task is. Z. Chen et al., *GradNorm: Gradient Normalization for
//! Adaptive Loss Balancing in Deep Multitask Networks*, ICML 2018, eq. 1-2 and algorithm 1.
//!
//! With `n_t = |w_t G_t|`, `r_t = L_t / L_t(0)` over its mean, the weights go down `Σ_t |n_t - n̄ · r_t^α|`, the target
//! held constant, and are then scaled back to their sum: a task that has come less far gets a longer gradient.
//!
//! Differs from the paper: the weights apply to the gradient of the shared representation only, and go down by Adam. A
//! weight stays above a hundredth.

use serde::{Deserialize, Serialize};

use super::adam::Moments;
use super::gram::Gram;
use super::least::LEAST;

/// The least weight: at 0 a task would be forgotten for good, as its gradient then has no length to correct.
const FLOOR: f64 = 0.01;

/// A task's weight, 1 at the start.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Weight {
    value: f64,
    moments: Moments,
    /// Its first loss.
    first: Option<f64>,
}

impl Default for Weight {
    fn default() -> Self {
        Self { value: 1.0, moments: Moments::default(), first: None }
    }
}

/// The weights of the tasks `active`, whose gradients and `losses` these are; then the weights take a step.
pub(crate) fn weights(
    tasks: &mut [Weight],
    active: &[usize],
    gram: &Gram,
    losses: &[f64],
    (alpha, rate): (f64, f64),
) -> Vec<f64> {
    let values = |tasks: &[Weight]| active.iter().map(|&t| tasks[t].value).collect::<Vec<f64>>();
    let count = active.len() as f64;
    let before = values(tasks);
    let mut ratios = Vec::with_capacity(active.len());
    for (&t, &loss) in active.iter().zip(losses) {
        ratios.push(loss.max(LEAST) / tasks[t].first.get_or_insert(loss).max(LEAST));
    }
    let mean_ratio = ratios.iter().sum::<f64>() / count;
    let lengths: Vec<f64> = before.iter().enumerate().map(|(i, weight)| weight * gram.norm(i)).collect();
    let mean = lengths.iter().sum::<f64>() / count;
    for (i, &t) in active.iter().enumerate() {
        let excess = lengths[i] - mean * (ratios[i] / mean_ratio).powf(alpha);
        // The derivative of |excess|; `signum` has no 0.
        let sign = if excess == 0.0 { 0.0 } else { excess.signum() };
        let task = &mut tasks[t];
        // Over the mean length, as gradients of a representation are smaller than Adam's constants.
        task.value += task.moments.change(sign * gram.norm(i) / mean, rate);
        task.value = task.value.max(FLOOR);
    }
    let scale = before.iter().sum::<f64>() / values(tasks).iter().sum::<f64>();
    active.iter().for_each(|&t| tasks[t].value *= scale);
    before
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn of_two_tasks_the_longer_gradient_loses_weight() {
        let mut tasks = [Weight::default(); 2];
        let gram = Gram::from_plane(&[[1.0, 0.0], [0.0, 3.0]]);
        // Both at their first loss, so the target is the mean length 2: the first is short, the second long.
        assert_eq!(weights(&mut tasks, &[0, 1], &gram, &[1.0, 1.0], (1.5, 0.1)), [1.0, 1.0]);
        assert_relative_eq!(tasks[0].value, 1.1, epsilon = 1e-6);
        assert_relative_eq!(tasks[1].value, 0.9, epsilon = 1e-6);
    }

    #[test]
    fn of_two_equal_gradients_the_task_that_is_behind_gains_weight() {
        let mut tasks = [Weight { first: Some(1.0), ..Weight::default() }; 2];
        let gram = Gram::from_plane(&[[1.0, 0.0], [0.0, 1.0]]);
        // r = 1.5 and ½, targets 1.5^α and ½^α.
        weights(&mut tasks, &[0, 1], &gram, &[0.9, 0.3], (1.0, 0.1));
        assert_relative_eq!(tasks[0].value, 1.1, epsilon = 1e-6);
        assert_relative_eq!(tasks[1].value, 0.9, epsilon = 1e-6);
    }

    #[test]
    fn weights_settle_where_lengths_are_equal() {
        let mut tasks = [Weight::default(); 2];
        let gram = Gram::from_plane(&[[1.0, 0.0], [0.0, 3.0]]);
        for _ in 0..4000 {
            weights(&mut tasks, &[0, 1], &gram, &[1.0, 1.0], (1.5, 0.001));
        }
        assert_relative_eq!(tasks[0].value, 1.5, epsilon = 0.02);
        assert_relative_eq!(tasks[1].value, 0.5, epsilon = 0.02);
    }
}

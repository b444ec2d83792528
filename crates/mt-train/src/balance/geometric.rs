//! The geometric mean of the losses. S. Chennupati et al., *MultiNet++: Multi-Stream Feature Aggregation and Geometric
//! Loss Strategy for Multi-Task Learning*, CVPR Workshops 2019, section on the geometric loss strategy.
//!
//! `L = (Π_t L_t)^(1/T)`, whose gradient is `Σ_t L / (T · L_t) ∇L_t`: what counts is by which share a loss falls.
//!
//! Differs from the paper: `T` times the loss, so that equal losses weigh 1 each.

use super::least::LEAST;

/// `L / L_t` of each task.
pub(crate) fn weights(losses: &[f64]) -> Vec<f64> {
    let logs: Vec<f64> = losses.iter().map(|loss| loss.max(LEAST).ln()).collect();
    let mean = logs.iter().sum::<f64>() / logs.len() as f64;
    logs.iter().map(|log| (mean - log).exp()).collect()
}

#[cfg(test)]
mod tests {
    use approx::assert_relative_eq;

    #[test]
    fn two_tasks_weigh_by_the_geometric_mean_over_their_loss() {
        // √(1 · 4) = 2.
        let found = super::weights(&[1.0, 4.0]);
        assert_relative_eq!(found[0], 2.0, epsilon = 1e-12);
        assert_relative_eq!(found[1], 0.5, epsilon = 1e-12);
        assert!(super::weights(&[0.0, 1.0]).iter().all(|weight| weight.is_finite()));
    }
}

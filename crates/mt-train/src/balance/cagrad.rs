//! CAGrad: conflict-averse gradient descent. B. Liu et al., *Conflict-Averse Gradient Descent for Multi-task Learning*,
//! NeurIPS 2021, algorithm 1.
//!
//! `d = argmax min_t G_t · d` over `|d - g₀| ≤ c·|g₀|`, `g₀` the mean of the gradients: the task that gains least gains
//! most, near the mean. Solved by its dual: `d = g₀ + c·|g₀| / |g_w| · g_w`, `g_w = Σ_t w_t G_t`, where `w ≥ 0`,
//! `Σ_t w_t = 1` minimises `g_w · g₀ + c·|g₀|·|g_w|`.
//!
//! Differs from the paper: nothing. `c = 0` is the mean; `c → ∞` turns to the direction of MGDA.

use super::gram::Gram;
use super::simplex;

/// The coefficients of `d`.
pub(crate) fn weights(gram: &Gram, c: f64) -> Vec<f64> {
    let mean = vec![1.0 / gram.tasks() as f64; gram.tasks()];
    let radius = c * gram.length(&mean);
    let mixture = simplex::minimise(gram, &gram.times(&mean), radius);
    let length = gram.length(&mixture);
    let factor = if length > 0.0 { radius / length } else { 0.0 };
    mean.iter().zip(&mixture).map(|(mean, w)| mean + factor * w).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn without_a_radius_it_is_the_mean() {
        assert_eq!(weights(&Gram::from_plane(&[[1.0, 0.0], [-1.0, 3.0]]), 0.0), [0.5, 0.5]);
    }

    #[test]
    fn two_alike_tasks_at_right_angles_go_on_along_the_mean() {
        // g₀ = g_w = (½, ½), so d = 1.5 g₀.
        for weight in weights(&Gram::from_plane(&[[1.0, 0.0], [0.0, 1.0]]), 0.5) {
            assert_relative_eq!(weight, 0.75, epsilon = 1e-9);
        }
    }

    #[test]
    fn of_two_tasks_the_shorter_alone_is_leant_towards() {
        // g₀ = (1.5, 0), G = (4, 0) and (-1, 0): d = 1.5 + 0.5·1.5 in the direction of the second, the one that loses.
        let gram = Gram::from_plane(&[[4.0, 0.0], [-1.0, 0.0]]);
        let found = weights(&gram, 0.5);
        assert_relative_eq!(found[0], 0.5, epsilon = 1e-6);
        assert_relative_eq!(found[1], 1.25, epsilon = 1e-6);
    }

    #[test]
    fn no_other_direction_in_reach_serves_the_worst_task_better() {
        let plane = [[1.0, 0.2], [-0.6, 0.5], [0.3, 2.0]];
        let gram = Gram::from_plane(&plane);
        let (c, mean) = (0.4, [1.0 / 3.0; 3]);
        let worst =
            |d: [f64; 2]| plane.iter().map(|g| g[0] * d[0] + g[1] * d[1]).fold(f64::INFINITY, f64::min);
        let sum = |w: &[f64]| [0, 1].map(|i| plane.iter().zip(w).map(|(g, w)| g[i] * w).sum::<f64>());
        let (found, center) = (worst(sum(&weights(&gram, c))), sum(&mean));
        let radius = c * gram.length(&mean);
        for i in 0..1000 {
            let angle = f64::from(i) * 0.002 * std::f64::consts::PI;
            let other = [center[0] + radius * angle.cos(), center[1] + radius * angle.sin()];
            assert!(worst(other) <= found + 1e-9, "{other:?}");
        }
    }
}

//! Nash-MTL: the tasks bargain for the direction. A. Navon et al., *Multi-Task Learning as a Bargaining Game*, ICML
//! 2022, claim 3.1.
//!
//! `w > 0` with `GᵀG w = 1/w`, the bargaining solution: the product of the tasks' gains is the largest there is. Equal
//! to the minimum of the convex function `½ wᵀ GᵀG w - Σ_t ln w_t`, found by damped Newton steps; the gradients cut to
//! length 1 before, which changes nothing but the size of numbers.
//!
//! Differs from the paper: solved anew at every step, and not by a sequence of convex programs. A millionth is added to
//! the squares: gradients of which one cancels the others have no solution.

use super::gram::Gram;
use super::linear;

/// Steps of Newton's method; far from the solution each lowers the function by at least 0.09, near it digits double.
const STEPS: usize = 400;

/// What is added to the squared lengths.
const RIDGE: f64 = 1e-6;

/// The positive weights `w`.
pub(crate) fn weights(gram: &Gram) -> Vec<f64> {
    let (tasks, cosines) = (gram.tasks(), gram.cosines());
    let mut shares = vec![1.0; tasks];
    for _ in 0..STEPS {
        let products = cosines.times(&shares);
        let slope = |t: usize| products[t] + RIDGE * shares[t] - 1.0 / shares[t];
        let slopes: Vec<f64> = (0..tasks).map(slope).collect();
        let curvature = |i: usize| {
            let (a, b) = (i / tasks, i % tasks);
            let own = if a == b { RIDGE + shares[a].powi(-2) } else { 0.0 };
            cosines.at(a, b) + own
        };
        let matrix = (0..tasks * tasks).map(curvature).collect();
        let Some(step) = linear::solve(matrix, slopes.clone()) else { break };
        let decrement = slopes.iter().zip(&step).map(|(a, b)| a * b).sum::<f64>().max(0.0).sqrt();
        // The function is self-concordant: so long a step cannot leave the positive numbers.
        let length = if decrement > 0.25 { 1.0 / (1.0 + decrement) } else { 1.0 };
        shares.iter_mut().zip(&step).for_each(|(share, step)| *share -= length * step);
        if decrement < 1e-12 {
            break;
        }
    }
    shares.iter().enumerate().map(|(t, share)| share / gram.norm(t)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn two_tasks_at_right_angles_gain_alike() {
        // w_t² |G_t|² = 1.
        let found = weights(&Gram::from_plane(&[[1.0, 0.0], [0.0, 2.0]]));
        assert_relative_eq!(found[0], 1.0, epsilon = 1e-5);
        assert_relative_eq!(found[1], 0.5, epsilon = 1e-5);
    }

    #[test]
    fn each_weight_is_the_inverse_of_its_tasks_gain() {
        for gram in [
            Gram::new(3, vec![1.0, 0.5, -1.0, 0.5, 1.25, -0.3, -1.0, -0.3, 5.04]),
            // Of the size that gradients of a representation have.
            Gram::new(2, vec![2e-9, -1e-10, -1e-10, 3e-11]),
        ] {
            let w = weights(&gram);
            for (gain, weight) in gram.times(&w).iter().zip(&w) {
                assert_relative_eq!(gain * weight, 1.0, max_relative = 1e-4);
            }
        }
    }

    #[test]
    fn opposite_gradients_give_finite_weights() {
        let found = weights(&Gram::from_plane(&[[1.0, 2.0], [-2.0, -4.0]]));
        assert!(found.iter().all(|w| w.is_finite() && *w > 0.0), "{found:?}");
        assert_relative_eq!(found[0], 2.0 * found[1], max_relative = 1e-6);
    }
}

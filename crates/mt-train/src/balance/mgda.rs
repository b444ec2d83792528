//! MGDA: the multiple-gradient descent algorithm, on the shared representation. O. Sener, V. Koltun, *Multi-Task Learning
//! as Multi-Objective Optimization*, NeurIPS 2018, eq. 5 (MGDA-UB).
//!
//! `w = argmin |Σ_t w_t G_t|` over `w ≥ 0`, `Σ_t w_t = 1`: the least length of a mixture is a direction that makes no
//! task worse, and 0 where there is none.
//!
//! Differs from the paper: the minimum is found by exact moves of weight between two tasks instead of Frank-Wolfe steps.

use super::gram::Gram;
use super::simplex;

/// Weights of sum 1.
pub(crate) fn weights(gram: &Gram) -> Vec<f64> {
    simplex::minimise(gram, &vec![0.0; gram.tasks()], 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn two_tasks_are_mixed_to_the_point_nearest_to_zero() {
        // On the line from (1, 0) to (0, 2), nearest to the origin: (0.8, 0.4).
        let found = weights(&Gram::from_plane(&[[1.0, 0.0], [0.0, 2.0]]));
        assert_relative_eq!(found[0], 0.8, epsilon = 1e-9);
        assert_relative_eq!(found[1], 0.2, epsilon = 1e-9);
        // The shorter one is nearest by itself where the other points further the same way.
        let found = weights(&Gram::from_plane(&[[1.0, 0.0], [3.0, 1.0]]));
        assert_eq!(found, [1.0, 0.0]);
    }

    #[test]
    fn equal_gradients_stay_what_they_are_and_opposite_ones_cancel() {
        let gram = Gram::from_plane(&[[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]);
        assert_relative_eq!(gram.length(&weights(&gram)), gram.norm(0), epsilon = 1e-12);
        let gram = Gram::from_plane(&[[1.0, 2.0], [-2.0, -4.0]]);
        assert!(gram.length(&weights(&gram)) < 1e-9);
    }

    #[test]
    fn no_task_gets_worse_along_the_mixture() {
        let gram = Gram::from_plane(&[[1.0, 0.3], [-0.5, 1.0], [0.1, -0.2], [0.7, 0.7]]);
        let w = weights(&gram);
        let shortest = gram.length(&w).powi(2);
        assert!(gram.times(&w).iter().all(|gain| *gain >= shortest - 1e-9), "{w:?}");
    }
}

//! IMTL-G: a sum that projects equally on all tasks. L. Liu et al., *Towards Impartial Multi-task Learning*, ICLR 2021,
//! section 3.1.
//!
//! `g = Σ_t w_t G_t` with `g · G_t / |G_t|` equal for all tasks. With `C` the cosines of the gradients and
//! `w_t = β_t / |G_t|` that is `C β ∝ 1`.
//!
//! Differs from the paper: `w` is scaled to `Σ |w_t| = 1`, not to `Σ w_t = 1`. With three tasks or more weights can be
//! negative, and then their sum too: the paper's scaling would turn the direction around, and lower no loss.

use super::gram::Gram;
use super::linear;

/// Weights whose absolute values add up to 1. Gradients of which one is a mixture of the others are averaged, each cut
/// to length 1.
pub(crate) fn weights(gram: &Gram) -> Vec<f64> {
    let tasks = gram.tasks();
    let cosines = gram.cosines();
    let products = (0..tasks * tasks).map(|i| cosines.at(i / tasks, i % tasks)).collect();
    let shares = linear::solve(products, vec![1.0; tasks]).unwrap_or_else(|| vec![1.0; tasks]);
    let mut weights: Vec<f64> = shares.iter().enumerate().map(|(t, share)| share / gram.norm(t)).collect();
    let total: f64 = weights.iter().map(|weight| weight.abs()).sum();
    weights.iter_mut().for_each(|weight| *weight /= total);
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn two_tasks_weigh_by_the_length_of_the_other() {
        // G = (1, 0) and (0, 2): 2/3 of the first and 1/3 of the second is (2/3, 2/3), along both 2/3.
        let found = weights(&Gram::from_plane(&[[1.0, 0.0], [0.0, 2.0]]));
        assert_relative_eq!(found[0], 2.0 / 3.0, epsilon = 1e-12);
        assert_relative_eq!(found[1], 1.0 / 3.0, epsilon = 1e-12);
    }

    #[test]
    fn projections_on_all_tasks_are_equal_and_positive() {
        // Of gradients (1, 0, 0), (0.5, 1, 0), (-1, 0.2, 2).
        let gram = Gram::new(3, vec![1.0, 0.5, -1.0, 0.5, 1.25, -0.3, -1.0, -0.3, 5.04]);
        let w = weights(&gram);
        let along: Vec<f64> = gram.times(&w).iter().enumerate().map(|(t, x)| x / gram.norm(t)).collect();
        assert!(along[0] > 0.0);
        along.iter().for_each(|x| assert_relative_eq!(*x, along[0], epsilon = 1e-9));
        assert_relative_eq!(w.iter().map(|w| w.abs()).sum::<f64>(), 1.0, epsilon = 1e-12);
    }

    #[test]
    fn gradients_of_one_direction_are_averaged() {
        let found = weights(&Gram::from_plane(&[[1.0, 1.0], [2.0, 2.0]]));
        assert_relative_eq!(found[0], 2.0 * found[1], epsilon = 1e-12);
    }
}

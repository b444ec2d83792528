//! PCGrad: conflicting gradients are projected. T. Yu et al., *Gradient Surgery for Multi-Task Learning*, NeurIPS 2020,
//! algorithm 1.
//!
//! Each task's gradient, in turn with each other task in random order: where `g · G_j < 0`,
//! `g ← g - (g · G_j) / |G_j|² · G_j`. The result is the sum over the tasks.
//!
//! Differs from the paper: nothing. All projections stay within the span of the gradients, so coefficients are enough.

use super::draws::Draws;
use super::gram::Gram;

/// The coefficients of the sum; 1 each where no two tasks conflict.
pub(crate) fn weights(gram: &Gram, draws: &mut Draws) -> Vec<f64> {
    let tasks = gram.tasks();
    let mut sum = vec![0.0; tasks];
    for task in 0..tasks {
        let mut own = vec![0.0; tasks];
        own[task] = 1.0;
        let mut others: Vec<usize> = (0..tasks).filter(|&other| other != task).collect();
        draws.shuffle(&mut others);
        for other in others {
            let along: f64 = own.iter().enumerate().map(|(t, weight)| weight * gram.at(t, other)).sum();
            if along < 0.0 {
                own[other] -= along / gram.at(other, other);
            }
        }
        sum.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_conflicting_tasks_lose_what_is_against_the_other() {
        // (1, 0) becomes (½, ½), (-1, 1) becomes (0, 1): G₁ + ½ G₂ and G₁ + G₂.
        let found = weights(&Gram::from_plane(&[[1.0, 0.0], [-1.0, 1.0]]), &mut Draws::new(1, 1));
        assert_eq!(found, [2.0, 1.5]);
    }

    #[test]
    fn without_a_conflict_it_is_the_sum() {
        let gram = Gram::from_plane(&[[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]);
        assert_eq!(weights(&gram, &mut Draws::new(1, 1)), [1.0; 3]);
    }

    #[test]
    fn seed_and_step_decide_the_order() {
        let plane = [[1.0, 0.0], [-1.0, 0.4], [-0.2, -1.0], [0.3, -0.5]];
        let gram = Gram::from_plane(&plane);
        let found = |step| weights(&gram, &mut Draws::new(7, step));
        assert_eq!(found(3), found(3));
        assert!((4..20).any(|step| found(step) != found(3)));
    }
}

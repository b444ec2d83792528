//! Random weights. B. Lin et al., *Reasonable Effectiveness of Random Weighting: A Litmus Test for Multi-Task Learning*,
//! TMLR 2022 (RLW with normal draws).
//!
//! `w = softmax(z)`, `z_t ~ N(0, 1)`, anew at every step.
//!
//! Differs from the paper: `T` times the softmax, so that the weights average 1.

use super::draws::Draws;
use super::softmax::softmax;

/// Weights of so many tasks, of mean 1.
pub(crate) fn weights(tasks: usize, draws: &mut Draws) -> Vec<f64> {
    let normals: Vec<f64> = (0..tasks).map(|_| draws.normal()).collect();
    softmax(normals.into_iter()).into_iter().map(|share| share * tasks as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn two_tasks_share_by_the_logistic_function_of_a_normal_difference() {
        // 2 / (1 + e^-d) with d ~ N(0, 2): the mean is 1, the median of |d| is 0.954, where the larger share is 1.444.
        let mut larger: Vec<f64> = Vec::new();
        let mut sum = 0.0;
        for step in 0..4000 {
            let found = weights(2, &mut Draws::new(5, step));
            assert_relative_eq!(found[0] + found[1], 2.0, epsilon = 1e-12);
            sum += found[0];
            larger.push(found[0].max(found[1]));
        }
        larger.sort_by(f64::total_cmp);
        // Four standard errors of 4000 draws.
        assert_relative_eq!(sum / 4000.0, 1.0, epsilon = 0.035);
        assert_relative_eq!(larger[2000], 1.444, epsilon = 0.025);
    }

    #[test]
    fn seed_and_step_decide() {
        let found = |seed, step| weights(3, &mut Draws::new(seed, step));
        assert_eq!(found(1, 2), found(1, 2));
        assert_ne!(found(1, 2), found(1, 3));
        assert_ne!(found(1, 2), found(2, 2));
    }
}

//! Uncertainty weighting. A. Kendall, Y. Gal, R. Cipolla, *Multi-Task Learning Using Uncertainty to Weigh Losses for Scene
//! Geometry and Semantics*, CVPR 2018, eq. 7 and 10.
//!
//! `L = Σ_t w_t L_t + s_t / 2`, with `s_t = ln σ_t²` learned, `w_t = ½ e^-s_t` for regressions and `e^-s_t` for
//! classifications. At rest `σ_t²` is the loss of a regression and twice that of a classification, so each task
//! contributes about alike.
//!
//! Differs from the paper: `s` has an Adam of its own, at rate `lr`; `s` sees the losses without `train.task_weights`.

use serde::{Deserialize, Serialize};

use super::adam::Moments;

/// A task's log variance, 0 at the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variance {
    log: f64,
    moments: Moments,
}

impl Variance {
    /// The weight of the task's loss; then `s` takes a step.
    pub fn weigh(&mut self, loss: f64, regression: bool, rate: f64) -> f64 {
        let weight = if regression { 0.5 } else { 1.0 } * (-self.log).exp();
        self.log += self.moments.change(0.5 - weight * loss, rate);
        weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn two_tasks_of_either_kind_begin_as_in_the_paper_and_move_against_their_slope() {
        let [mut class, mut number] = [Variance::default(); 2];
        // The slope in s is ½ - w L: -½ of the first, +0.3 of the second; Adam's first step is the rate.
        assert_eq!((class.weigh(1.0, false, 0.1), number.weigh(0.4, true, 0.1)), (1.0, 0.5));
        assert_relative_eq!(class.log, 0.1, epsilon = 1e-6);
        assert_relative_eq!(number.log, -0.1, epsilon = 1e-6);
        assert_relative_eq!(class.weigh(1.0, false, 0.1), (-0.1f64).exp(), epsilon = 1e-6);
    }

    #[test]
    fn at_rest_the_variance_is_that_of_the_loss() {
        for (regression, expected) in [(true, 0.3f64.ln()), (false, 0.6f64.ln())] {
            let mut variance = Variance::default();
            for _ in 0..3000 {
                variance.weigh(0.3, regression, 0.01);
            }
            assert_relative_eq!(variance.log, expected, epsilon = 1e-3);
        }
    }
}

//! Dynamic weight average. S. Liu, E. Johns, A. J. Davison, *End-to-End Multi-Task Learning with Attention*, CVPR 2019,
//! eq. 7.
//!
//! `w_t = T · softmax(r / τ)_t`, `r_t = L_t(k - 1) / L_t(k - 2)`, with `L_t(k)` the mean loss of epoch `k`: a task whose
//! loss falls more slowly weighs more. In the first two epochs all weigh 1.
//!
//! Differs from the paper: nothing. A task without a loss in one of the two epochs has `r = 1`.

use serde::{Deserialize, Serialize};

use super::softmax::softmax;

/// A task's losses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Losses {
    sum: f64,
    count: u64,
    /// Mean of the last whole epoch.
    last: Option<f64>,
    /// Mean of the one before.
    before: Option<f64>,
}

impl Losses {
    /// Adds the loss of a step.
    pub fn add(&mut self, loss: f64) {
        self.sum += loss;
        self.count += 1;
    }

    /// Ends an epoch.
    pub fn end_epoch(&mut self) {
        let mean = (self.count > 0).then(|| self.sum / self.count as f64);
        *self = Self { before: self.last, last: mean, ..Self::default() };
    }

    fn ratio(&self) -> f64 {
        match (self.last, self.before) {
            (Some(last), Some(before)) if before > 0.0 => last / before,
            _ => 1.0,
        }
    }
}

/// The weights of the tasks `active`, of mean 1.
pub(crate) fn weights(tasks: &[Losses], active: &[usize], temperature: f64) -> Vec<f64> {
    let shares = softmax(active.iter().map(|&t| tasks[t].ratio() / temperature));
    shares.into_iter().map(|share| share * active.len() as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use approx::assert_relative_eq;

    #[test]
    fn of_two_tasks_the_one_that_falls_more_slowly_weighs_more() {
        let mut tasks = [Losses::default(); 2];
        for losses in [[1.0, 2.0], [0.5, 2.0]] {
            assert_eq!(weights(&tasks, &[0, 1], 2.0), [1.0, 1.0]);
            for (task, loss) in tasks.iter_mut().zip(losses) {
                // Two steps, whose mean counts.
                task.add(loss - 0.25);
                task.add(loss + 0.25);
                task.end_epoch();
            }
        }
        // r = ½ and 1: e^¼ and e^½ over their sum.
        let found = weights(&tasks, &[0, 1], 2.0);
        assert_relative_eq!(found[0], 2.0 / (1.0 + 0.25f64.exp()), epsilon = 1e-12);
        assert_relative_eq!(found[1], 2.0 / (1.0 + (-0.25f64).exp()), epsilon = 1e-12);
    }
}

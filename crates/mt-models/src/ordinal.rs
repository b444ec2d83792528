//! Thresholds of a label, and back from how often it is above each to a number.
//!
//! `ŷ = m_0 + Σ_k P(y > t_k) · (m_k - m_{k-1})`, `t_k` the quantile `k / (K + 1)` of the labels, `m_k` their mean between `t_k` and `t_{k+1}`
//!
//! `P(y > t_k) = σ(z_k + b_k)`, `b_k` the logit of `1 - k / (K + 1)` ([`ordinal_base`](mt_layers::ordinal_base))
//!
//! X. Sun et al., *CREAD: A Classification-Restoration Framework with Error Adaptive Discretization for Watch Time Prediction in Video
//! Recommender Systems*, AAAI 2024, eq. 2, with thresholds of equal frequency. Differs from the paper: it restores by differences of
//! thresholds, here they are of means between them, so that right probabilities give the right mean however far the last labels lie.

use serde::{Deserialize, Serialize};

/// What a label is compared with, and what it is worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ordinal {
    /// `t_1` to `t_K`, in the label's unit; not descending.
    pub thresholds: Vec<f32>,
    /// `m_0` to `m_K`: mean labels up to the first threshold, between each and the next, and above the last. Not descending; that of no
    /// labels is the one before.
    pub means: Vec<f32>,
}

impl Ordinal {
    /// So many thresholds of labels, given with their weights.
    pub fn fit(labels: impl Iterator<Item = (f32, f64)>, thresholds: usize) -> Self {
        let mut labels: Vec<(f32, f64)> = labels.collect();
        // Equal labels in the order of their weights, so that no order of rows decides a digit of a sum.
        labels.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let all: f64 = labels.iter().map(|(_, weight)| weight).sum();
        let (mut found, mut below) = (Vec::with_capacity(thresholds), 0.0);
        for (label, weight) in &labels {
            below += weight;
            let reached =
                |found: &Vec<f32>| below * (thresholds + 1) as f64 >= all * (found.len() + 1) as f64;
            while found.len() < thresholds && reached(&found) {
                found.push(*label);
            }
        }
        // Rounding may keep the last from being reached, and there may be no label.
        found.resize(thresholds, labels.last().map_or(0.0, |(label, _)| *label));
        let mut this = Self { thresholds: found, means: Vec::new() };
        let mut sums = vec![(0.0, 0.0); thresholds + 1];
        for (label, weight) in &labels {
            let (sum, all) = &mut sums[this.above(*label)];
            (*sum, *all) = (*sum + weight * f64::from(*label), *all + weight);
        }
        let mean = |last: &mut f32, (sum, all): (f64, f64)| {
            // Rounded, a mean may be a digit below the labels that it is of.
            *last = if all > 0.0 { last.max((sum / all) as f32) } else { *last };
            Some(*last)
        };
        let first = labels.first().map_or(0.0, |(label, _)| *label);
        this.means = sums.into_iter().scan(first, mean).collect();
        this
    }

    /// Thresholds 0, 1, …: of labels that are numbers of thresholds themselves.
    pub fn numbered(thresholds: usize) -> Self {
        Self {
            thresholds: (0..thresholds).map(|k| k as f32).collect(),
            means: (0..=thresholds).map(|k| k as f32).collect(),
        }
    }

    /// How many thresholds a label is above.
    pub fn above(&self, label: f32) -> usize {
        self.thresholds.partition_point(|threshold| *threshold < label)
    }

    /// What is predicted where the label is above none, and what each threshold adds that it is above.
    pub fn steps(&self) -> (f32, Vec<f32>) {
        let steps = self.means.windows(2).map(|pair| pair[1] - pair[0]).collect();
        (self.means.first().copied().unwrap_or_default(), steps)
    }

    /// Whether there are as many of each as there have to be, in order.
    pub(crate) fn is_sound(&self) -> bool {
        let sound = |values: &[f32]| values.is_sorted() && values.iter().all(|value| value.is_finite());
        self.means.len() == self.thresholds.len() + 1 && sound(&self.thresholds) && sound(&self.means)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_the_labels_give_their_mean_and_quantiles_their_shares() {
        let labels: Vec<(f32, f64)> =
            (0..1000u32).map(|i| (((i * 617 % 1000) as f32 / 100.0).exp(), 1.0)).collect();
        let ordinal = Ordinal::fit(labels.iter().copied(), 9);
        assert!(ordinal.is_sound());
        let share =
            |k: usize| labels.iter().filter(|(label, _)| ordinal.above(*label) > k).count() as f32 / 1000.0;
        let (least, steps) = ordinal.steps();
        let mut mean = least;
        for (k, step) in steps.iter().enumerate() {
            approx::assert_relative_eq!(share(k), 0.9 - 0.1 * k as f32, epsilon = 1e-6);
            mean += share(k) * step;
        }
        let expected = labels.iter().map(|(label, _)| f64::from(*label)).sum::<f64>() / 1000.0;
        approx::assert_relative_eq!(f64::from(mean), expected, max_relative = 1e-5);
    }

    #[test]
    fn equal_labels_weights_and_none_are_taken_as_they_are() {
        let few = Ordinal::fit([(3.0, 1.0), (0.0, 5.0), (7.0, 1.0)].into_iter(), 3);
        assert_eq!(few, Ordinal { thresholds: vec![0.0, 0.0, 3.0], means: vec![0.0, 0.0, 3.0, 7.0] });
        assert_eq!([0.0, 0.5, 3.0, 9.0].map(|label| few.above(label)), [0, 2, 2, 3]);
        assert_eq!(few.steps(), (0.0, vec![0.0, 3.0, 4.0]));
        let none = Ordinal::fit(std::iter::empty(), 2);
        assert_eq!(none, Ordinal { thresholds: vec![0.0; 2], means: vec![0.0; 3] });
        assert_eq!(Ordinal::numbered(3).steps(), (0.0, vec![1.0; 3]));
        assert_eq!(Ordinal::numbered(3).above(2.0), 2);
    }
}

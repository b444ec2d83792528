//! PaddleRec's AUC, from 4096 buckets: only to compare with numbers it printed.

use crate::histogram;
use crate::order::{assert_same_rows, is_positive};

/// `num_thresholds` of `paddle.static.auc` and `paddle.metric.Auc`: 2¹² - 1.
const THRESHOLDS: f32 = 4095.0;

/// The AUC that PaddleRec prints: rows tie when `int(4095 p)` is the same, and each bucket adds its trapezoid.
///
/// The buckets are equal in `p`, so a task whose probabilities are all small is poorly resolved: for anything but
/// a comparison with PaddleRec, use [`auc`](crate::auc()).
///
/// `None` if a class is absent, where PaddleRec prints 0.0, or if there is a NaN among the probabilities, which it
/// rejects. It also rejects what is outside `[0, 1]`; here that counts as the nearer end.
///
/// Rows have no weights there, and none here.
///
/// Source: Paddle's `python/paddle/metric/metrics.py`, `Auc.update` and `Auc.accumulate`, and the same in its `auc`
/// kernel, `paddle/phi/kernels/cpu/auc_kernel.cc`.
///
/// # Panics
/// If `probabilities` and `labels` differ in length.
pub fn paddlerec_auc(probabilities: &[f32], labels: &[f32]) -> Option<f64> {
    assert_same_rows(probabilities, labels);
    let mut bins = vec![[0_u64; 2]; THRESHOLDS as usize + 1];
    for (&probability, &label) in probabilities.iter().zip(labels) {
        if probability.is_nan() {
            return None;
        }
        let bucket = (probability.clamp(0.0, 1.0) * THRESHOLDS) as usize;
        bins[bucket][usize::from(is_positive(label))] += 1;
    }
    histogram::auc(&bins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auc;

    #[test]
    fn probabilities_of_one_bucket_tie() {
        let (probabilities, labels) = ([0.00001, 0.0001, 0.5], [0.0, 1.0, 0.0]);
        assert_eq!(auc(&probabilities, &labels, None), Some(0.5));
        assert_eq!(paddlerec_auc(&probabilities, &labels), Some(0.25));
    }

    #[test]
    fn the_ends_are_buckets_too() {
        assert_eq!(paddlerec_auc(&[0.0, 1.0, -1.0, 2.0], &[0.0, 1.0, 0.0, 1.0]), Some(1.0));
    }

    #[test]
    fn one_class_is_undefined_not_zero() {
        assert_eq!(paddlerec_auc(&[0.1, 0.2], &[1.0, 1.0]), None);
    }
}

//! Whether the probabilities are right on average.

use crate::order::{assert_same_rows, is_positive};

/// Expected number of positives, by the probabilities, divided by their actual number: 1 is calibrated, more is
/// over-confident of the positive class.
///
/// `None` if there is no positive row, or a NaN among the probabilities.
///
/// # Panics
/// If `probabilities` and `labels` differ in length.
pub fn calibration(probabilities: &[f32], labels: &[f32]) -> Option<f64> {
    assert_same_rows(probabilities, labels);
    let expected: f64 = probabilities.iter().map(|&probability| f64::from(probability)).sum();
    let positives = labels.iter().filter(|&&label| is_positive(label)).count();
    (positives > 0 && !expected.is_nan()).then(|| expected / positives as f64)
}

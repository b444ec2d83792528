//! Share of rows on the right side of a threshold.

use crate::order::{assert_same_rows, is_positive};

/// The share of rows predicted rightly, when a probability of `threshold` or more predicts the positive class.
///
/// `None` if there are no rows, or a NaN among the probabilities.
///
/// # Panics
/// If `probabilities` and `labels` differ in length.
pub fn accuracy(probabilities: &[f32], labels: &[f32], threshold: f32) -> Option<f64> {
    assert_same_rows(probabilities, labels);
    if probabilities.is_empty() || probabilities.iter().any(|probability| probability.is_nan()) {
        return None;
    }
    let right =
        probabilities.iter().zip(labels).filter(|&(&p, &label)| (p >= threshold) == is_positive(label));
    Some(right.count() as f64 / probabilities.len() as f64)
}

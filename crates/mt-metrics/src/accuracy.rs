//! Share of rows on the right side of a threshold.

use crate::order::{assert_same_rows, is_positive};
use crate::weights::{Present, count, total};

/// The share of rows predicted rightly, when a probability of `threshold` or more predicts the positive class; with weights
/// their share of all weight.
///
/// `None` if there are no rows, or a NaN among the probabilities.
///
/// # Panics
/// If `probabilities`, `labels` and `weights` differ in length.
pub fn accuracy(
    probabilities: &[f32],
    labels: &[f32],
    threshold: f32,
    weights: Option<&[f32]>,
) -> Option<f64> {
    assert_same_rows(probabilities, labels);
    let present = Present::new(weights, labels.len())?;
    let (probabilities, labels) = (present.of(probabilities), present.of(labels));
    if probabilities.is_empty() || probabilities.iter().any(|probability| probability.is_nan()) {
        return None;
    }
    let right = probabilities.iter().zip(&*labels).map(|(&p, &label)| (p >= threshold) == is_positive(label));
    let all = total(present.weights()).unwrap_or(labels.len() as f64);
    Some(count(right, present.weights()) / all)
}

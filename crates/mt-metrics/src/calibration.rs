//! Whether the probabilities are right on average.

use crate::order::{assert_same_rows, is_positive};
use crate::weights::{Present, count, sum};

/// Expected number of positives, by the probabilities, divided by their actual number: 1 is calibrated, more is
/// over-confident of the positive class. With weights, rows count by them in both.
///
/// `None` if there is no positive row, or a NaN among the probabilities.
///
/// # Panics
/// If `probabilities`, `labels` and `weights` differ in length.
pub fn calibration(probabilities: &[f32], labels: &[f32], weights: Option<&[f32]>) -> Option<f64> {
    assert_same_rows(probabilities, labels);
    let present = Present::new(weights, labels.len())?;
    let (probabilities, labels) = (present.of(probabilities), present.of(labels));
    let expected = sum(probabilities.iter().map(|&p| f64::from(p)), present.weights());
    let positives = count(labels.iter().map(|&label| is_positive(label)), present.weights());
    (positives > 0.0 && !expected.is_nan()).then(|| expected / positives)
}

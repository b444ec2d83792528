//! All metrics of one binary task at once.

use crate::delong::{key_of, ranked};
use crate::log_loss::base_entropy;
use crate::order::is_positive;
use crate::{DeLong, accuracy, calibration, log_loss, pr_auc};
use serde::Serialize;

/// Metrics of one binary task on one set of rows; `None` (`null` in JSON) where undefined.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BinarySummary {
    /// Number of rows.
    pub rows: usize,
    /// How many of them are positive.
    pub positives: usize,
    /// [`auc`](crate::auc()), exact.
    pub auc: Option<f64>,
    /// Standard error of `auc`: [`DeLong::standard_error`].
    pub auc_se: Option<f64>,
    /// [`pr_auc`](crate::pr_auc()): average precision.
    pub pr_auc: Option<f64>,
    /// [`log_loss`], nats.
    pub log_loss: Option<f64>,
    /// [`normalised_entropy`](crate::normalised_entropy).
    pub normalised_entropy: Option<f64>,
    /// [`calibration`]: expected positives / positives.
    pub calibration: Option<f64>,
    /// [`accuracy`] at threshold 0.5.
    pub accuracy: Option<f64>,
}

/// Computes every field of [`BinarySummary`], sorting once.
///
/// # Panics
/// If `probabilities` and `labels` differ in length, or there are 2³² rows or more.
pub fn binary_summary(probabilities: &[f32], labels: &[f32]) -> BinarySummary {
    let ranked = ranked(probabilities, labels);
    let delong = ranked.as_ref().and_then(DeLong::of_ranked);
    let (rows, positives) = (labels.len(), labels.iter().filter(|&&label| is_positive(label)).count());
    let log_loss = log_loss(probabilities, labels);
    BinarySummary {
        rows,
        positives,
        auc: delong.as_ref().map(DeLong::auc),
        auc_se: delong.as_ref().and_then(DeLong::standard_error),
        pr_auc: ranked.as_ref().and_then(|ranked| pr_auc::of_ranked(ranked, key_of)),
        log_loss,
        normalised_entropy: log_loss.zip(base_entropy(rows, positives)).map(|(loss, entropy)| loss / entropy),
        calibration: calibration(probabilities, labels),
        accuracy: accuracy(probabilities, labels, 0.5),
    }
}

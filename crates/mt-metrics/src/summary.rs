//! All metrics of one binary task at once.

use crate::delong::{key_of, ranked};
use crate::log_loss::base_entropy;
use crate::order::{assert_same_rows, is_positive};
use crate::weights::{Present, Weight, total};
use crate::{DeLong, accuracy, calibration, log_loss, pr_auc};
use serde::Serialize;

/// Metrics of one binary task on one set of rows; `None` (`null` in JSON) where undefined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BinarySummary {
    /// Number of rows, without those of weight 0.
    pub rows: usize,
    /// How many of them are positive.
    pub positives: usize,
    /// The sum of their weights, where these differ; rows then count by weight in all that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
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
/// If `probabilities`, `labels` and `weights` differ in length, or there are 2³² rows or more.
pub fn binary_summary(probabilities: &[f32], labels: &[f32], weights: Option<&[f32]>) -> BinarySummary {
    assert_same_rows(probabilities, labels);
    let positives = |labels: &[f32]| labels.iter().filter(|&&label| is_positive(label)).count();
    let Some(present) = Present::new(weights, labels.len()) else {
        return BinarySummary {
            rows: labels.len(),
            positives: positives(labels),
            ..BinarySummary::default()
        };
    };
    let (probabilities, labels) = (&*present.of(probabilities), &*present.of(labels));
    let weights = present.weights();
    let log_loss = log_loss(probabilities, labels, weights);
    let entropy = base_entropy(labels, weights);
    let summary = BinarySummary {
        rows: labels.len(),
        positives: positives(labels),
        weight: total(weights),
        log_loss,
        normalised_entropy: log_loss.zip(entropy).map(|(loss, entropy)| loss / entropy),
        calibration: calibration(probabilities, labels, weights),
        accuracy: accuracy(probabilities, labels, 0.5, weights),
        ..BinarySummary::default()
    };
    match weights {
        None => with_ranking(summary, probabilities, labels, |_| ()),
        Some(weights) => with_ranking(summary, probabilities, labels, |row| weights[row]),
    }
}

fn with_ranking<W: Weight>(
    summary: BinarySummary,
    probabilities: &[f32],
    labels: &[f32],
    weight: impl Fn(usize) -> W,
) -> BinarySummary {
    let Some(ranked) = ranked(probabilities, labels, weight) else { return summary };
    let delong = DeLong::of_ranked(&ranked);
    BinarySummary {
        auc: delong.as_ref().map(DeLong::auc),
        auc_se: delong.as_ref().and_then(DeLong::standard_error),
        pr_auc: pr_auc::of_ranked(&ranked, key_of),
        ..summary
    }
}

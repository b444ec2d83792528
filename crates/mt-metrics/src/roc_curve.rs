//! The ROC curve itself, for plots.

use crate::order::{assert_same_rows, is_positive, key};
use crate::radix::sort_by_key;
use serde::Serialize;

/// A point of a [`roc_curve`]: what a threshold on the score gives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RocPoint {
    /// The share of negative rows at or above the threshold.
    pub false_positive_rate: f64,
    /// The share of positive rows at or above the threshold.
    pub true_positive_rate: f64,
}

/// The receiver operating characteristic from (0, 0) to (1, 1), from the highest threshold to the lowest, in at most
/// `points` points.
///
/// One point a distinct score (T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27(8), 2006,
/// algorithm 1), less those that lie closer than 2 / (`points` - 1) to the one before, both rates added: the whole
/// curve is 2 long. With enough points nothing is left out, and the area under it is [`auc`](crate::auc()).
///
/// `None` if there is no positive row, no negative row, or a NaN among the scores. O(n) memory, 16 bytes a row.
///
/// # Panics
/// If `scores` and `labels` differ in length, or `points` is below 2.
pub fn roc_curve(scores: &[f32], labels: &[f32], points: usize) -> Option<Vec<RocPoint>> {
    assert_same_rows(scores, labels);
    assert!(points >= 2, "a curve has two ends");
    if scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    let mut rows: Vec<(u32, bool)> =
        scores.iter().zip(labels).map(|(&score, &label)| (key(score), is_positive(label))).collect();
    let positives = rows.iter().filter(|row| row.1).count();
    let negatives = rows.len() - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    sort_by_key(&mut rows, |(key, _)| key);
    let least = 2.0 / (points - 1) as f64;
    let mut curve = vec![RocPoint { false_positive_rate: 0.0, true_positive_rate: 0.0 }];
    let (mut above, mut positives_above, mut kept) = (0, 0, 0.0);
    for tied in rows.chunk_by(|a, b| a.0 == b.0).rev() {
        above += tied.len();
        positives_above += tied.iter().filter(|row| row.1).count();
        let point = RocPoint {
            false_positive_rate: (above - positives_above) as f64 / negatives as f64,
            true_positive_rate: positives_above as f64 / positives as f64,
        };
        let along = point.false_positive_rate + point.true_positive_rate;
        if along - kept >= least || above == rows.len() {
            curve.push(point);
            kept = along;
        }
    }
    Some(curve)
}

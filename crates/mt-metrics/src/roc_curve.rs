//! The ROC curve itself, for plots.

use crate::order::{assert_same_rows, is_positive, key};
use crate::radix::sort_by_key;
use crate::weights::{Amount, Present, Weight};
use serde::Serialize;

/// A point of a [`roc_curve`]: what a threshold on the score gives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RocPoint {
    /// The share of negative rows, by weight, at or above the threshold.
    pub false_positive_rate: f64,
    /// The share of positive rows, by weight, at or above the threshold.
    pub true_positive_rate: f64,
}

/// The receiver operating characteristic from (0, 0) to (1, 1), from the highest threshold to the lowest, in at most
/// `points` points.
///
/// One point a distinct score (T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27(8), 2006,
/// algorithm 1), less those that lie closer than 2 / (`points` - 1) to the one before, both rates added: the whole
/// curve is 2 long. With enough points nothing is left out, and the area under it is [`auc`](crate::auc()).
///
/// `None` if there is no positive row, no negative row, or a NaN among the scores. O(n) memory, 16 bytes a row, 24 with
/// weights.
///
/// # Panics
/// If `scores`, `labels` and `weights` differ in length, or `points` is below 2.
pub fn roc_curve(
    scores: &[f32],
    labels: &[f32],
    points: usize,
    weights: Option<&[f32]>,
) -> Option<Vec<RocPoint>> {
    assert_same_rows(scores, labels);
    assert!(points >= 2, "a curve has two ends");
    let present = Present::new(weights, scores.len())?;
    let (scores, labels) = (present.of(scores), present.of(labels));
    match present.weights() {
        None => of_rows(&scores, &labels, points, |_| ()),
        Some(weights) => of_rows(&scores, &labels, points, |row| weights[row]),
    }
}

fn of_rows<W: Weight>(
    scores: &[f32],
    labels: &[f32],
    points: usize,
    weight: impl Fn(usize) -> W,
) -> Option<Vec<RocPoint>> {
    if scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    let rows = scores.iter().zip(labels).map(|(&score, &label)| (key(score), is_positive(label)));
    let mut rows: Vec<((u32, bool), W)> = rows.enumerate().map(|(i, row)| (row, weight(i))).collect();
    // Complemented, the highest score comes first.
    sort_by_key(&mut rows, |((key, _), _)| !key);
    let none = W::Sum::default();
    let add = |[negatives, positives]: [W::Sum; 2], &((_, positive), weight): &((u32, bool), W)| {
        let own = weight.amount();
        if positive { [negatives, positives + own] } else { [negatives + own, positives] }
    };
    let all = rows.iter().fold([none; 2], add);
    if all.contains(&none) {
        return None;
    }
    let least = 2.0 / (points - 1) as f64;
    let mut curve = vec![RocPoint { false_positive_rate: 0.0, true_positive_rate: 0.0 }];
    let (mut above, mut seen, mut kept) = ([none; 2], 0, 0.0);
    for tied in rows.chunk_by(|a, b| a.0.0 == b.0.0) {
        seen += tied.len();
        above = tied.iter().fold(above, add);
        let point = RocPoint {
            false_positive_rate: above[0].to_f64() / all[0].to_f64(),
            true_positive_rate: above[1].to_f64() / all[1].to_f64(),
        };
        let along = point.false_positive_rate + point.true_positive_rate;
        if along - kept >= least || seen == rows.len() {
            curve.push(point);
            kept = along;
        }
    }
    Some(curve)
}

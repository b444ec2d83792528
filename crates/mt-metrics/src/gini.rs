//! The normalised Gini coefficient: how much of the sum of the targets the rows predicted largest hold.

use crate::order::{assert_same_targets, key};
use crate::radix::sort_by_key;
use crate::weights::Present;

/// The Gini coefficient of the targets in decreasing order of the predictions, divided by that in their own order: 1 where the
/// predictions rank rows as the targets do, about 0 by chance, negative where they rank them the wrong way.
///
/// With `L(x)` the share of the sum of the targets that the share `x` of rows predicted largest holds, a coefficient is twice the
/// area between `L` and the diagonal; rows of equal predictions share theirs evenly, whatever their order. What a customer
/// spends is judged by it (X. Wang, T. Liu and J. Miao, "A Deep Probabilistic Model for Customer Lifetime Value Prediction",
/// arXiv:1912.07753, 2019): unlike [`xauc`](crate::xauc()) it counts how large a target is. On targets of 0 and 1 it is
/// 2 AUC - 1. With weights, rows count by them in both shares.
///
/// `None` if no two targets differ, or a number among predictions or targets is not finite. O(n log n) time on one thread, 12
/// bytes a row.
///
/// # Panics
/// If `predictions`, `targets` and `weights` differ in length.
pub fn normalised_gini(predictions: &[f32], targets: &[f32], weights: Option<&[f32]>) -> Option<f64> {
    assert_same_targets(predictions, targets);
    let present = Present::new(weights, targets.len())?;
    let (predictions, targets) = (&*present.of(predictions), &*present.of(targets));
    let differ = targets.windows(2).any(|pair| pair[0] != pair[1]);
    if !differ || !predictions.iter().chain(targets).all(|value| value.is_finite()) {
        return None;
    }
    let area = |order: &[f32]| area(order, targets, present.weights());
    let of_targets = area(targets);
    // Of differing targets it is above 0, but for what single precision can't tell apart.
    (of_targets > 0.0).then(|| area(predictions) / of_targets)
}

/// The area between the running sum of the targets in decreasing order of `scores` and its diagonal, in their unit.
fn area(scores: &[f32], targets: &[f32], weights: Option<&[f32]>) -> f64 {
    let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
    let of = |(row, &score): (usize, &f32)| (!key(score), targets[row], weight(row));
    let mut rows: Vec<(u32, f32, f32)> = scores.iter().enumerate().map(of).collect();
    sort_by_key(&mut rows, |row| row.0);
    let (mut below_curve, mut sum, mut all) = (0.0, 0.0, 0.0);
    for tied in rows.chunk_by(|a, b| a.0 == b.0) {
        let (mut own, mut width) = (0.0, 0.0);
        for &(_, target, weight) in tied {
            own += f64::from(weight) * f64::from(target);
            width += f64::from(weight);
        }
        below_curve += width * (sum + own / 2.0);
        (sum, all) = (sum + own, all + width);
    }
    below_curve - sum * all / 2.0
}

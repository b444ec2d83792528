//! Exact area under the ROC curve, by sorting.

use crate::order::{assert_same_rows, by_class, each_twice_wins};
use crate::weights::{Amount, Present, Weight, amount};

/// The probability that a random positive row scores above a random negative one, ties counting one half.
///
/// AUC = (#{s⁺ > s⁻} + ½ #{s⁺ = s⁻}) / (P N), over all P N pairs (Mann and Whitney 1947; Hanley and McNeil 1982).
/// The pairs are counted in integers after sorting: exact, on one thread, about 10 ns a row.
///
/// With weights a pair counts the product of its rows' weights, and the random rows are drawn by them (W. Yao, Z. Li, B. I.
/// Graubard, "Estimation of ROC curve with complex survey data", Statistics in Medicine 34(8), 2015), as in scikit-learn's
/// `roc_auc_score`.
///
/// `None` if there is no positive row, no negative row, or a NaN among the scores. Infinite scores are fine.
///
/// # Panics
/// If `scores`, `labels` and `weights` differ in length.
pub fn auc(scores: &[f32], labels: &[f32], weights: Option<&[f32]>) -> Option<f64> {
    assert_same_rows(scores, labels);
    let present = Present::new(weights, scores.len())?;
    let (scores, labels) = (present.of(scores), present.of(labels));
    match present.weights() {
        None => of_rows(&scores, &labels, |_| ()),
        Some(weights) => of_rows(&scores, &labels, |row| weights[row]),
    }
}

fn of_rows<W: Weight>(scores: &[f32], labels: &[f32], weight: impl Fn(usize) -> W) -> Option<f64> {
    let [negatives, positives] = by_class(scores, labels, weight)?;
    if negatives.is_empty() || positives.is_empty() {
        return None;
    }
    let mut twice_wins = W::Sum::default();
    each_twice_wins(&positives, &negatives, |key| key, |row, twice| twice_wins += row.1.amount() * twice);
    Some(share_won(twice_wins, amount(&positives), amount(&negatives)))
}

/// AUC of twice the pairs won, of all pairs of what positives and negatives count.
pub(crate) fn share_won(twice_wins: impl Amount, positives: impl Amount, negatives: impl Amount) -> f64 {
    // At most 1, whatever the weights are rounded to.
    (twice_wins.to_f64() / 2.0 / positives.to_f64() / negatives.to_f64()).min(1.0)
}

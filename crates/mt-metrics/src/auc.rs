//! Exact area under the ROC curve, by sorting.

use crate::order::{assert_same_rows, each_twice_wins, is_positive, key};
use crate::radix::sort_by_key;

/// The probability that a random positive row scores above a random negative one, ties counting one half.
///
/// AUC = (#{s⁺ > s⁻} + ½ #{s⁺ = s⁻}) / (P N), over all P N pairs (Mann and Whitney 1947; Hanley and McNeil 1982).
/// The pairs are counted in integers after sorting: exact, on one thread, about 10 ns a row.
///
/// `None` if there is no positive row, no negative row, or a NaN among the scores. Infinite scores are fine.
///
/// # Panics
/// If `scores` and `labels` differ in length.
pub fn auc(scores: &[f32], labels: &[f32]) -> Option<f64> {
    assert_same_rows(scores, labels);
    let mut keys = [Vec::new(), Vec::new()];
    for (&score, &label) in scores.iter().zip(labels) {
        if score.is_nan() {
            return None;
        }
        keys[usize::from(is_positive(label))].push(key(score));
    }
    let [mut negatives, mut positives] = keys;
    if negatives.is_empty() || positives.is_empty() {
        return None;
    }
    sort_by_key(&mut negatives, |key| key);
    sort_by_key(&mut positives, |key| key);
    let mut twice_wins = 0;
    each_twice_wins(&positives, &negatives, |key| key, |_, twice| twice_wins += twice);
    Some(twice_wins as f64 / 2.0 / positives.len() as f64 / negatives.len() as f64)
}

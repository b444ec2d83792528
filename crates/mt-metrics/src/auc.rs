//! Exact area under the ROC curve, by sorting.

use crate::order::{assert_same_rows, each_twice_wins, is_positive, key};
use rayon::prelude::*;

/// Below this many rows a class is sorted faster on one thread than shared among several.
const PARALLEL_ROWS: usize = 1 << 15;

/// The probability that a random positive row scores above a random negative one, ties counting one half.
///
/// AUC = (#{s⁺ > s⁻} + ½ #{s⁺ = s⁻}) / (P N), over all P N pairs (Mann and Whitney 1947; Hanley and McNeil 1982).
/// The pairs are counted in integers after sorting, O(n log n); large inputs are sorted on rayon's threads.
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
    rayon::join(|| sort(&mut negatives), || sort(&mut positives));
    let mut twice_wins = 0;
    each_twice_wins(&positives, &negatives, |key| key, |_, twice| twice_wins += twice);
    Some(twice_wins as f64 / 2.0 / positives.len() as f64 / negatives.len() as f64)
}

fn sort(keys: &mut [u32]) {
    if keys.len() < PARALLEL_ROWS { keys.sort_unstable() } else { keys.par_sort_unstable() }
}

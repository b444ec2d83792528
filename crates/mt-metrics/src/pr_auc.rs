//! Exact area under the precision-recall curve, by sorting.

use crate::order::{assert_same_rows, is_positive, key};
use crate::radix::sort_by_key;

/// Average precision: Σₙ (Rₙ - Rₙ₋₁) Pₙ, over the distinct scores from the highest, where Pₙ and Rₙ are precision and
/// recall of the rows that score at least the n-th.
///
/// Rows of equal score are one step, so their order doesn't matter, and nothing is interpolated between steps, which
/// would flatter (J. Davis, M. Goadrich, "The relationship between precision-recall and ROC curves", ICML 2006): the
/// same definition as scikit-learn's `average_precision_score`. A random ranking has the share of positives on average.
///
/// `None` if there is no positive row, or a NaN among the scores. O(n) memory, 8 bytes a row while it sorts.
///
/// # Panics
/// If `scores` and `labels` differ in length.
pub fn pr_auc(scores: &[f32], labels: &[f32]) -> Option<f64> {
    assert_same_rows(scores, labels);
    let mut keys = [Vec::new(), Vec::new()];
    for (&score, &label) in scores.iter().zip(labels) {
        if score.is_nan() {
            return None;
        }
        keys[usize::from(is_positive(label))].push(key(score));
    }
    keys.iter_mut().for_each(|class| sort_by_key(class, |key| key));
    of_ranked(&keys, |key| key)
}

/// The same from the negatives' and the positives' [`key`]s (extracted by `key_of`), in increasing order.
pub(crate) fn of_ranked<T: Copy>(
    [negatives, positives]: &[Vec<T>; 2],
    key_of: impl Fn(T) -> u32,
) -> Option<f64> {
    let (mut hits, mut misses) = (0, 0);
    let mut sum = 0.0;
    for step in positives.chunk_by(|&a, &b| key_of(a) == key_of(b)).rev() {
        hits += step.len();
        while misses < negatives.len() && key_of(negatives[negatives.len() - 1 - misses]) >= key_of(step[0]) {
            misses += 1;
        }
        sum += step.len() as f64 * hits as f64 / (hits + misses) as f64;
    }
    (!positives.is_empty()).then(|| sum / positives.len() as f64)
}

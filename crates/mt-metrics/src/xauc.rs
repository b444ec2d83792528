//! XAUC: AUC for targets that are numbers, such as watch times.

use crate::order::{assert_same_targets, key};
use crate::radix::sort;

/// The probability that of two random rows with different targets the one with the larger target is predicted larger,
/// ties in the prediction counting one half.
///
/// R. Zhan et al., "Deconfounding duration bias in watch-time prediction for video recommendation", KDD 2022. On
/// targets of 0 and 1 it is [`auc`](crate::auc()).
///
/// `None` if no two targets differ, or there is a NaN among predictions or targets. The pairs are counted in integers
/// while sorting (W. R. Knight, "A computer method for calculating Kendall's tau with ungrouped data", JASA 61, 1966):
/// exact, O(n log n) time on one thread, 16 bytes a row.
///
/// # Panics
/// If `predictions` and `targets` differ in length, or there are 2³² rows or more.
pub fn xauc(predictions: &[f32], targets: &[f32]) -> Option<f64> {
    assert_same_targets(predictions, targets);
    assert!(u32::try_from(targets.len()).is_ok(), "rows must number less than 2^32");
    if predictions.iter().chain(targets).any(|value| value.is_nan()) {
        return None;
    }
    // By target, equal targets by prediction.
    let mut rows: Vec<u64> =
        predictions.iter().zip(targets).map(|(&p, &t)| u64::from(key(t)) << 32 | u64::from(key(p))).collect();
    sort(&mut rows);
    let pairs = |count: usize| count as u64 * (count as u64).saturating_sub(1) / 2;
    let compared =
        pairs(rows.len()) - rows.chunk_by(|a, b| a >> 32 == b >> 32).map(|c| pairs(c.len())).sum::<u64>();
    let tied_in_both: u64 = rows.chunk_by(|a, b| a == b).map(|c| pairs(c.len())).sum();
    let mut keys: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
    drop(rows);
    let lost = sort_counting_inversions(&mut keys);
    let tied = keys.chunk_by(|a, b| a == b).map(|c| pairs(c.len())).sum::<u64>() - tied_in_both;
    // Each pair once for the win and once for not losing: a tie is half of that.
    let twice_wins = 2 * (compared - lost) - tied;
    (compared > 0).then(|| twice_wins as f64 / 2.0 / compared as f64)
}

/// Sorts, and returns the number of pairs that were in the wrong order (equal ones never are).
fn sort_counting_inversions(keys: &mut Vec<u32>) -> u64 {
    let mut merged = vec![0; keys.len()];
    let mut inversions = 0;
    let mut width = 1;
    while width < keys.len() {
        for (from, to) in keys.chunks(2 * width).zip(merged.chunks_mut(2 * width)) {
            let (left, right) = from.split_at(width.min(from.len()));
            inversions += merge_counting_inversions(left, right, to);
        }
        std::mem::swap(keys, &mut merged);
        width *= 2;
    }
    inversions
}

/// Merges two sorted runs; returns how many pairs have the larger key on the left.
fn merge_counting_inversions(left: &[u32], right: &[u32], to: &mut [u32]) -> u64 {
    let (mut i, mut j) = (0, 0);
    let mut inversions = 0;
    while i < left.len() && j < right.len() {
        // Without a branch on the keys, which would be guessed wrong every other time.
        let from_right = usize::from(right[j] < left[i]);
        to[i + j] = if from_right == 1 { right[j] } else { left[i] };
        inversions += (from_right * (left.len() - i)) as u64;
        (i, j) = (i + 1 - from_right, j + from_right);
    }
    let rest = to.len() - i - j;
    to[i + j..].copy_from_slice(if i < left.len() { &left[i..] } else { &right[right.len() - rest..] });
    inversions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inversions_are_the_pairs_in_the_wrong_order() {
        for count in [0, 1, 2, 3, 7, 100] {
            let keys: Vec<u32> = (0..count).map(|i: u32| i.wrapping_mul(0x9E37_79B9) >> 27).collect();
            let pairs = (0..keys.len()).flat_map(|i| (i..keys.len()).map(move |j| (i, j)));
            let expected = pairs.filter(|&(i, j)| keys[i] > keys[j]).count() as u64;
            let mut sorted = keys.clone();
            assert_eq!(sort_counting_inversions(&mut sorted), expected);
            assert!(sorted.is_sorted());
        }
    }
}

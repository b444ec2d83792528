//! XAUC: AUC for targets that are numbers, such as watch times.

use crate::order::{assert_same_targets, key};
use crate::radix::sort_by_long_key;
use crate::weights::{Amount, Present, Weight, amount};

/// The probability that of two random rows with different targets the one with the larger target is predicted larger,
/// ties in the prediction counting one half.
///
/// R. Zhan et al., "Deconfounding duration bias in watch-time prediction for video recommendation", KDD 2022. On
/// targets of 0 and 1 it is [`auc`](crate::auc()). With weights a pair counts the product of its rows' weights, as there.
///
/// `None` if no two targets differ, or there is a NaN among predictions or targets. The pairs are counted in integers
/// while sorting (W. R. Knight, "A computer method for calculating Kendall's tau with ungrouped data", JASA 61, 1966):
/// exact, O(n log n) time on one thread, 16 bytes a row, 32 with weights.
///
/// # Panics
/// If `predictions`, `targets` and `weights` differ in length, or there are 2³² rows or more.
pub fn xauc(predictions: &[f32], targets: &[f32], weights: Option<&[f32]>) -> Option<f64> {
    assert_same_targets(predictions, targets);
    assert!(u32::try_from(targets.len()).is_ok(), "rows must number less than 2^32");
    let present = Present::new(weights, targets.len())?;
    let (predictions, targets) = (present.of(predictions), present.of(targets));
    match present.weights() {
        None => of_rows(&predictions, &targets, |_| ()),
        Some(weights) => of_rows(&predictions, &targets, |row| weights[row]),
    }
}

fn of_rows<W: Weight>(predictions: &[f32], targets: &[f32], weight: impl Fn(usize) -> W) -> Option<f64> {
    if predictions.iter().chain(targets).any(|value| value.is_nan()) {
        return None;
    }
    // By target, equal targets by prediction.
    let pairs = predictions.iter().zip(targets).map(|(&p, &t)| u64::from(key(t)) << 32 | u64::from(key(p)));
    let mut rows: Vec<(u64, W)> = pairs.enumerate().map(|(row, pair)| (pair, weight(row))).collect();
    sort_by_long_key(&mut rows, |row| row.0);
    let compared = pairs_between(rows.chunk_by(|a, b| a.0 >> 32 == b.0 >> 32));
    // By prediction, equal predictions by target, which no row of a larger target comes before: so the pairs in the wrong
    // order are those that the prediction has wrong.
    rows.iter_mut().for_each(|row| row.0 = row.0.rotate_left(32));
    let lost = sort_counting_inversions(&mut rows);
    let tied = rows.chunk_by(|a, b| a.0 >> 32 == b.0 >> 32);
    let tied: W::Sum = tied.map(|tied| pairs_between(tied.chunk_by(|a, b| a.0 == b.0))).sum();
    // Each pair once for the win and once for not losing: a tie is half of that.
    let won = compared - lost;
    let twice_wins = won + won - tied;
    (compared > W::Sum::default()).then(|| (twice_wins.to_f64() / 2.0 / compared.to_f64()).clamp(0.0, 1.0))
}

/// What the pairs count whose rows are in different groups.
fn pairs_between<'a, W: Weight + 'a>(groups: impl Iterator<Item = &'a [(u64, W)]>) -> W::Sum {
    let (mut pairs, mut before) = (W::Sum::default(), W::Sum::default());
    for group in groups {
        let own = amount(group);
        pairs += own * before;
        before += own;
    }
    pairs
}

/// Sorts, and returns what the pairs count that were in the wrong order (equal ones never are).
fn sort_counting_inversions<W: Weight>(rows: &mut Vec<(u64, W)>) -> W::Sum {
    let mut merged = vec![<(u64, W)>::default(); rows.len()];
    let mut inversions = W::Sum::default();
    let mut width = 1;
    while width < rows.len() {
        for (from, to) in rows.chunks(2 * width).zip(merged.chunks_mut(2 * width)) {
            let (left, right) = from.split_at(width.min(from.len()));
            inversions += merge_counting_inversions(left, right, to);
        }
        std::mem::swap(rows, &mut merged);
        width *= 2;
    }
    inversions
}

/// Merges two sorted runs; returns what the pairs count that have the larger key on the left.
fn merge_counting_inversions<W: Weight>(
    left: &[(u64, W)],
    right: &[(u64, W)],
    to: &mut [(u64, W)],
) -> W::Sum {
    let (mut i, mut j) = (0, 0);
    // What of the right is smaller than the next row of the left.
    let mut smaller = W::Sum::default();
    let mut inversions = W::Sum::default();
    while i < left.len() && j < right.len() {
        // Without a branch on the keys, which would be guessed wrong every other time.
        let from_right = right[j].0 < left[i].0;
        let row = if from_right { right[j] } else { left[i] };
        to[i + j] = row;
        let amount = row.1.amount();
        inversions += if from_right { W::Sum::default() } else { amount * smaller };
        smaller += if from_right { amount } else { W::Sum::default() };
        (i, j) = (i + usize::from(!from_right), j + usize::from(from_right));
    }
    let rest = to.len() - i - j;
    inversions += amount(&left[i..]) * smaller;
    to[i + j..].copy_from_slice(if i < left.len() { &left[i..] } else { &right[right.len() - rest..] });
    inversions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inversions_are_the_pairs_in_the_wrong_order() {
        for count in [0, 1, 2, 3, 7, 100] {
            let key = |i: u32| u64::from(i.wrapping_mul(0x9E37_79B9) >> 27);
            let keys: Vec<(u64, ())> = (0..count).map(|i| (key(i), ())).collect();
            let pairs = (0..keys.len()).flat_map(|i| (i..keys.len()).map(move |j| (i, j)));
            let expected = pairs.filter(|&(i, j)| keys[i].0 > keys[j].0).count() as u64;
            let mut sorted = keys.clone();
            assert_eq!(sort_counting_inversions(&mut sorted), expected);
            assert!(sorted.is_sorted_by_key(|row| row.0));
        }
    }
}

//! What the ranking metrics share: an integer order for scores, and the count of won comparisons.

use crate::radix::sort_by_key;
use crate::weights::Weight;

const SIGN: u32 = 1 << 31;

/// Whether a label is positive.
pub(crate) fn is_positive(label: f32) -> bool {
    label > 0.5
}

/// Panics unless there is one label for each score.
#[track_caller]
pub(crate) fn assert_same_rows(scores: &[f32], labels: &[f32]) {
    assert_eq!(scores.len(), labels.len(), "scores and labels must have the same number of rows");
}

/// Panics unless there is one group code for each score.
#[track_caller]
pub(crate) fn assert_same_groups(scores: &[f32], groups: &[u32]) {
    assert_eq!(scores.len(), groups.len(), "scores and groups must have the same number of rows");
}

/// Panics unless there is one target for each prediction.
#[track_caller]
pub(crate) fn assert_same_targets(predictions: &[f32], targets: &[f32]) {
    assert_eq!(predictions.len(), targets.len(), "predictions and targets must have the same number of rows");
}

/// An integer that sorts as `score` does, equal for `-0.0` and `0.0`; meaningless for NaN.
///
/// Works on the bits alone, so that it holds in threads that flush denormals to zero too.
pub(crate) fn key(score: f32) -> u32 {
    match score.to_bits() {
        SIGN => SIGN,
        bits if bits < SIGN => bits | SIGN,
        bits => !bits,
    }
}

/// Rows by score, each with what it counts.
pub(crate) type Ranked<K, W> = Vec<(K, W)>;

/// The negative and the positive rows, each in increasing order of their [`key`]s; `None` if there is a NaN among the
/// scores.
pub(crate) fn by_class<W: Weight>(
    scores: &[f32],
    labels: &[f32],
    weight: impl Fn(usize) -> W,
) -> Option<[Ranked<u32, W>; 2]> {
    let mut classes = [Vec::new(), Vec::new()];
    for (row, (&score, &label)) in scores.iter().zip(labels).enumerate() {
        if score.is_nan() {
            return None;
        }
        classes[usize::from(is_positive(label))].push((key(score), weight(row)));
    }
    classes.iter_mut().for_each(|class| sort_by_key(class, |row| row.0));
    Some(classes)
}

/// Calls `each(row, wins)` for every row of `own`, in order, with twice what the rows of `other` count that it beats, a tie
/// being half.
///
/// Both slices hold [`key`]s (extracted by `key_of`) in increasing order, with weights.
pub(crate) fn each_twice_wins<K: Copy, W: Weight>(
    own: &[(K, W)],
    other: &[(K, W)],
    key_of: impl Fn(K) -> u32,
    mut each: impl FnMut((K, W), W::Sum),
) {
    // How many rows of `other` are below and up to a key, and what they count.
    let mut below = (0, W::Sum::default());
    let mut up_to = below;
    for &row in own {
        let key = key_of(row.0);
        while below.0 < other.len() && key_of(other[below.0].0) < key {
            below = (below.0 + 1, below.1 + other[below.0].1.amount());
        }
        if up_to.0 < below.0 {
            up_to = below;
        }
        while up_to.0 < other.len() && key_of(other[up_to.0].0) == key {
            up_to = (up_to.0 + 1, up_to.1 + other[up_to.0].1.amount());
        }
        each(row, below.1 + up_to.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_the_scores_do() {
        let scores = [f32::NEG_INFINITY, -2.0, -1e-45, 0.0, 1e-45, 0.3, 0.30000004, 1.0, f32::INFINITY];
        assert!(scores.windows(2).all(|pair| key(pair[0]) < key(pair[1])));
    }

    #[test]
    fn both_zeros_tie() {
        assert_eq!(key(-0.0), key(0.0));
    }

    #[test]
    fn a_tie_is_half_a_win() {
        let mut wins = Vec::new();
        let [own, other] =
            [&[1, 3, 3, 9][..], &[0, 3, 4]].map(|keys| keys.iter().map(|&key| (key, ())).collect());
        let (own, other): (Vec<_>, Vec<_>) = (own, other);
        each_twice_wins(&own, &other, |key| key, |_, twice| wins.push(twice));
        assert_eq!(wins, [2, 3, 3, 6]);
    }

    #[test]
    fn a_row_of_weight_two_is_beaten_twice() {
        let mut wins = Vec::new();
        each_twice_wins(
            &[(1, 1.0), (3, 0.5)],
            &[(0, 2.0), (3, 0.25)],
            |key| key,
            |_, twice| wins.push(twice),
        );
        assert_eq!(wins, [4.0, 4.25]);
    }
}

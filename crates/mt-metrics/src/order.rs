//! What the ranking metrics share: an integer order for scores, and the count of won comparisons.

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

/// Calls `each(i, wins)` for every `own[i]`, in order, with twice the number of `other` it beats, a tie being half.
///
/// Both slices hold [`key`]s (extracted by `key_of`) in increasing order.
pub(crate) fn each_twice_wins<T: Copy>(
    own: &[T],
    other: &[T],
    key_of: impl Fn(T) -> u32,
    mut each: impl FnMut(T, u64),
) {
    let (mut below, mut up_to) = (0, 0);
    for &item in own {
        let key = key_of(item);
        while below < other.len() && key_of(other[below]) < key {
            below += 1;
        }
        up_to = up_to.max(below);
        while up_to < other.len() && key_of(other[up_to]) == key {
            up_to += 1;
        }
        each(item, (below + up_to) as u64);
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
        each_twice_wins(&[1, 3, 3, 9], &[0, 3, 4], |key| key, |_, twice| wins.push(twice));
        assert_eq!(wins, [2, 3, 3, 6]);
    }
}

//! NDCG: how close the top of each group's ranking comes to the best one possible.

use crate::order::{assert_same_groups, assert_same_rows, key};
use crate::weights::{Amount, Present, Weight};
use serde::Serialize;

/// What [`ndcg`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GroupNdcg {
    /// Ranks that count, from the top.
    pub k: usize,
    /// The mean of the groups' NDCG@k, all groups alike or by their weight; `None` if no group counts, a score is NaN, a
    /// relevance is NaN or negative, or rows of a group that counts differ in weight.
    pub value: Option<f64>,
    /// Groups with rows of different relevance: those in the mean.
    pub groups: usize,
    /// Groups whose rows are all equally relevant, those of one row among them: no order of theirs is better than
    /// another.
    pub skipped: usize,
}

/// Mean over groups of NDCG@k = DCG@k / ideal DCG@k, with DCG@k = Σ_{i ≤ k} (2^relᵢ - 1) / log₂(1 + i), i from 1.
///
/// K. Järvelin, J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 20(4), 2002, with the gain of
/// C. Burges et al., "Learning to rank using gradient descent", ICML 2005. `relevances` are grades from 0, or labels of
/// 0 and 1, for which the gain is the label itself. `groups` holds one code a row, in any order.
///
/// A group whose rows are all equally relevant is left out, as [`group_auc`](crate::group_auc()) leaves it out: every
/// model has 1 there, or without a relevant row nothing, so a mean over it tells how many such groups there are, and
/// most users have one impression or no click.
///
/// Rows of equal score share the mean gain of their tie, which is the expectation over all ways to order them, as in
/// F. McSherry, M. Najork, "Computing information retrieval performance measures efficiently in the presence of tied
/// scores", ECIR 2008; so the result doesn't depend on the order of the rows. A model that scores all rows alike
/// gets what a random ranking gets on average.
///
/// Weights are those of groups, as scikit-learn's `ndcg_score` takes them: each row has that of its group, or 0 to be absent
/// from its ranking. For unlike weights within a ranking there is no accepted definition, as a rank belongs to one row, so
/// the value is then undefined.
///
/// O(n log n) time on one thread, 12 bytes a row, 16 with weights, and 8 a row of the largest group.
///
/// # Panics
/// If `scores`, `relevances`, `groups` and `weights` differ in length.
pub fn ndcg(
    scores: &[f32],
    relevances: &[f32],
    groups: &[u32],
    k: usize,
    weights: Option<&[f32]>,
) -> GroupNdcg {
    assert_same_rows(scores, relevances);
    assert_same_groups(scores, groups);
    let counted = GroupNdcg { k, value: None, groups: 0, skipped: 0 };
    let Some(present) = Present::new(weights, scores.len()) else { return counted };
    let (scores, relevances, groups) = (present.of(scores), present.of(relevances), present.of(groups));
    match present.weights() {
        None => of_rows((&scores, &relevances, &groups), |_| (), counted),
        Some(weights) => of_rows((&scores, &relevances, &groups), |row| weights[row], counted),
    }
}

fn of_rows<W: Weight>(
    (scores, relevances, groups): (&[f32], &[f32], &[u32]),
    weight: impl Fn(usize) -> W,
    mut counted: GroupNdcg,
) -> GroupNdcg {
    let k = counted.k;
    let (mut sum, mut all) = (0.0, W::Sum::default());
    let valid = |(score, relevance): (&f32, &f32)| !score.is_nan() && *relevance >= 0.0;
    let mut defined = scores.iter().zip(relevances).all(valid);
    // Complemented, the best score comes first; the relevance last makes the order of tied rows, and with it the
    // rounding of their sum, that of their values.
    let mut rows: Vec<([u32; 3], W)> = (scores.iter().zip(relevances).zip(groups))
        .map(|((&score, &relevance), &group)| [group, !key(score), relevance.abs().to_bits()])
        .enumerate()
        .map(|(row, ranked)| (ranked, weight(row)))
        .collect();
    rows.sort_unstable_by_key(|row| row.0);
    let mut best = Vec::new();
    for group in rows.chunk_by(|a, b| a.0[0] == b.0[0]) {
        best.clear();
        best.extend(group.iter().map(gain));
        best.sort_unstable_by(|a, b| b.total_cmp(a));
        if k == 0 || best.first() == best.last() {
            counted.skipped += 1;
            continue;
        }
        counted.groups += 1;
        let weight = group[0].1.amount();
        defined &= group.iter().all(|row| row.1.amount() == weight);
        let ideal: f64 = best.iter().zip(discounts(0, k)).map(|(gain, discount)| gain * discount).sum();
        let mut rank = 0;
        let mut dcg = 0.0;
        for tie in group.chunk_by(|a, b| a.0[1] == b.0[1]) {
            let mean_gain = tie.iter().map(gain).sum::<f64>() / tie.len() as f64;
            dcg += mean_gain * discounts(rank, k).take(tie.len()).sum::<f64>();
            rank += tie.len();
        }
        sum += weight.to_f64() * (dcg / ideal);
        all += weight;
    }
    let mean = sum / all.to_f64();
    GroupNdcg { value: (defined && !mean.is_nan()).then_some(mean), ..counted }
}

/// The gain of a row, 2^rel - 1.
fn gain<W>((row, _): &([u32; 3], W)) -> f64 {
    f64::from(f32::from_bits(row[2])).exp2() - 1.0
}

/// 1 / log₂(1 + i) of the ranks after the first `rank` ones, up to `k`.
fn discounts(rank: usize, k: usize) -> impl Iterator<Item = f64> {
    (rank..k).map(|above| 1.0 / ((above + 2) as f64).log2())
}

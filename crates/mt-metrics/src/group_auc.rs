//! AUC within groups (GAUC): does each user, session or query see its own positives first?

use crate::order::{assert_same_groups, assert_same_rows, each_twice_wins, is_positive, key};
use crate::radix::sort;
use serde::{Deserialize, Serialize};

/// How much each group counts in the mean of [`group_auc`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GroupWeighting {
    /// By its rows: the usual choice.
    #[default]
    Impressions,
    /// By its positive rows.
    Positives,
    /// All groups alike.
    Equal,
}

/// What [`group_auc`] returns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GroupAuc {
    /// The weighted mean of the groups' AUC; `None` if no group has both classes, or there is a NaN among the scores.
    pub value: Option<f64>,
    /// Groups with both classes: those in the mean.
    pub groups: usize,
    /// Groups with one class only, which have no AUC.
    pub skipped: usize,
}

/// Mean over groups of the [`auc`](crate::auc()) of each group's rows: Σ wᵍ AUCᵍ / Σ wᵍ.
///
/// H. Zhu et al., "Optimized cost per click in Taobao display advertising", KDD 2017. It is blind to what
/// differs from group to group, such as active users having more positives, which a ranking for one user can't use.
///
/// `groups` holds one code a row, in any order. Exact, O(n log n) time on one thread and 16 bytes a row; the result
/// doesn't depend on the order of the rows.
///
/// # Panics
/// If `scores`, `labels` and `groups` differ in length.
pub fn group_auc(scores: &[f32], labels: &[f32], groups: &[u32], weighting: GroupWeighting) -> GroupAuc {
    assert_same_rows(scores, labels);
    assert_same_groups(scores, groups);
    // The group above, the score's key below: one integer to sort.
    let mut classes = [Vec::new(), Vec::new()];
    for ((&score, &label), &group) in scores.iter().zip(labels).zip(groups) {
        classes[usize::from(is_positive(label))].push(u64::from(group) << 32 | u64::from(key(score)));
    }
    classes.iter_mut().for_each(sort);
    let mut rest = classes.each_ref().map(Vec::as_slice);
    let (mut sum, mut weights) = (0.0, 0.0);
    let mut counted = GroupAuc { value: None, groups: 0, skipped: 0 };
    while let Some(group) = rest.iter().filter_map(|rows| rows.first()).map(|row| row >> 32).min() {
        let [negatives, positives] = rest.each_mut().map(|rows| {
            let (own, others) = rows.split_at(rows.iter().take_while(|&row| row >> 32 == group).count());
            *rows = others;
            own
        });
        if negatives.is_empty() || positives.is_empty() {
            counted.skipped += 1;
            continue;
        }
        counted.groups += 1;
        let mut twice_wins = 0;
        each_twice_wins(positives, negatives, |row| row as u32, |_, twice| twice_wins += twice);
        let auc = twice_wins as f64 / 2.0 / positives.len() as f64 / negatives.len() as f64;
        let weight = match weighting {
            GroupWeighting::Impressions => (positives.len() + negatives.len()) as f64,
            GroupWeighting::Positives => positives.len() as f64,
            GroupWeighting::Equal => 1.0,
        };
        sum += weight * auc;
        weights += weight;
    }
    let defined = counted.groups > 0 && !scores.iter().any(|score| score.is_nan());
    GroupAuc { value: defined.then(|| sum / weights), ..counted }
}

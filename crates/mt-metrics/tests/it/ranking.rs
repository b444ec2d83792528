//! Average precision, and the ranking metrics within groups.
//!
//! Golden values are scikit-learn 1.9.1's, on rows that this prints the numbers of:
//!
//! ```python
//! # pip install scikit-learn==1.9.1
//! import numpy as np
//! from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score
//! i = np.arange(40)
//! y = (i * 7 % 10 < 3).astype(int)
//! a = np.clip(((i * 37 + 11) % 64) / 128 + y * 0.25, 1 / 128, 127 / 128)
//! b = np.clip(((i * 23 + 5) % 32) / 64 + y * 0.125, 1 / 128, 127 / 128)
//! print(average_precision_score(y, a), average_precision_score(y, b))
//! g = i * i % 7
//! groups = [g == c for c in sorted(set(g))]
//! aucs = [roc_auc_score(y[c], b[c]) for c in groups]
//! for weights in ([c.sum() for c in groups], [y[c].sum() for c in groups], [1] * 4):
//!     print(np.average(aucs, weights=weights))
//! grades, tied = i * 3 % 5, (i * 23 + 5) % 8 / 8
//! for k in (1, 3, 5, 40):
//!     print(np.mean([ndcg_score([2.0 ** grades[c] - 1], [tied[c]], k=k) for c in groups]))
//! ```

use approx::assert_relative_eq;
use mt_metrics::{GroupWeighting, auc, binary_summary, group_auc, ndcg, pr_auc};
use proptest::prelude::*;

use crate::samples::{b, cut, each, label};

#[test]
fn average_precision_agrees_with_scikit_learn() {
    let labels = each(label);
    let a = each(|i| cut(((i * 37 + 11) % 64) as f32 / 128.0 + label(i) * 0.25));
    for (scores, expected) in [(a, 0.8865509361639393), (b(), 0.6029963092463092)] {
        assert_relative_eq!(pr_auc(&scores, &labels, None).unwrap(), expected, max_relative = 1e-14);
        assert_eq!(binary_summary(&scores, &labels, None).pr_auc, pr_auc(&scores, &labels, None));
    }
}

#[test]
fn auc_by_group_agrees_with_scikit_learn() {
    let (labels, groups) = (each(label), each(|i| i * i % 7));
    for (weighting, expected) in [
        (GroupWeighting::Impressions, 0.8232142857142858),
        (GroupWeighting::Positives, 0.7857142857142857),
        (GroupWeighting::Equal, 0.8392857142857143),
    ] {
        let found = group_auc(&b(), &labels, &groups, weighting, None);
        assert_relative_eq!(found.value.unwrap(), expected, max_relative = 1e-14);
        assert_eq!((found.groups, found.skipped), (4, 0));
    }
}

#[test]
fn ndcg_agrees_with_scikit_learn_on_tied_scores() {
    let (grades, groups) = (each(|i| (i * 3 % 5) as f32), each(|i| i * i % 7));
    let scores = each(|i| ((i * 23 + 5) % 8) as f32 / 8.0);
    for (k, expected) in
        [(1, 0.3666666666666667), (3, 0.3791656944917062), (5, 0.532871726015332), (40, 0.6950445284027363)]
    {
        let found = ndcg(&scores, &grades, &groups, k, None);
        assert_relative_eq!(found.value.unwrap(), expected, max_relative = 1e-13);
        assert_eq!((found.k, found.groups, found.skipped), (k, 4, 0));
    }
}

#[test]
fn groups_without_an_answer_are_skipped_and_counted() {
    let (scores, labels) = ([0.9, 0.1, 0.5, 0.6, 0.2, 0.3], [0.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
    // The first ranks its rows wrongly, the second is all positive, the third all negative.
    let groups = [7, 7, 3, 3, u32::MAX, u32::MAX];
    let found = group_auc(&scores, &labels, &groups, GroupWeighting::default(), None);
    assert_eq!((found.value, found.groups, found.skipped), (Some(0.0), 1, 2));
    let found = ndcg(&scores, &labels, &groups, 1, None);
    assert_eq!((found.value, found.groups, found.skipped), (Some(0.0), 1, 2));
    let found = ndcg(&scores, &labels, &groups, 0, None);
    assert_eq!((found.value, found.groups, found.skipped), (None, 0, 3));
}

#[test]
fn groups_in_which_every_order_is_as_good_do_not_lift_ndcg() {
    // One group is ranked wrongly; 98 users saw one row, clicked or not, and two groups are alike all through.
    let (mut scores, mut labels, mut groups) = (vec![0.9, 0.1], vec![0.0, 1.0], vec![0, 0]);
    for user in 1..99 {
        scores.push(0.5);
        labels.push((user % 2) as f32);
        groups.push(user);
    }
    for (user, label) in [(200, 1.0), (201, 2.0)] {
        scores.extend([0.3, 0.7]);
        labels.extend([label; 2]);
        groups.extend([user; 2]);
    }
    let found = ndcg(&scores, &labels, &groups, 10, None);
    assert_relative_eq!(found.value.unwrap(), 1.0 / 3f64.log2(), max_relative = 1e-14);
    assert_eq!((found.groups, found.skipped), (1, 100));
    let alone = ndcg(&scores[2..], &labels[2..], &groups[2..], 10, None);
    assert_eq!((alone.value, alone.groups, alone.skipped), (None, 0, 100));
}

#[test]
fn invalid_scores_and_relevances_are_undefined_and_groups_are_still_counted() {
    let groups = [1, 1, 2];
    let found = group_auc(&[0.1, f32::NAN, 0.2], &[0.0, 1.0, 1.0], &groups, GroupWeighting::Equal, None);
    assert_eq!((found.value, found.groups, found.skipped), (None, 1, 1));
    for (score, relevance) in [(f32::NAN, 1.0), (0.5, f32::NAN), (0.5, -1.0), (0.5, f32::INFINITY)] {
        assert_eq!(ndcg(&[0.1, score, 0.2], &[1.0, relevance, 1.0], &groups, 2, None).value, None);
    }
    assert_eq!(group_auc(&[], &[], &[], GroupWeighting::Equal, None).value, None);
    assert_eq!(ndcg(&[], &[], &[], 10, None).value, None);
    assert_eq!(
        serde_json::to_value(ndcg(&[], &[], &[], 10, None)).unwrap()["value"],
        serde_json::Value::Null
    );
}

#[test]
fn group_metrics_panic_when_lengths_differ() {
    let auc = || group_auc(&[0.1, 0.2], &[0.0, 1.0], &[1], GroupWeighting::Equal, None);
    assert!(std::panic::catch_unwind(auc).is_err());
    assert!(std::panic::catch_unwind(|| ndcg(&[0.1, 0.2], &[0.0, 1.0], &[1], 1, None)).is_err());
}

#[test]
fn equal_scores_share_their_gain() {
    // Rank 1 or 2 with even odds: (1 + 1 / log2(3)) / 2.
    let expected = (1.0 + 1.0 / 3f64.log2()) / 2.0;
    for labels in [[1.0, 0.0], [0.0, 1.0]] {
        assert_relative_eq!(ndcg(&[0.5; 2], &labels, &[0; 2], 2, None).value.unwrap(), expected);
        assert_eq!(ndcg(&[0.5; 2], &labels, &[0; 2], 1, None).value, Some(0.5));
    }
}

#[test]
fn many_rows_are_grouped_as_few_are() {
    // Enough rows to be sorted by digits: 64 copies of 40 rows, each copy with groups of its own.
    let (labels, scores) = (each(label).repeat(64), b().repeat(64));
    let groups: Vec<u32> =
        (0..64 * 40).map(|row: u32| row / 40 * 0x0100_0001 + (row % 40).pow(2) % 7).collect();
    let found = group_auc(&scores, &labels, &groups, GroupWeighting::Impressions, None);
    assert_relative_eq!(found.value.unwrap(), 0.8232142857142858, max_relative = 1e-13);
    assert_eq!(found.groups, 4 * 64);
}

/// Scores that tie often, labels, grades, group codes.
fn rows() -> impl Strategy<Value = Vec<(f32, f32, f32, u32)>> {
    let row = ((0u8..12).prop_map(|s| f32::from(s) / 16.0), 0u8..2, 0u8..40, 0u32..4);
    let row = row.prop_map(|(s, y, grade, group)| (s, f32::from(y), f32::from(grade) / 10.0, group * 1000));
    prop::collection::vec(row, 1..60)
}

type Columns = (Vec<f32>, Vec<f32>, Vec<f32>, Vec<u32>);

fn columns(rows: &[(f32, f32, f32, u32)]) -> Columns {
    let ((scores, labels), (grades, groups)) = rows.iter().map(|&(s, y, r, g)| ((s, y), (r, g))).unzip();
    (scores, labels, grades, groups)
}

proptest! {
    #[test]
    fn group_auc_is_the_weighted_mean_of_each_groups_auc(rows in rows()) {
        let (scores, labels, _, groups) = columns(&rows);
        let (mut sums, mut weights, mut counts) = ([0.0; 3], [0.0; 3], [0, 0]);
        for group in (0..4).map(|g| g * 1000).filter(|g| groups.contains(g)) {
            let own: Vec<_> = rows.iter().copied().filter(|row| row.3 == group).collect();
            let (scores, labels, ..) = columns(&own);
            let Some(auc) = auc(&scores, &labels, None) else {
                counts[1] += 1;
                continue;
            };
            counts[0] += 1;
            let positives = labels.iter().filter(|&&label| label > 0.5).count();
            for (at, weight) in [own.len() as f64, positives as f64, 1.0].into_iter().enumerate() {
                sums[at] += weight * auc;
                weights[at] += weight;
            }
        }
        let all = [GroupWeighting::Impressions, GroupWeighting::Positives, GroupWeighting::Equal];
        for (at, weighting) in all.into_iter().enumerate() {
            let found = group_auc(&scores, &labels, &groups, weighting, None);
            prop_assert_eq!([found.groups, found.skipped], counts);
            prop_assert_eq!(found.value.is_some(), counts[0] > 0);
            if let Some(value) = found.value {
                assert_relative_eq!(value, sums[at] / weights[at], max_relative = 1e-12);
            }
        }
    }

    #[test]
    fn one_group_has_the_auc_of_its_rows(rows in rows()) {
        let (scores, labels, ..) = columns(&rows);
        let found = group_auc(&scores, &labels, &vec![5; rows.len()], GroupWeighting::Impressions, None);
        prop_assert_eq!(found.value.is_some(), auc(&scores, &labels, None).is_some());
        if let Some(value) = found.value {
            assert_relative_eq!(value, auc(&scores, &labels, None).unwrap(), max_relative = 1e-14);
        }
    }

    #[test]
    fn row_order_does_not_reach_a_single_bit(rows in rows(), k in 1usize..8) {
        let mut turned = rows.clone();
        turned.reverse();
        turned.rotate_left(rows.len() / 3);
        let ((s, y, r, g), (s2, y2, r2, g2)) = (columns(&rows), columns(&turned));
        let weighting = GroupWeighting::Impressions;
        prop_assert_eq!(group_auc(&s, &y, &g, weighting, None), group_auc(&s2, &y2, &g2, weighting, None));
        prop_assert_eq!(ndcg(&s, &r, &g, k, None), ndcg(&s2, &r2, &g2, k, None));
        prop_assert_eq!(pr_auc(&s, &y, None), pr_auc(&s2, &y2, None));
    }

    #[test]
    fn ranking_by_the_grades_is_best(rows in rows(), k in 1usize..8) {
        let (scores, _, grades, groups) = columns(&rows);
        let best = ndcg(&grades, &grades, &groups, k, None);
        let found = ndcg(&scores, &grades, &groups, k, None);
        prop_assert_eq!((best.groups, best.skipped), (found.groups, found.skipped));
        if let Some(value) = best.value {
            assert_relative_eq!(value, 1.0, max_relative = 1e-12);
            prop_assert!((-1e-12..=1.0 + 1e-12).contains(&found.value.unwrap()));
        }
    }

    #[test]
    fn average_precision_is_the_sum_over_thresholds(rows in rows()) {
        let (scores, labels, ..) = columns(&rows);
        let positives = labels.iter().sum::<f32>();
        let (mut area, mut recall) = (0.0, 0.0);
        for threshold in (0u8..12).rev().map(|s| f32::from(s) / 16.0) {
            let kept = || scores.iter().zip(&labels).filter(|row| *row.0 >= threshold);
            let hits = kept().map(|row| row.1).sum::<f32>();
            let step = f64::from(hits / positives) - recall;
            if hits > 0.0 {
                area += step * f64::from(hits) / kept().count() as f64;
                recall += step;
            }
        }
        match pr_auc(&scores, &labels, None) {
            Some(found) => assert_relative_eq!(found, area, max_relative = 1e-5),
            None => prop_assert_eq!(positives, 0.0),
        }
    }
}

//! What weights mean, of any rows: integer ones repeat a row, equal ones change nothing, the size of all doesn't matter.

use approx::assert_relative_eq;
use mt_metrics::*;
use proptest::prelude::*;

#[derive(Debug, Clone, Default)]
struct Rows {
    scores: Vec<f32>,
    labels: Vec<f32>,
    targets: Vec<f32>,
    groups: Vec<u32>,
    /// Of three classes.
    probabilities: Vec<f32>,
    classes: Vec<f32>,
    weights: Vec<f32>,
}

impl Rows {
    fn push(&mut self, &(score, label, target, group, weight): &Drawn) {
        self.scores.push(score);
        self.labels.push(label);
        self.targets.push(target);
        self.groups.push(group);
        self.probabilities.extend([score * 0.5, score * score * 0.5, 1.0 - score * (0.5 + score * 0.5)]);
        self.classes.push(target % 3.0);
        self.weights.push(weight);
    }

    fn new<'a>(rows: impl IntoIterator<Item = &'a Drawn>) -> Self {
        let mut all = Self::default();
        rows.into_iter().for_each(|row| all.push(row));
        all
    }

    /// Every metric that rows have, by name.
    fn metrics(&self, weights: Option<&[f32]>) -> Vec<(&'static str, Option<f64>)> {
        let Self { scores, labels, targets, groups, probabilities, classes, .. } = self;
        let mut streaming = StreamingAuc::new();
        streaming.push(scores, labels, weights);
        let of_groups = |weighting| group_auc(scores, labels, groups, weighting, weights).value;
        let curve = roc_curve(scores, labels, 1000, weights).unwrap_or_default();
        let area = |pair: &[RocPoint]| {
            let height = pair[0].true_positive_rate + pair[1].true_positive_rate;
            (pair[1].false_positive_rate - pair[0].false_positive_rate) * height / 2.0
        };
        let binary = binary_summary(scores, labels, weights);
        let several = multiclass_summary(probabilities, classes, 3, weights);
        let numbers = regression_summary(scores, targets, weights);
        vec![
            ("auc", auc(scores, labels, weights)),
            ("delong", DeLong::new(scores, labels, weights).map(|delong| delong.auc())),
            ("pr_auc", pr_auc(scores, labels, weights)),
            ("roc area", (!curve.is_empty()).then(|| curve.windows(2).map(area).sum())),
            ("streaming", streaming.auc()),
            ("streaming error", streaming.error_bound()),
            ("log_loss", log_loss(scores, labels, weights)),
            ("log_loss_from_logits", log_loss_from_logits(scores, labels, weights)),
            ("normalised_entropy", normalised_entropy(scores, labels, weights)),
            ("calibration", calibration(scores, labels, weights)),
            ("accuracy", accuracy(scores, labels, 0.5, weights)),
            ("impressions", of_groups(GroupWeighting::Impressions)),
            ("positives", of_groups(GroupWeighting::Positives)),
            ("equal", of_groups(GroupWeighting::Equal)),
            ("rmse", rmse(scores, targets, weights)),
            ("mae", mae(scores, targets, weights)),
            ("xauc", xauc(scores, targets, weights)),
            ("influence", Influence::xauc(scores, targets, weights).map(|xauc| xauc.value())),
            ("macro", Influence::macro_auc(probabilities, classes, 3, weights).map(|auc| auc.value())),
            ("binary auc", binary.auc),
            ("binary pr_auc", binary.pr_auc),
            ("binary log_loss", binary.log_loss),
            ("binary entropy", binary.normalised_entropy),
            ("binary calibration", binary.calibration),
            ("binary accuracy", binary.accuracy),
            ("classes log_loss", several.log_loss),
            ("classes accuracy", several.accuracy),
            ("classes macro_auc", several.macro_auc),
            ("mean_target", numbers.mean_target),
            ("mean_prediction", numbers.mean_prediction),
            ("numbers xauc", numbers.xauc),
        ]
    }

    /// What depends on how many rows there are, not on their weight alone.
    fn errors(&self, weights: Option<&[f32]>) -> Vec<Option<f64>> {
        let Self { scores, labels, targets, probabilities, classes, .. } = self;
        let delong = DeLong::new(scores, labels, weights);
        let other = DeLong::new(targets, labels, weights);
        let influence = Influence::xauc(scores, targets, weights);
        let several = Influence::macro_auc(probabilities, classes, 3, weights);
        vec![
            delong.as_ref().and_then(DeLong::standard_error),
            delong.zip(other).and_then(|(delong, other)| Some(delong.paired(&other)?.p_value)),
            influence.map(|influence| influence.standard_error()),
            several.map(|several| several.standard_error()),
        ]
    }

    fn tables(&self, weights: Option<&[f32]>) -> (CalibrationTable, Vec<RegressionBin>) {
        let Self { scores, labels, targets, .. } = self;
        (calibration_table(scores, labels, 4, weights), regression_table(scores, targets, 4, weights))
    }
}

/// Score, label, target, group and weight.
type Drawn = (f32, f32, f32, u32, f32);

fn drawn(weight: impl Strategy<Value = f32> + 'static) -> impl Strategy<Value = Vec<Drawn>> {
    let score = prop_oneof![(0u8..9).prop_map(|s| f32::from(s) / 8.0), 0f32..1.0];
    let row = (score, (0u8..2).prop_map(f32::from), (0u8..6).prop_map(f32::from), 0u32..4, weight);
    prop::collection::vec(row, 1..60)
}

fn integers() -> impl Strategy<Value = f32> {
    (0u8..5).prop_map(f32::from)
}

fn positive() -> impl Strategy<Value = f32> {
    prop_oneof![Just(1.0f32), 0.01f32..100.0]
}

fn assert_close(found: &[(&str, Option<f64>)], expected: &[(&str, Option<f64>)]) {
    for ((name, found), (_, expected)) in found.iter().zip(expected) {
        assert_eq!(found.is_some(), expected.is_some(), "{name}: {found:?}, not {expected:?}");
        let (found, expected) = (found.unwrap_or(0.0), expected.unwrap_or(0.0));
        assert!(
            (found - expected).abs() <= 1e-12 * expected.abs().max(1.0),
            "{name}: {found}, not {expected}"
        );
    }
}

proptest! {
    #[test]
    fn integer_weights_repeat_rows(rows in drawn(integers())) {
        let weighted = Rows::new(&rows);
        let repeated = Rows::new(rows.iter().flat_map(|row| std::iter::repeat_n(row, row.4 as usize)));
        let weights = Some(&weighted.weights[..]);
        assert_close(&weighted.metrics(weights), &repeated.metrics(None));
        // Bins too, where rows of weight 1 tell what one row is.
        if weighted.weights.contains(&1.0) {
            let ((own, own_bins), (other, other_bins)) = (weighted.tables(weights), repeated.tables(None));
            assert_close(&[("ece", own.ece)], &[("ece", other.ece)]);
            prop_assert_eq!(own.bins.len(), other.bins.len());
            for (own, other) in own.bins.iter().zip(&other.bins) {
                assert_eq!(own.weight.unwrap_or(own.count as f64), other.count as f64);
                assert_relative_eq!(own.mean_prediction, other.mean_prediction, epsilon = 1e-12);
                assert_relative_eq!(own.observed_rate, other.observed_rate, epsilon = 1e-12);
            }
            for (own, other) in own_bins.iter().zip(&other_bins) {
                assert_relative_eq!(own.mean_target, other.mean_target, epsilon = 1e-12);
            }
        }
    }

    /// To the bit, also of errors, and beside rows that weigh nothing.
    #[test]
    fn equal_weights_are_no_weights(rows in drawn(integers()), weight in positive()) {
        let present: Vec<_> = rows.iter().filter(|row| row.4 > 0.0).collect();
        let (all, present) = (Rows::new(&rows), Rows::new(present));
        let weights: Vec<f32> = all.weights.iter().map(|w| if *w > 0.0 { weight } else { 0.0 }).collect();
        prop_assert_eq!(all.metrics(Some(&weights)), present.metrics(None));
        prop_assert_eq!(all.errors(Some(&weights)), present.errors(None));
        prop_assert_eq!(all.tables(Some(&weights)), present.tables(None));
        let (found, expected) =
            [(&all, Some(&weights[..])), (&present, None)].map(|(rows, weights)| binary_summary(&rows.scores, &rows.labels, weights)).into();
        prop_assert_eq!((found, found.weight), (expected, None));
    }

    /// By a power of 2, so that products are exact.
    #[test]
    fn only_relative_weights_matter(rows in drawn(positive()), power in -20i32..20) {
        let rows = Rows::new(&rows);
        let scaled: Vec<f32> = rows.weights.iter().map(|weight| weight * 2f32.powi(power)).collect();
        prop_assert_eq!(rows.metrics(Some(&scaled)), rows.metrics(Some(&rows.weights)));
        prop_assert_eq!(rows.errors(Some(&scaled)), rows.errors(Some(&rows.weights)));
    }

    #[test]
    fn auc_and_xauc_are_the_share_of_the_pairs_weight(rows in drawn(positive())) {
        let rows = Rows::new(&rows);
        for (scores, targets, found) in [
            (&rows.scores, &rows.labels, auc(&rows.scores, &rows.labels, Some(&rows.weights))),
            (&rows.scores, &rows.targets, xauc(&rows.scores, &rows.targets, Some(&rows.weights))),
        ] {
            let (mut won, mut all) = (0.0, 0.0);
            for (i, j) in (0..targets.len()).flat_map(|i| (0..targets.len()).map(move |j| (i, j))) {
                if targets[i] > targets[j] {
                    let pair = f64::from(rows.weights[i]) * f64::from(rows.weights[j]);
                    all += pair;
                    won += pair * if scores[i] == scores[j] { 0.5 } else { f64::from(u8::from(scores[i] > scores[j])) };
                }
            }
            assert_close(&[("won", found)], &[("won", (all > 0.0).then(|| won / all))]);
        }
    }

    #[test]
    fn streams_of_weights_merge(rows in drawn(prop_oneof![integers(), positive()]), cut in 0.0..1.0) {
        let rows = Rows::new(&rows);
        let cut = (cut * rows.labels.len() as f64) as usize;
        let streamed = |range: std::ops::Range<usize>| {
            let mut streaming = StreamingAuc::new();
            let Rows { scores, labels, weights, .. } = &rows;
            streaming.push(&scores[range.clone()], &labels[range.clone()], Some(&weights[range]));
            streaming
        };
        let (mut merged, whole) = (streamed(0..cut), streamed(0..rows.labels.len()));
        merged.merge(&streamed(cut..rows.labels.len()));
        assert_close(&[("auc", merged.auc())], &[("auc", whole.auc())]);
        let exact = auc(&rows.scores, &rows.labels, Some(&rows.weights));
        if let (Some(found), Some(bound), Some(exact)) = (whole.auc(), whole.error_bound(), exact) {
            prop_assert!((found - exact).abs() <= bound + 1e-12);
        }
    }

    /// A group twice, under another code, is one of weight 2.
    #[test]
    fn groups_of_integer_weight_are_repeated(rows in drawn(integers())) {
        let weight = |group: u32| f32::from([1u8, 2, 0, 3][group as usize]);
        let all = Rows::new(&rows);
        let weights: Vec<f32> = all.groups.iter().map(|&group| weight(group)).collect();
        let copies = rows.iter().flat_map(|row| (0..weight(row.3) as u32).map(move |copy| (row.0, row.1, row.2, row.3 * 8 + copy, 1.0)));
        let repeated = Rows::new(&copies.collect::<Vec<_>>());
        let found = ndcg(&all.scores, &all.targets, &all.groups, 3, Some(&weights));
        let expected = ndcg(&repeated.scores, &repeated.targets, &repeated.groups, 3, None);
        assert_close(&[("ndcg", found.value)], &[("ndcg", expected.value)]);
    }
}

#[test]
fn rows_of_a_ranking_that_weigh_unlike_have_no_ndcg() {
    let (scores, labels, groups) = ([0.1, 0.9, 0.3, 0.2], [1.0, 0.0, 0.0, 1.0], [0, 0, 1, 1]);
    let of = |weights: [f32; 4]| ndcg(&scores, &labels, &groups, 2, Some(&weights));
    assert_eq!((of([1.0, 2.0, 1.0, 1.0]).value, of([1.0, 2.0, 1.0, 1.0]).groups), (None, 2));
    assert!(of([2.0, 2.0, 1.0, 1.0]).value.is_some());
    // The second is skipped, as one row is left, so what that weighs doesn't matter.
    assert_eq!(of([2.0, 2.0, 0.0, 1.0]), ndcg(&scores[..2], &labels[..2], &groups[..2], 2, None).skipping(1));
}

trait Skipping {
    fn skipping(self, skipped: usize) -> Self;
}

impl Skipping for GroupNdcg {
    fn skipping(mut self, skipped: usize) -> Self {
        self.skipped += skipped;
        self
    }
}

#[test]
fn a_tiny_weight_beside_large_ones_is_not_lost() {
    // A thousand rows of one target; the pairs with the other one weigh a billionth of a billionth of all.
    let (mut predictions, mut targets, mut weights) = (vec![0.5; 1000], vec![0.0; 1000], vec![1e9; 1000]);
    predictions.extend([0.5, 0.9]);
    targets.extend([1.0, 1.0]);
    weights.extend([1e-9, 3e-9]);
    // A tie by one, a win by three.
    let expected = 0.875;
    for found in [
        xauc(&predictions, &targets, Some(&weights)),
        auc(&predictions, &targets, Some(&weights)),
        Influence::xauc(&predictions, &targets, Some(&weights)).map(|found| found.value()),
    ] {
        assert_relative_eq!(found.unwrap(), expected, max_relative = 1e-6);
    }
}

#[test]
fn a_weighted_summary_says_so_in_json() {
    let (scores, labels) = ([0.25, 0.75, 0.5], [1.0, 1.0, 0.0]);
    let json = |weights| serde_json::to_value(binary_summary(&scores, &labels, weights)).unwrap();
    assert_eq!(json(Some(&[1.0, 0.5, 2.0]))["weight"], 3.5);
    assert_eq!(json(Some(&[2.0; 3])), json(None));
    assert!(json(None).get("weight").is_none());
}

//! Properties that hold for any rows, checked against definitions written out by pairs.

use approx::assert_relative_eq;
use mt_metrics::{DeLong, StreamingAuc, auc, log_loss, log_loss_from_logits};
use proptest::prelude::*;

/// Labels, the scores of two models and a mask, with at least two rows of each class; the scores tie often.
fn rows() -> impl Strategy<Value = [Vec<f32>; 4]> {
    let row = || (prop_oneof![(0u8..12).prop_map(|s| f32::from(s) / 16.0), 0f32..1.0], 0f32..1.0, 0u8..2);
    (prop::collection::vec(row(), 2..40), prop::collection::vec(row(), 2..40)).prop_map(|(ones, zeros)| {
        let mut rows: Vec<_> =
            ones.into_iter().map(|row| (1.0, row)).chain(zeros.into_iter().map(|row| (0.0, row))).collect();
        rows.sort_by(|a, b| a.1.1.total_cmp(&b.1.1)); // mixes the classes
        [
            rows.iter().map(|row| row.0).collect(),
            rows.iter().map(|row| row.1.0).collect(),
            rows.iter().map(|row| ((row.1.0 + row.1.1) * 8.0).round() / 16.0).collect(),
            rows.iter().map(|row| f32::from(row.1.2)).collect(),
        ]
    })
}

fn of_class(scores: &[f32], labels: &[f32], label: f32) -> Vec<f32> {
    scores.iter().zip(labels).filter(|row| *row.1 == label).map(|row| *row.0).collect()
}

/// ψ(x, y) of DeLong et al. 1988, eq. 1, for each positive (outer) and negative (inner).
fn wins(scores: &[f32], labels: &[f32]) -> Vec<Vec<f64>> {
    let psi = |x: f32, y: f32| if x > y { 1.0 } else { 0.5 * f64::from(u8::from(x == y)) };
    let negatives = of_class(scores, labels, 0.0);
    let row = |&x: &f32| negatives.iter().map(|&y| psi(x, y)).collect();
    of_class(scores, labels, 1.0).iter().map(row).collect()
}

fn mean(xs: &[f64]) -> f64 {
    xs.iter().sum::<f64>() / xs.len() as f64
}

fn pairs_auc(scores: &[f32], labels: &[f32]) -> f64 {
    mean(&wins(scores, labels).concat())
}

/// Eq. 5-7 for the difference of two models, from all pairs.
fn pairs_variance(a: &[f32], b: &[f32], labels: &[f32]) -> f64 {
    let (a, b) = (wins(a, labels), wins(b, labels));
    let by_positive: Vec<f64> = a.iter().zip(&b).map(|(a, b)| mean(a) - mean(b)).collect();
    let by_negative: Vec<f64> = (0..a[0].len())
        .map(|j| mean(&a.iter().zip(&b).map(|(a, b)| a[j] - b[j]).collect::<Vec<_>>()))
        .collect();
    let variance_of_mean = |xs: &[f64]| {
        let square = xs.iter().map(|x| (x - mean(xs)).powi(2)).sum::<f64>();
        square / (xs.len() - 1) as f64 / xs.len() as f64
    };
    variance_of_mean(&by_positive) + variance_of_mean(&by_negative)
}

fn streamed(scores: &[f32], labels: &[f32]) -> StreamingAuc {
    let mut streaming = StreamingAuc::new();
    streaming.push(scores, labels, None);
    streaming
}

proptest! {
    #[test]
    fn auc_is_the_share_of_pairs_won([labels, scores, ..] in rows()) {
        let exact = auc(&scores, &labels, None).unwrap();
        assert_relative_eq!(exact, pairs_auc(&scores, &labels), max_relative = 1e-12);
        prop_assert_eq!(DeLong::new(&scores, &labels, None).unwrap().auc(), exact);
    }

    #[test]
    fn auc_of_negated_scores_is_its_complement([labels, scores, ..] in rows()) {
        let negated: Vec<f32> = scores.iter().map(|score| -score).collect();
        assert_relative_eq!(
            auc(&negated, &labels, None).unwrap(), 1.0 - auc(&scores, &labels, None).unwrap(), epsilon = 1e-12
        );
    }

    #[test]
    fn auc_ignores_increasing_transforms_and_row_order([labels, _, scores, _] in rows()) {
        // On sixteenths, exact in f32, so that no two scores become one.
        let transformed: Vec<f32> = scores.iter().rev().map(|score| score.powi(3) * 64.0 - 7.0).collect();
        let labels_reversed: Vec<f32> = labels.iter().rev().copied().collect();
        prop_assert_eq!(auc(&transformed, &labels_reversed, None), auc(&scores, &labels, None));
    }

    #[test]
    fn placements_average_to_the_auc_and_keep_row_order([labels, scores, ..] in rows()) {
        let delong = DeLong::new(&scores, &labels, None).unwrap();
        assert_relative_eq!(mean(delong.positives()), delong.auc(), epsilon = 1e-12);
        assert_relative_eq!(mean(delong.negatives()), delong.auc(), epsilon = 1e-12);
        for (placement, wins) in delong.positives().iter().zip(wins(&scores, &labels)) {
            assert_relative_eq!(*placement, mean(&wins), epsilon = 1e-12);
        }
    }

    #[test]
    fn the_paired_variance_is_that_of_all_pairs([labels, a, b, _] in rows()) {
        let (first, second) = (DeLong::new(&a, &labels, None).unwrap(), DeLong::new(&b, &labels, None).unwrap());
        let test = first.paired(&second).unwrap();
        let variance = test.standard_error.powi(2);
        assert_relative_eq!(variance, pairs_variance(&a, &b, &labels), epsilon = 1e-12);
        let by_parts = first.covariance(&first).unwrap() + second.covariance(&second).unwrap()
            - 2.0 * first.covariance(&second).unwrap();
        assert_relative_eq!(variance, by_parts, epsilon = 1e-12);
    }

    #[test]
    fn the_mean_of_models_averages_auc_and_covariance([labels, a, b, _] in rows()) {
        let (a, b) = (DeLong::new(&a, &labels, None).unwrap(), DeLong::new(&b, &labels, None).unwrap());
        let mean = DeLong::mean(&[a.clone(), b.clone()]).unwrap();
        assert_relative_eq!(mean.auc(), (a.auc() + b.auc()) / 2.0, epsilon = 1e-12);
        let covariance = (a.covariance(&a).unwrap() + a.covariance(&b).unwrap()) / 2.0;
        assert_relative_eq!(mean.covariance(&a).unwrap(), covariance, epsilon = 1e-12);
        prop_assert_eq!(DeLong::mean(std::slice::from_ref(&a)).unwrap(), a);
    }

    #[test]
    fn streaming_auc_is_within_its_bound([labels, scores, ..] in rows(), shift in 0i32..30) {
        let scores: Vec<f32> = scores.iter().map(|score| 0.5 + (score - 0.5) * 0.5f32.powi(shift)).collect();
        let streaming = streamed(&scores, &labels);
        let error = (streaming.auc().unwrap() - auc(&scores, &labels, None).unwrap()).abs();
        prop_assert!(error <= streaming.error_bound().unwrap() + 1e-12);
    }

    #[test]
    fn merged_parts_are_one_pass([labels, scores, ..] in rows(), cut in 0.0..1.0) {
        let cut = (cut * labels.len() as f64) as usize;
        let mut merged = streamed(&scores[..cut], &labels[..cut]);
        merged.merge(&streamed(&scores[cut..], &labels[cut..]));
        let whole = streamed(&scores, &labels);
        prop_assert_eq!((merged.auc(), merged.error_bound()), (whole.auc(), whole.error_bound()));
        merged.reset();
        prop_assert_eq!(merged.auc(), None);
        merged.push(&scores, &labels, None);
        prop_assert_eq!(merged.auc(), whole.auc());
    }

    #[test]
    fn masked_rows_do_not_count([labels, scores, _, mask] in rows()) {
        let kept = |xs: &[f32]| of_class(xs, &mask, 1.0);
        let hidden: Vec<f32> =
            scores.iter().zip(&mask).map(|row| if *row.1 == 0.0 { f32::NAN } else { *row.0 }).collect();
        let mut streaming = StreamingAuc::new();
        streaming.push(&hidden, &labels, Some(&mask));
        prop_assert_eq!(streaming.auc(), streamed(&kept(&scores), &kept(&labels)).auc());
    }

    #[test]
    fn log_loss_is_the_same_from_logits([labels, scores, ..] in rows()) {
        let logits: Vec<f32> = scores.iter().map(|score| (score - 0.5) * 10.0).collect();
        let sigmoid: Vec<f32> = logits.iter().map(|z| 1.0 / (1.0 + (-z).exp())).collect();
        let (a, b) = (log_loss(&sigmoid, &labels, None).unwrap(), log_loss_from_logits(&logits, &labels, None).unwrap());
        assert_relative_eq!(a, b, max_relative = 1e-4);
    }
}

/// Reproducible pseudo-random numbers in [0, 1), by Weyl's sequence of the golden ratio.
fn spread(i: usize) -> f32 {
    ((i as f64 * 0.618_033_988_749_895) % 1.0) as f32
}

#[test]
fn repeating_every_row_leaves_auc_as_it_is() {
    // The repeat is long enough to be sorted differently.
    let scores: Vec<f32> = (0..1000).map(|i| (spread(i) * 300.0).floor() / 300.0).collect();
    let labels: Vec<f32> = (0..1000).map(|i| f32::from(u8::from(spread(i * 7 + 3) < 0.4))).collect();
    let small = auc(&scores, &labels, None).unwrap();
    let (scores, labels) = (scores.repeat(200), labels.repeat(200));
    assert_relative_eq!(auc(&scores, &labels, None).unwrap(), small, max_relative = 1e-14);
    assert_relative_eq!(DeLong::new(&scores, &labels, None).unwrap().auc(), small, max_relative = 1e-14);
}

#[test]
fn streaming_is_close_on_a_rare_event() {
    // One positive in a hundred, every probability near 0.01: 4096 equal bins would leave about 80 in use.
    let labels: Vec<f32> = (0..200_000).map(|i| f32::from(u8::from(i % 100 == 0))).collect();
    let probability = |(i, label): (usize, &f32)| 0.01 * (spread(i) * 2.0 - 1.0 + label * 0.5).exp();
    let probabilities: Vec<f32> = labels.iter().enumerate().map(probability).collect();
    let streaming = streamed(&probabilities, &labels);
    let error = (streaming.auc().unwrap() - auc(&probabilities, &labels, None).unwrap()).abs();
    assert!(streaming.error_bound().unwrap() < 1e-3, "{:?}", streaming.error_bound());
    assert!(error < 1e-5, "{error}");
}

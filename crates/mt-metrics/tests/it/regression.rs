//! RMSE, MAE and XAUC.

use approx::assert_relative_eq;
use mt_metrics::{auc, mae, normalised_gini, regression_summary, rmse, xauc};
use proptest::prelude::*;

/// scikit-learn 1.9.1:
///
/// ```python
/// import numpy as np
/// from sklearn.metrics import mean_absolute_error, mean_squared_error
/// i = np.arange(40)
/// t = i * 13 % 17 * 1.5
/// p = np.abs(t - 4 + (i * 7 % 11) / 2).round()
/// print(t.mean(), p.mean(), np.sqrt(mean_squared_error(t, p)), mean_absolute_error(t, p))
/// ```
#[test]
fn the_errors_agree_with_scikit_learn() {
    let targets: Vec<f32> = (0..40).map(|i| (i * 13 % 17) as f32 * 1.5).collect();
    let noise = |i: u32| (i * 7 % 11) as f32 / 2.0 - 4.0;
    let predictions: Vec<f32> =
        targets.iter().zip(0..).map(|(t, i)| (t + noise(i)).abs().round_ties_even()).collect();
    let summary = regression_summary(&predictions, &targets, None);
    assert_eq!(summary.count, 40);
    assert_relative_eq!(summary.mean_target.unwrap(), 11.775, max_relative = 1e-14);
    assert_relative_eq!(summary.mean_prediction.unwrap(), 10.575, max_relative = 1e-14);
    assert_relative_eq!(summary.rmse.unwrap(), 2.1563858652847827, max_relative = 1e-14);
    assert_relative_eq!(summary.mae.unwrap(), 1.725, max_relative = 1e-14);
    assert_eq!(summary.xauc, xauc(&predictions, &targets, None));
    assert_eq!(summary.gini, normalised_gini(&predictions, &targets, None));
    assert_relative_eq!(summary.calibration.unwrap(), 10.575 / 11.775, max_relative = 1e-14);
    assert_eq!(regression_summary(&[1.0, 2.0], &[-1.0, 0.5], None).calibration, None);
}

#[test]
fn the_normalised_gini_is_that_worked_out_by_hand() {
    // The best order 6 3 1 0 holds 6, 9, 10, 10 of 10: less the diagonal's 2.5, 5, 7.5, 10 that is 10, which trapezoids leave
    // as it is. The predicted order 6 1 3 0 holds 6, 7, 10, 10: 8.
    let targets = [0.0, 6.0, 1.0, 3.0];
    let gini = |predictions: &[f32]| normalised_gini(predictions, &targets, None).unwrap();
    assert_relative_eq!(gini(&[0.1, 9.0, 0.3, 0.2]), 0.8, max_relative = 1e-14);
    assert_relative_eq!(gini(&targets), 1.0, max_relative = 1e-14);
    assert_relative_eq!(gini(&targets.map(|y| -y)), -1.0, max_relative = 1e-14);
    // 1 and 3 tied hold 8 after one of them, in either order: 6, 8, 10, 10 are 9.
    assert_relative_eq!(gini(&[0.1, 9.0, 0.3, 0.3]), 0.9, max_relative = 1e-14);
    assert_eq!(gini(&[5.0; 4]), 0.0);
    // A row of weight 2 is the row twice.
    let twice = normalised_gini(&[0.1, 9.0, 0.3, 0.2, 0.2], &[0.0, 6.0, 1.0, 3.0, 3.0], None).unwrap();
    let weighted = normalised_gini(&[0.1, 9.0, 0.3, 0.2], &targets, Some(&[1.0, 1.0, 1.0, 2.0])).unwrap();
    assert_relative_eq!(weighted, twice, max_relative = 1e-14);
    assert_eq!(normalised_gini(&[1.0, 2.0], &[3.0, 3.0], None), None);
    assert_eq!(normalised_gini(&[1.0, f32::NAN], &[3.0, 4.0], None), None);
}

/// By all pairs.
fn pairs_xauc(predictions: &[f32], targets: &[f32]) -> Option<f64> {
    let (mut wins, mut pairs) = (0.0, 0);
    for (p, t) in predictions.iter().zip(targets) {
        for (p2, t2) in predictions.iter().zip(targets).filter(|row| *row.1 > *t) {
            pairs += 1;
            wins += if p2 > p { 1.0 } else { 0.5 * f64::from(u8::from(p2 == p)) };
            assert!(t2 > t);
        }
    }
    (pairs > 0).then(|| wins / f64::from(pairs))
}

fn rows() -> impl Strategy<Value = (Vec<f32>, Vec<f32>)> {
    let value = || prop_oneof![(-4i8..8).prop_map(|v| f32::from(v) / 4.0), -10f32..10.0];
    prop::collection::vec((value(), value()), 0..60).prop_map(|rows| rows.into_iter().unzip())
}

proptest! {
    #[test]
    fn xauc_is_the_share_of_pairs_in_order((predictions, targets) in rows()) {
        prop_assert_eq!(xauc(&predictions, &targets, None), pairs_xauc(&predictions, &targets));
    }

    #[test]
    fn xauc_of_two_targets_is_auc((scores, targets) in rows()) {
        let labels: Vec<f32> = targets.iter().map(|&t| f32::from(u8::from(t > 0.0))).collect();
        let (xauc, auc) = (xauc(&scores, &labels, None), auc(&scores, &labels, None));
        prop_assert_eq!(xauc.is_some(), auc.is_some());
        if let (Some(xauc), Some(auc)) = (xauc, auc) {
            assert_relative_eq!(xauc, auc, max_relative = 1e-14);
        }
    }

    #[test]
    fn the_normalised_gini_of_two_targets_is_that_of_auc((scores, targets) in rows()) {
        let labels: Vec<f32> = targets.iter().map(|&t| f32::from(u8::from(t > 0.0))).collect();
        let (gini, auc) = (normalised_gini(&scores, &labels, None), auc(&scores, &labels, None));
        prop_assert_eq!(gini.is_some(), auc.is_some());
        if let (Some(gini), Some(auc)) = (gini, auc) {
            assert_relative_eq!(gini, 2.0 * auc - 1.0, epsilon = 1e-12);
        }
    }

    #[test]
    fn the_mean_absolute_error_is_at_most_the_root_of_the_squared((predictions, targets) in rows()) {
        if let Some(rmse) = rmse(&predictions, &targets, None) {
            prop_assert!(mae(&predictions, &targets, None).unwrap() <= rmse * (1.0 + 1e-14));
        }
    }
}

#[test]
fn many_rows_have_the_xauc_of_few() {
    // Copies add pairs of equal targets, which don't count, and repeat the others alike.
    let targets: Vec<f32> = (0..100).map(|i| (i * 37 % 101) as f32).collect();
    let predictions: Vec<f32> = (0..100).map(|i| (i * 53 % 23) as f32).collect();
    let few = pairs_xauc(&predictions, &targets).unwrap();
    assert_relative_eq!(
        xauc(&predictions.repeat(50), &targets.repeat(50), None).unwrap(),
        few,
        max_relative = 1e-14
    );
}

#[test]
fn what_is_undefined_is_none() {
    let empty = regression_summary(&[], &[], None);
    assert_eq!(
        (empty.count, empty.mean_target, empty.rmse, empty.mae, empty.xauc),
        (0, None, None, None, None)
    );
    let equal = regression_summary(&[1.0, 2.0], &[3.0, 3.0], None);
    assert_eq!((equal.xauc, equal.mae), (None, Some(1.5)));
    for (predictions, targets) in [([1.0, f32::NAN], [1.0, 2.0]), ([1.0, 2.0], [f32::NAN, 2.0])] {
        let summary = regression_summary(&predictions, &targets, None);
        assert_eq!((summary.rmse, summary.mae, summary.xauc), (None, None, None));
    }
    assert_eq!(serde_json::to_value(empty).unwrap()["xauc"], serde_json::Value::Null);
}

#[test]
fn different_lengths_panic() {
    for metric in [rmse, mae, xauc] {
        assert!(std::panic::catch_unwind(|| metric(&[1.0, 2.0], &[1.0], None)).is_err());
    }
}

//! The ROC curve.

use mt_metrics::{RocPoint, auc, roc_curve};
use proptest::prelude::*;

fn pairs(curve: &[RocPoint]) -> Vec<(f64, f64)> {
    curve.iter().map(|point| (point.false_positive_rate, point.true_positive_rate)).collect()
}

/// By the trapezoidal rule.
fn area(curve: &[(f64, f64)]) -> f64 {
    curve.windows(2).map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0).sum()
}

#[test]
fn the_curve_steps_up_at_a_positive_and_right_at_a_negative_and_both_at_a_tie() {
    let curve = roc_curve(&[0.9, 0.8, 0.8, 0.1], &[1.0, 0.0, 1.0, 0.0], 100, None).unwrap();
    assert_eq!(pairs(&curve), [(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]);
}

#[test]
fn one_class_no_rows_and_nan_have_no_curve() {
    for (scores, labels) in
        [(&[][..], &[][..]), (&[0.5, 0.6], &[1.0, 1.0]), (&[0.5], &[0.0]), (&[f32::NAN, 0.1], &[1.0, 0.0])]
    {
        assert_eq!(roc_curve(scores, labels, 10, None), None);
    }
    assert!(std::panic::catch_unwind(|| roc_curve(&[0.5], &[1.0, 0.0], 10, None)).is_err());
    assert!(std::panic::catch_unwind(|| roc_curve(&[0.5, 0.1], &[1.0, 0.0], 1, None)).is_err());
}

proptest! {
    #[test]
    fn the_area_is_the_auc_and_a_curve_of_few_points_stays_near(
        rows in prop::collection::vec((0u8..60, 0u8..2), 2..120), points in 2usize..40,
    ) {
        let (scores, labels): (Vec<f32>, Vec<f32>) =
            rows.iter().map(|row| (f32::from(row.0), f32::from(row.1))).unzip();
        let Some(exact) = auc(&scores, &labels, None) else { return Ok(()) };
        let whole = pairs(&roc_curve(&scores, &labels, 10_000, None).unwrap());
        prop_assert!((area(&whole) - exact).abs() < 1e-12);
        let thin = pairs(&roc_curve(&scores, &labels, points, None).unwrap());
        prop_assert!(thin.len() <= points);
        prop_assert_eq!((thin[0], thin[thin.len() - 1]), ((0.0, 0.0), (1.0, 1.0)));
        prop_assert!(thin.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1));
        prop_assert!(thin.iter().all(|point| whole.contains(point)));
        // What is left out before a point lies within the least distance, over a curve of length 2.
        prop_assert!((area(&thin) - exact).abs() <= 4.0 / (points - 1) as f64);
    }
}

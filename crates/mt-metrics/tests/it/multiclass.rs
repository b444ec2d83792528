//! The multiclass summary.

use approx::assert_relative_eq;
use mt_metrics::{binary_summary, multiclass_summary};
use proptest::prelude::*;

/// scikit-learn 1.9.1:
///
/// ```python
/// import numpy as np
/// from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
/// i = np.arange(40)
/// p = np.stack([(i * 5 + 3) % 16 + 1, i * 11 % 16 + 1, (i * 7 + 9) % 16 + 1]) / 64
/// p[2] = 1 - p[0] - p[1]
/// c, p = (i * 7 + i // 5) % 3, p.T
/// print(log_loss(c, p), accuracy_score(c, p.argmax(1)), roc_auc_score(c, p, multi_class="ovr"))
/// ```
#[test]
fn the_summary_agrees_with_scikit_learn() {
    let row = |i: u32| {
        let (first, second) = (((i * 5 + 3) % 16 + 1) as f32 / 64.0, (i * 11 % 16 + 1) as f32 / 64.0);
        [first, second, 1.0 - first - second]
    };
    let probabilities: Vec<f32> = (0..40).flat_map(row).collect();
    let labels: Vec<f32> = (0..40).map(|i| ((i * 7 + i / 5) % 3) as f32).collect();
    let summary = multiclass_summary(&probabilities, &labels, 3, None);
    assert_eq!((summary.rows, summary.classes, summary.auc_classes), (40, 3, 3));
    assert_relative_eq!(summary.log_loss.unwrap(), 1.8658274769838887, max_relative = 1e-12);
    assert_relative_eq!(summary.accuracy.unwrap(), 0.2);
    assert_relative_eq!(summary.macro_auc.unwrap(), 0.5078125, max_relative = 1e-14);
}

proptest! {
    #[test]
    fn two_classes_are_a_binary_task(rows in prop::collection::vec((1u8..128, 0u8..2), 1..50)) {
        // Of 128ths, so that 1 - p is exact; at the half one predicts the positive class, the other the first.
        let rows: Vec<_> = rows.into_iter().filter(|row| row.0 != 64).collect();
        let p: Vec<f32> = rows.iter().map(|row| f32::from(row.0) / 128.0).collect();
        let labels: Vec<f32> = rows.iter().map(|row| f32::from(row.1)).collect();
        let both: Vec<f32> = p.iter().flat_map(|p| [1.0 - p, *p]).collect();
        let (multi, binary) = (multiclass_summary(&both, &labels, 2, None), binary_summary(&p, &labels, None));
        prop_assert_eq!((multi.rows, multi.accuracy), (binary.rows, binary.accuracy));
        prop_assert_eq!(multi.macro_auc.is_some(), binary.auc.is_some());
        if let Some(auc) = multi.macro_auc {
            assert_relative_eq!(auc, binary.auc.unwrap(), max_relative = 1e-14);
        }
        if let Some(loss) = multi.log_loss {
            assert_relative_eq!(loss, binary.log_loss.unwrap(), max_relative = 1e-12);
        }
    }
}

#[test]
fn a_class_that_never_came_is_left_out_of_the_macro_auc() {
    let probabilities = [0.7, 0.2, 0.1, 0.3, 0.6, 0.1, 0.2, 0.3, 0.5];
    let summary = multiclass_summary(&probabilities, &[0.0, 1.0, 0.0], 3, None);
    // The first class wins 1 pair of 2, the second both.
    assert_eq!((summary.macro_auc, summary.auc_classes), (Some(0.75), 2));
    let one = multiclass_summary(&probabilities[..6], &[0.0, 0.0], 3, None);
    assert_eq!((one.macro_auc, one.auc_classes, one.accuracy), (None, 0, Some(0.5)));
}

#[test]
fn of_equally_probable_classes_the_first_is_predicted() {
    let summary = multiclass_summary(&[0.4, 0.4, 0.2, 0.4, 0.4, 0.2], &[0.0, 1.0], 3, None);
    assert_eq!(summary.accuracy, Some(0.5));
}

#[test]
fn labels_that_are_no_class_and_nan_are_undefined() {
    for label in [3.0, -1.0, 0.5, f32::NAN, f32::INFINITY] {
        let summary = multiclass_summary(&[0.2, 0.3, 0.5], &[label], 3, None);
        assert_eq!(
            (summary.rows, summary.log_loss, summary.accuracy, summary.macro_auc),
            (1, None, None, None)
        );
    }
    assert_eq!(multiclass_summary(&[0.2, f32::NAN], &[0.0], 2, None).accuracy, None);
    assert_eq!(multiclass_summary(&[], &[], 3, None).log_loss, None);
    assert_eq!(multiclass_summary(&[], &[1.0], 0, None).log_loss, None);
    assert!(std::panic::catch_unwind(|| multiclass_summary(&[0.2, 0.8], &[0.0], 3, None)).is_err());
}

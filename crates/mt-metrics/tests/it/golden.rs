//! Numbers computed by other people's implementations.
//!
//! scikit-learn 1.9.1 and MLstatkit 0.1.91 (DeLong), on `rows()`:
//!
//! ```python
//! # pip install scikit-learn==1.9.1 MLstatkit==0.1.91
//! import numpy as np
//! from sklearn.metrics import roc_auc_score, log_loss, accuracy_score
//! from MLstatkit import Delong_test
//! i = np.arange(40)
//! y = (i * 7 % 10 < 3).astype(int)
//! a = np.clip(((i * 37 + 11) % 64) / 128 + y * 0.25, 1 / 128, 127 / 128)
//! b = np.clip(((i * 23 + 5) % 32) / 64 + y * 0.125, 1 / 128, 127 / 128)
//! for s in (a, b):
//!     print(roc_auc_score(y, s), log_loss(y, s), accuracy_score(y, s >= 0.5), s.sum() / y.sum(),
//!           log_loss(y, s) / log_loss(y, np.full(40, y.mean())))
//! print(Delong_test(y, a, b))
//! print(log_loss([0, 1, 1, 0], np.array([1, 0, 1, 0], dtype=np.float32)))
//! ```

use approx::assert_relative_eq;
use mt_metrics::{BinarySummary, DeLong, binary_summary, log_loss, log_loss_from_logits};

struct Rows {
    labels: Vec<f32>,
    a: Vec<f32>,
    b: Vec<f32>,
}

fn rows() -> Rows {
    let label = |i: usize| if i * 7 % 10 < 3 { 1.0 } else { 0.0 };
    let cut = |probability: f32| probability.clamp(1.0 / 128.0, 127.0 / 128.0);
    Rows {
        labels: (0..40).map(label).collect(),
        a: (0..40).map(|i| cut(((i * 37 + 11) % 64) as f32 / 128.0 + label(i) * 0.25)).collect(),
        b: (0..40).map(|i| cut(((i * 23 + 5) % 32) as f32 / 64.0 + label(i) * 0.125)).collect(),
    }
}

fn assert_summary(summary: &BinarySummary, [auc, log_loss, accuracy, calibration, entropy]: [f64; 5]) {
    assert_eq!((summary.rows, summary.positives), (40, 12));
    assert_relative_eq!(summary.auc.unwrap(), auc, max_relative = 1e-14);
    assert_relative_eq!(summary.log_loss.unwrap(), log_loss, max_relative = 1e-12);
    assert_relative_eq!(summary.accuracy.unwrap(), accuracy);
    assert_relative_eq!(summary.calibration.unwrap(), calibration, max_relative = 1e-14);
    assert_relative_eq!(summary.normalised_entropy.unwrap(), entropy, max_relative = 1e-12);
}

#[test]
fn the_summary_agrees_with_scikit_learn() {
    let Rows { labels, a, b } = rows();
    let a = binary_summary(&a, &labels, None);
    assert_summary(&a, [0.9285714285714286, 0.3914025861671076, 0.875, 1.076171875, 0.6407357327158648]);
    let b = binary_summary(&b, &labels, None);
    assert_summary(&b, [0.7663690476190477, 0.506029645282541, 0.75, 0.912109375, 0.8283830690061638]);
}

#[test]
fn log_loss_of_certain_mistakes_agrees_with_scikit_learn() {
    // 32-bit arithmetic on their side.
    let loss = log_loss(&[1.0, 0.0, 1.0, 0.0], &[0.0, 1.0, 1.0, 0.0], None).unwrap();
    assert_relative_eq!(loss, 7.971192359924316, max_relative = 1e-6);
}

#[test]
fn the_paired_test_agrees_with_a_published_delong_test() {
    let Rows { labels, a, b } = rows();
    let (a, b) = (DeLong::new(&a, &labels, None).unwrap(), DeLong::new(&b, &labels, None).unwrap());
    let test = a.paired(&b).unwrap();
    assert_relative_eq!(test.difference, 0.9285714285714286 - 0.7663690476190477, max_relative = 1e-12);
    assert_relative_eq!(test.standard_error, 0.007638820293830213_f64.sqrt(), max_relative = 1e-12);
    // Theirs is the second less the first.
    assert_relative_eq!(test.statistic, 1.8558551580414355, max_relative = 1e-12);
    assert_relative_eq!(test.p_value, 0.06347420605237657, max_relative = 1e-11);
}

#[test]
fn the_interval_agrees_with_a_published_one_and_is_cut_to_the_unit() {
    let Rows { labels, a, b } = rows();
    let (low, high) = DeLong::new(&a, &labels, None).unwrap().interval(0.95).unwrap();
    assert_relative_eq!(low, 0.8468501661238319, max_relative = 1e-12);
    assert_eq!(high, 1.0);
    let (low, high) = DeLong::new(&b, &labels, None).unwrap().interval(0.95).unwrap();
    assert_relative_eq!(low, 0.6130670459715, max_relative = 1e-12);
    assert_relative_eq!(high, 0.9196710492665954, max_relative = 1e-12);
}

#[test]
fn log_loss_from_logits_is_exact_where_probabilities_saturate() {
    // sigmoid(17) is within one rounding of 1 in f32; the loss of a negative there is ln(1 + e^17).
    assert_relative_eq!(
        log_loss_from_logits(&[17.0], &[0.0], None).unwrap(),
        17.0 + (-17f64).exp(),
        max_relative = 1e-14
    );
    assert_relative_eq!(log_loss_from_logits(&[-1000.0], &[1.0], None).unwrap(), 1000.0);
    assert_relative_eq!(
        log_loss_from_logits(&[80.0], &[1.0], None).unwrap(),
        (-80f64).exp(),
        max_relative = 1e-14
    );
    assert_eq!(log_loss_from_logits(&[f32::INFINITY], &[1.0], None), Some(0.0));
    assert_eq!(log_loss_from_logits(&[f32::INFINITY], &[0.0], None), Some(f64::INFINITY));
}

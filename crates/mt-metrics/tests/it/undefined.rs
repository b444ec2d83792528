//! What is undefined is `None`, and what doesn't pair up panics.

use mt_metrics::*;

type Metric = fn(&[f32], &[f32], Option<&[f32]>) -> Option<f64>;

const ALL: [(&str, Metric); 10] = [
    ("auc", auc),
    ("delong", |scores, labels, weights| DeLong::new(scores, labels, weights).map(|delong| delong.auc())),
    ("streaming", |scores, labels, weights| {
        let mut streaming = StreamingAuc::new();
        streaming.push(scores, labels, weights);
        assert_eq!(streaming.auc().is_some(), streaming.error_bound().is_some());
        streaming.auc()
    }),
    ("normalised_entropy", normalised_entropy),
    ("log_loss", log_loss),
    ("log_loss_from_logits", log_loss_from_logits),
    ("calibration", calibration),
    ("pr_auc", pr_auc),
    ("accuracy", |scores, labels, weights| accuracy(scores, labels, 0.5, weights)),
    ("paddlerec_auc", |scores, labels, _| paddlerec_auc(scores, labels)),
];
/// The first so many of `ALL` compare the classes, so need both.
const NEED_BOTH_CLASSES: usize = 4;
/// And the last takes no weights.
const WITH_WEIGHTS: usize = 9;

#[test]
fn no_rows_is_undefined_for_every_metric() {
    for (name, metric) in ALL {
        assert_eq!(metric(&[], &[], None), None, "{name}");
    }
}

#[test]
fn a_nan_score_is_undefined_for_every_metric() {
    for (name, metric) in ALL {
        assert_eq!(metric(&[0.2, f32::NAN, 0.4], &[0.0, 1.0, 1.0], None), None, "{name}");
        assert_eq!(metric(&[0.2, 0.3, f32::NAN], &[0.0, 1.0, 0.0], None), None, "{name}");
    }
}

#[test]
fn one_class_is_undefined_where_classes_are_compared() {
    for (name, metric) in &ALL[..NEED_BOTH_CLASSES] {
        assert_eq!(metric(&[0.1, 0.9], &[1.0, 1.0], None), None, "{name}");
        assert_eq!(metric(&[0.1, 0.9], &[0.0, 0.0], None), None, "{name}");
    }
}

#[test]
fn one_class_has_a_log_loss_and_an_accuracy_and_positives_alone_a_precision() {
    assert!(log_loss(&[0.1, 0.9], &[1.0, 1.0], None).is_some());
    assert_eq!(accuracy(&[0.1, 0.9], &[1.0, 1.0], 0.5, None), Some(0.5));
    assert_eq!(calibration(&[0.1, 0.9], &[0.0, 0.0], None), None);
    assert_eq!(pr_auc(&[0.1, 0.9], &[0.0, 0.0], None), None);
    assert_eq!(pr_auc(&[0.1, 0.9], &[1.0, 1.0], None), Some(1.0));
}

#[test]
fn every_metric_panics_when_lengths_differ() {
    for (name, metric) in ALL {
        assert!(std::panic::catch_unwind(|| metric(&[0.1, 0.2, 0.3], &[0.0, 1.0], None)).is_err(), "{name}");
    }
    for (name, metric) in &ALL[..WITH_WEIGHTS] {
        let short = || metric(&[0.1, 0.2], &[0.0, 1.0], Some(&[1.0]));
        assert!(std::panic::catch_unwind(short).is_err(), "{name}");
    }
}

#[test]
fn a_weight_below_zero_or_not_finite_is_undefined_for_every_metric() {
    for (name, metric) in &ALL[..WITH_WEIGHTS] {
        for weight in [-1.0, f32::NAN, f32::INFINITY] {
            let weights = [1.0, 0.5, weight, 2.0];
            assert_eq!(metric(&[0.2, 0.3, 0.4, 0.1], &[0.0, 1.0, 1.0, 0.0], Some(&weights)), None, "{name}");
        }
    }
}

#[test]
fn rows_of_weight_zero_are_absent_whatever_they_hold() {
    for (name, metric) in &ALL[..WITH_WEIGHTS] {
        let (scores, labels) = ([0.2, 0.3, 0.4, 0.1, f32::NAN], [0.0, 1.0, 1.0, 0.0, 1.0]);
        let weights = [0.5, 2.0, 0.25, 1.0, 0.0];
        let left = metric(&scores[..4], &labels[..4], Some(&weights[..4]));
        assert!(left.is_some(), "{name}");
        assert_eq!(metric(&scores, &labels, Some(&weights)), left, "{name}");
        assert_eq!(metric(&scores, &labels, Some(&[0.0; 5])), None, "{name}");
    }
    // What is left is of one class.
    for (name, metric) in &ALL[..NEED_BOTH_CLASSES] {
        assert_eq!(metric(&[0.2, 0.3], &[0.0, 1.0], Some(&[0.0, 2.0])), None, "{name}");
    }
}

#[test]
fn a_class_of_one_row_has_an_auc_but_no_error() {
    let delong = DeLong::new(&[0.1, 0.7, 0.9], &[0.0, 1.0, 0.0], None).unwrap();
    assert_eq!(delong.auc(), 0.5);
    assert_eq!(delong.standard_error(), None);
    assert_eq!(delong.interval(0.95), None);
    assert_eq!(delong.paired(&delong), None);
}

#[test]
fn models_on_different_rows_are_not_compared() {
    let one = DeLong::new(&[0.1, 0.2, 0.3, 0.4], &[0.0, 0.0, 1.0, 1.0], None).unwrap();
    let other = DeLong::new(&[0.1, 0.2, 0.3, 0.4, 0.5], &[0.0, 0.0, 1.0, 1.0, 1.0], None).unwrap();
    assert_eq!(one.covariance(&other), None);
    assert_eq!(one.paired(&other), None);
    assert_eq!(DeLong::mean(&[one, other]), None);
    assert_eq!(DeLong::mean(&[]), None);
}

#[test]
fn equal_models_have_p_value_one() {
    let model = DeLong::new(&[0.1, 0.6, 0.3, 0.4], &[0.0, 0.0, 1.0, 1.0], None).unwrap();
    let test = model.paired(&model).unwrap();
    assert_eq!((test.difference, test.standard_error, test.statistic, test.p_value), (0.0, 0.0, 0.0, 1.0));
}

#[test]
fn a_difference_without_variance_has_p_value_zero() {
    let labels = [0.0, 0.0, 1.0, 1.0];
    let right = DeLong::new(&[0.1, 0.2, 0.8, 0.9], &labels, None).unwrap();
    let wrong = DeLong::new(&[0.9, 0.8, 0.2, 0.1], &labels, None).unwrap();
    let test = right.paired(&wrong).unwrap();
    assert_eq!((test.difference, test.statistic, test.p_value), (1.0, f64::INFINITY, 0.0));
}

#[test]
fn undefined_numbers_of_a_summary_are_null_in_json() {
    let json = serde_json::to_value(binary_summary(&[0.25, 0.75], &[1.0, 1.0], None)).unwrap();
    assert_eq!(json["rows"], 2);
    assert_eq!(json["auc"], serde_json::Value::Null);
    assert_eq!(json["normalised_entropy"], serde_json::Value::Null);
    assert_eq!(json["calibration"], 0.5);
}

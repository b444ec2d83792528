//! How far predicted numbers are from their targets, and all metrics of a regression task at once.

use crate::order::assert_same_targets;
use crate::xauc;
use serde::Serialize;

/// Root of the mean squared error: √(Σ (p - t)² / n), in the unit of the target.
///
/// `None` if there are no rows, or a NaN among predictions or targets. O(1) memory.
///
/// # Panics
/// If `predictions` and `targets` differ in length.
pub fn rmse(predictions: &[f32], targets: &[f32]) -> Option<f64> {
    mean_error(predictions, targets, |error| error * error).map(f64::sqrt)
}

/// Mean absolute error: Σ |p - t| / n, in the unit of the target.
///
/// `None` if there are no rows, or a NaN among predictions or targets. O(1) memory.
///
/// # Panics
/// If `predictions` and `targets` differ in length.
pub fn mae(predictions: &[f32], targets: &[f32]) -> Option<f64> {
    mean_error(predictions, targets, f64::abs)
}

/// Metrics of one regression task on one set of rows; `None` (`null` in JSON) where undefined.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RegressionSummary {
    /// Number of rows.
    pub count: usize,
    /// Mean of the targets.
    pub mean_target: Option<f64>,
    /// Mean of the predictions; close to `mean_target` if the model is calibrated on average.
    pub mean_prediction: Option<f64>,
    /// [`rmse`].
    pub rmse: Option<f64>,
    /// [`mae`].
    pub mae: Option<f64>,
    /// [`xauc`](crate::xauc()), exact.
    pub xauc: Option<f64>,
}

/// Computes every field of [`RegressionSummary`]: 16 bytes a row, for `xauc`.
///
/// # Panics
/// If `predictions` and `targets` differ in length, or there are 2³² rows or more.
pub fn regression_summary(predictions: &[f32], targets: &[f32]) -> RegressionSummary {
    RegressionSummary {
        count: targets.len(),
        mean_target: mean(targets.iter().map(|&target| f64::from(target))),
        mean_prediction: mean(predictions.iter().map(|&prediction| f64::from(prediction))),
        rmse: rmse(predictions, targets),
        mae: mae(predictions, targets),
        xauc: xauc(predictions, targets),
    }
}

fn mean_error(predictions: &[f32], targets: &[f32], of: impl Fn(f64) -> f64) -> Option<f64> {
    assert_same_targets(predictions, targets);
    mean(predictions.iter().zip(targets).map(|(&p, &t)| of(f64::from(p) - f64::from(t))))
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let count = values.len() as f64;
    // No rows (0 / 0) is NaN too.
    Some(values.sum::<f64>() / count).filter(|mean| !mean.is_nan())
}

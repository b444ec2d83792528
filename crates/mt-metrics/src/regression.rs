//! How far predicted numbers are from their targets, and all metrics of a regression task at once.

use crate::order::assert_same_targets;
use crate::weights::{Present, mean, total};
use crate::{normalised_gini, xauc};
use serde::Serialize;

/// Root of the mean squared error: √(Σ (p - t)² / n), in the unit of the target; with weights √(Σ w (p - t)² / Σ w).
///
/// `None` if there are no rows, or a NaN among predictions or targets. O(1) memory.
///
/// # Panics
/// If `predictions`, `targets` and `weights` differ in length.
pub fn rmse(predictions: &[f32], targets: &[f32], weights: Option<&[f32]>) -> Option<f64> {
    mean_error(predictions, targets, weights, |error| error * error).map(f64::sqrt)
}

/// Mean absolute error: Σ |p - t| / n, in the unit of the target; with weights Σ w |p - t| / Σ w.
///
/// `None` if there are no rows, or a NaN among predictions or targets. O(1) memory.
///
/// # Panics
/// If `predictions`, `targets` and `weights` differ in length.
pub fn mae(predictions: &[f32], targets: &[f32], weights: Option<&[f32]>) -> Option<f64> {
    mean_error(predictions, targets, weights, f64::abs)
}

/// Metrics of one regression task on one set of rows; `None` (`null` in JSON) where undefined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RegressionSummary {
    /// Number of rows, without those of weight 0.
    pub count: usize,
    /// The sum of their weights, where these differ; rows then count by weight in all that follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Mean of the targets.
    pub mean_target: Option<f64>,
    /// Mean of the predictions; close to `mean_target` if the model is calibrated on average.
    pub mean_prediction: Option<f64>,
    /// The sum of the predictions over that of the targets; `None` where that is not above 0.
    pub calibration: Option<f64>,
    /// [`rmse`].
    pub rmse: Option<f64>,
    /// [`mae`].
    pub mae: Option<f64>,
    /// [`xauc`](crate::xauc()), exact.
    pub xauc: Option<f64>,
    /// [`normalised_gini`].
    pub gini: Option<f64>,
}

/// Computes every field of [`RegressionSummary`]: 16 bytes a row, 32 with weights, for `xauc`.
///
/// # Panics
/// If `predictions`, `targets` and `weights` differ in length, or there are 2³² rows or more.
pub fn regression_summary(
    predictions: &[f32],
    targets: &[f32],
    weights: Option<&[f32]>,
) -> RegressionSummary {
    assert_same_targets(predictions, targets);
    let Some(present) = Present::new(weights, targets.len()) else {
        return RegressionSummary { count: targets.len(), ..RegressionSummary::default() };
    };
    let (predictions, targets) = (&*present.of(predictions), &*present.of(targets));
    let weights = present.weights();
    let mean_target = mean(targets.iter().map(|&target| f64::from(target)), weights);
    let mean_prediction = mean(predictions.iter().map(|&prediction| f64::from(prediction)), weights);
    let ratio = |(prediction, target): (f64, f64)| (target > 0.0).then(|| prediction / target);
    RegressionSummary {
        count: targets.len(),
        weight: total(weights),
        mean_target,
        mean_prediction,
        calibration: mean_prediction.zip(mean_target).and_then(ratio),
        rmse: rmse(predictions, targets, weights),
        mae: mae(predictions, targets, weights),
        xauc: xauc(predictions, targets, weights),
        gini: normalised_gini(predictions, targets, weights),
    }
}

fn mean_error(
    predictions: &[f32],
    targets: &[f32],
    weights: Option<&[f32]>,
    of: impl Fn(f64) -> f64,
) -> Option<f64> {
    assert_same_targets(predictions, targets);
    let present = Present::new(weights, targets.len())?;
    let (predictions, targets) = (present.of(predictions), present.of(targets));
    let error = |(&p, &t): (&f32, &f32)| of(f64::from(p) - f64::from(t));
    mean(predictions.iter().zip(&*targets).map(error), present.weights())
}

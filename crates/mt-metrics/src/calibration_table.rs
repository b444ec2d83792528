//! Whether the probabilities are right at every level: predicted against observed rates, bin by bin.

use crate::order::{assert_same_rows, assert_same_targets, is_positive, key};
use crate::radix::sort_by_key;
use serde::Serialize;

/// The usual number of bins of a [`calibration_table`].
pub const CALIBRATION_BINS: usize = 10;

/// Rows with neighbouring probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CalibrationBin {
    /// Number of rows, at least 1.
    pub count: usize,
    /// Mean of their probabilities.
    pub mean_prediction: f64,
    /// The share of positive rows among them.
    pub observed_rate: f64,
}

/// What [`calibration_table`] returns.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CalibrationTable {
    /// Bins from the lowest probabilities to the highest; empty if there are no rows, or a NaN among the probabilities.
    pub bins: Vec<CalibrationBin>,
    /// Expected calibration error: the mean, over rows, of their bin's |mean prediction - observed rate|; `None` if
    /// there are no bins.
    pub ece: Option<f64>,
}

/// Sorts the rows by probability, and cuts them into `bins` bins ([`CALIBRATION_BINS`], usually) of equal count.
///
/// Equal probabilities stay in one bin, which may then be larger, so that the table doesn't depend on the order of
/// the rows; a model that predicts few distinct values gets fewer bins. The error is that of M. P. Naeini et al.,
/// "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015, on bins of equal count instead of equal
/// width, in which a rare event would leave all but the first empty. It is above 0 even for a perfect model, by what
/// chance does to each bin's rate.
///
/// O(n) memory, 16 bytes a row.
///
/// # Panics
/// If `probabilities` and `labels` differ in length, or `bins` is 0.
pub fn calibration_table(probabilities: &[f32], labels: &[f32], bins: usize) -> CalibrationTable {
    assert_same_rows(probabilities, labels);
    let labels = labels.iter().map(|&label| f32::from(u8::from(is_positive(label))));
    let bins: Vec<CalibrationBin> = cut(probabilities, labels, bins)
        .map(|(count, mean_prediction, observed_rate)| CalibrationBin {
            count,
            mean_prediction,
            observed_rate,
        })
        .collect();
    let gap = |bin: &CalibrationBin| bin.count as f64 * (bin.mean_prediction - bin.observed_rate).abs();
    let ece = bins.iter().map(gap).sum::<f64>() / probabilities.len() as f64;
    CalibrationTable { ece: (!bins.is_empty()).then_some(ece), bins }
}

/// Rows of a regression with neighbouring predictions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RegressionBin {
    /// Number of rows, at least 1.
    pub count: usize,
    /// Mean of their predictions.
    pub mean_prediction: f64,
    /// Mean of their targets.
    pub mean_target: f64,
}

/// [`calibration_table`] for targets that are numbers: mean predictions and targets in bins of equal count, from the lowest
/// predictions to the highest. No bins if there are no rows, or a NaN among the predictions.
///
/// # Panics
/// If `predictions` and `targets` differ in length, or `bins` is 0.
pub fn regression_table(predictions: &[f32], targets: &[f32], bins: usize) -> Vec<RegressionBin> {
    assert_same_targets(predictions, targets);
    cut(predictions, targets.iter().copied(), bins)
        .map(|(count, mean_prediction, mean_target)| RegressionBin { count, mean_prediction, mean_target })
        .collect()
}

/// Sorts rows by prediction and cuts them into bins: the number of rows, the means of prediction and observation.
fn cut(
    predictions: &[f32],
    observed: impl Iterator<Item = f32>,
    bins: usize,
) -> impl Iterator<Item = (usize, f64, f64)> {
    assert!(bins > 0, "a calibration table has at least one bin");
    let mut rows: Vec<(f32, f32)> = match predictions.iter().any(|prediction| prediction.is_nan()) {
        true => Vec::new(),
        false => predictions.iter().copied().zip(observed).collect(),
    };
    sort_by_key(&mut rows, |(prediction, _)| key(prediction));
    let mut start = 0;
    (1..=bins).filter_map(move |bin| {
        // In wide integers, as rows times bins may overflow.
        let mut end = (rows.len() as u128 * bin as u128 / bins as u128) as usize;
        if end <= start {
            return None;
        }
        end += rows[end..].iter().take_while(|row| key(row.0) == key(rows[end - 1].0)).count();
        let own = &rows[start..end];
        start = end;
        let mean = |of: fn(&(f32, f32)) -> f32| {
            own.iter().map(|row| f64::from(of(row))).sum::<f64>() / own.len() as f64
        };
        Some((own.len(), mean(|row| row.0), mean(|row| row.1)))
    })
}

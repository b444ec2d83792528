//! Whether the probabilities are right at every level: predicted against observed rates, bin by bin.

use crate::order::{assert_same_rows, assert_same_targets, is_positive, key};
use crate::radix::sort_by_key;
use crate::weights::{Amount, Present, Weight, amount};
use serde::Serialize;

/// The usual number of bins of a [`calibration_table`].
pub const CALIBRATION_BINS: usize = 10;

/// Rows with neighbouring probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CalibrationBin {
    /// Number of rows, at least 1.
    pub count: usize,
    /// The sum of their weights, where those of the table differ; the means are then weighted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
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
/// With weights, bins are of equal weight instead of equal count: each ends where less than the lightest row is missing from
/// its share, which without weights is less than a row. Means and error are weighted.
///
/// O(n) memory, 16 bytes a row, 24 with weights.
///
/// # Panics
/// If `probabilities`, `labels` and `weights` differ in length, or `bins` is 0.
pub fn calibration_table(
    probabilities: &[f32],
    labels: &[f32],
    bins: usize,
    weights: Option<&[f32]>,
) -> CalibrationTable {
    assert_same_rows(probabilities, labels);
    let positive = |label| f32::from(u8::from(is_positive(label)));
    let cut = cut(probabilities, labels, positive, bins, weights);
    let share = |bin: &Cut| bin.weight.unwrap_or(bin.count as f64);
    let gap = |bin: &Cut| share(bin) * (bin.mean_prediction - bin.mean_observed).abs();
    let ece = cut.iter().map(gap).sum::<f64>() / cut.iter().map(share).sum::<f64>();
    let bin = |&Cut { count, weight, mean_prediction, mean_observed }: &Cut| CalibrationBin {
        count,
        weight,
        mean_prediction,
        observed_rate: mean_observed,
    };
    CalibrationTable { ece: (!cut.is_empty()).then_some(ece), bins: cut.iter().map(bin).collect() }
}

/// Rows of a regression with neighbouring predictions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RegressionBin {
    /// Number of rows, at least 1.
    pub count: usize,
    /// The sum of their weights, where those of the table differ; the means are then weighted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Mean of their predictions.
    pub mean_prediction: f64,
    /// Mean of their targets.
    pub mean_target: f64,
}

/// [`calibration_table`] for targets that are numbers: mean predictions and targets in bins of equal count or weight, from the
/// lowest predictions to the highest. No bins if there are no rows, or a NaN among the predictions.
///
/// # Panics
/// If `predictions`, `targets` and `weights` differ in length, or `bins` is 0.
pub fn regression_table(
    predictions: &[f32],
    targets: &[f32],
    bins: usize,
    weights: Option<&[f32]>,
) -> Vec<RegressionBin> {
    assert_same_targets(predictions, targets);
    let bin = |Cut { count, weight, mean_prediction, mean_observed }| RegressionBin {
        count,
        weight,
        mean_prediction,
        mean_target: mean_observed,
    };
    cut(predictions, targets, |target| target, bins, weights).into_iter().map(bin).collect()
}

/// A bin, of whatever was observed.
struct Cut {
    count: usize,
    weight: Option<f64>,
    mean_prediction: f64,
    mean_observed: f64,
}

/// Sorts rows by prediction and cuts them into bins.
fn cut(
    predictions: &[f32],
    observed: &[f32],
    of: impl Fn(f32) -> f32,
    bins: usize,
    weights: Option<&[f32]>,
) -> Vec<Cut> {
    assert!(bins > 0, "a calibration table has at least one bin");
    let Some(present) = Present::new(weights, predictions.len()) else { return Vec::new() };
    let (predictions, observed) = (present.of(predictions), present.of(observed));
    if predictions.iter().any(|prediction| prediction.is_nan()) {
        return Vec::new();
    }
    let rows = predictions.iter().zip(&*observed).map(|(&prediction, &label)| (prediction, of(label)));
    match present.weights() {
        None => cut_rows(rows.map(|row| (row, ())).collect(), bins),
        Some(weights) => cut_rows(rows.zip(weights.iter().copied()).collect(), bins),
    }
}

fn cut_rows<W: Weight>(mut rows: Vec<((f32, f32), W)>, bins: usize) -> Vec<Cut> {
    sort_by_key(&mut rows, |((prediction, _), _)| key(prediction));
    let all = amount(&rows).to_f64();
    let lightest = rows.iter().map(|row| row.1.amount().to_f64()).fold(f64::INFINITY, f64::min);
    let (mut start, mut end, mut before) = (0, 0, W::Sum::default());
    let cut = (1..=bins).filter_map(|bin| {
        let full = all * bin as f64 / bins as f64 - lightest;
        // The last one takes the rest, whatever the sums are rounded to.
        while end < rows.len() && (bin == bins || before.to_f64() <= full) {
            before += rows[end].1.amount();
            end += 1;
        }
        if end == start {
            return None;
        }
        while end < rows.len() && key(rows[end].0.0) == key(rows[end - 1].0.0) {
            before += rows[end].1.amount();
            end += 1;
        }
        let own = &rows[start..end];
        start = end;
        let weight = amount(own).to_f64();
        let mean = |of: fn(&(f32, f32)) -> f32| {
            own.iter().map(|row| row.1.amount().to_f64() * f64::from(of(&row.0))).sum::<f64>() / weight
        };
        Some(Cut {
            count: own.len(),
            weight: (!W::ALIKE).then_some(weight),
            mean_prediction: mean(|row| row.0),
            mean_observed: mean(|row| row.1),
        })
    });
    cut.collect()
}

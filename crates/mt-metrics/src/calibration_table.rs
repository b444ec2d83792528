//! Whether the probabilities are right at every level: predicted against observed rates, bin by bin.

use crate::order::{assert_same_rows, is_positive, key};
use crate::radix::sort_by_key;
use serde::Serialize;

/// The usual number of bins of a [`calibration_table`].
pub const CALIBRATION_BINS: usize = 10;

/// Rows with neighbouring probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
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
    assert!(bins > 0, "a calibration table has at least one bin");
    let mut table = CalibrationTable { bins: Vec::new(), ece: None };
    if probabilities.is_empty() || probabilities.iter().any(|probability| probability.is_nan()) {
        return table;
    }
    let mut rows: Vec<(f32, bool)> =
        probabilities.iter().zip(labels).map(|(&p, &label)| (p, is_positive(label))).collect();
    sort_by_key(&mut rows, |(probability, _)| key(probability));
    let (mut start, mut gap) = (0, 0.0);
    for bin in 1..=bins {
        // In wide integers, as rows times bins may overflow.
        let mut end = (rows.len() as u128 * bin as u128 / bins as u128) as usize;
        if end <= start {
            continue;
        }
        end += rows[end..].iter().take_while(|row| key(row.0) == key(rows[end - 1].0)).count();
        let own = &rows[start..end];
        let count = own.len() as f64;
        let mean_prediction = own.iter().map(|row| f64::from(row.0)).sum::<f64>() / count;
        let observed_rate = own.iter().filter(|row| row.1).count() as f64 / count;
        gap += count * (mean_prediction - observed_rate).abs();
        table.bins.push(CalibrationBin { count: own.len(), mean_prediction, observed_rate });
        start = end;
    }
    table.ece = Some(gap / rows.len() as f64);
    table
}

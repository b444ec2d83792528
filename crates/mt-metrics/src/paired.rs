//! Whether two models differ, on the same rows.

use crate::delong::DeLong;
use crate::normal::two_sided_p;
use serde::Serialize;

/// A two-sided test of the hypothesis that two models have the same AUC (DeLong et al. 1988, eq. 8), or another metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PairedTest {
    /// The metric of the first model less that of the second.
    pub difference: f64,
    /// Standard error of `difference`.
    pub standard_error: f64,
    /// `difference / standard_error`; 0 when both are 0.
    pub z: f64,
    /// How probable a `z` at least this far from 0 is if the models are equally good; 1 when both are the same.
    pub p_value: f64,
}

impl PairedTest {
    pub(crate) fn new(difference: f64, variance: f64) -> Self {
        let standard_error = variance.sqrt();
        let z = if difference == 0.0 { 0.0 } else { difference / standard_error };
        Self { difference, standard_error, z, p_value: two_sided_p(z) }
    }
}

impl DeLong {
    /// Compares with another model **on the same rows in the same order**; the difference is `self - other`.
    ///
    /// Far more powerful than comparing two intervals, as what makes a row hard for both models cancels.
    ///
    /// `None` if the class counts differ, or a class has a single row.
    pub fn paired(&self, other: &Self) -> Option<PairedTest> {
        self.paired_with_variance(other, 0.0)
    }

    /// [`paired`](Self::paired), with a variance that the rows don't show, such as that from seed to seed.
    ///
    /// For models averaged over seeds by [`mean`](Self::mean), `extra_variance` is s²/k + t²/l, where s² and t² are
    /// the sample variances of the two models' AUC over their k and l seeds.
    ///
    /// # Panics
    /// If `extra_variance` is negative or NaN.
    pub fn paired_with_variance(&self, other: &Self, extra_variance: f64) -> Option<PairedTest> {
        assert!(extra_variance >= 0.0, "a variance is not negative: {extra_variance}");
        if !self.same_classes(other) {
            return None;
        }
        let difference = self.auc - other.auc;
        // From the differences row by row, not Var + Var - 2 Cov: nothing cancels, and equal models give exactly 0.
        let variance = variance_of_mean(&self.positives, &other.positives, difference)?
            + variance_of_mean(&self.negatives, &other.negatives, difference)?
            + extra_variance;
        Some(PairedTest::new(difference, variance))
    }
}

/// The variance of the mean of `xs - ys`, which is `mean`; `None` for fewer than two values.
fn variance_of_mean(xs: &[f64], ys: &[f64], mean: f64) -> Option<f64> {
    let sum: f64 = xs.iter().zip(ys).map(|(x, y)| (x - y - mean).powi(2)).sum();
    let count = xs.len() as f64;
    (xs.len() > 1).then(|| sum / (count - 1.0) / count)
}

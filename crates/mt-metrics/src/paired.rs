//! Whether two models differ, on the same rows.

use crate::delong::DeLong;
use crate::influence::Influence;
use crate::over_rows::OverRows;
use crate::student::reach;
use crate::student::two_sided_p;
use serde::Serialize;

/// A two-sided test of the hypothesis that two models have the same AUC (DeLong et al. 1988, eq. 8), or another metric; or
/// that two configurations have, see [`Seeds::paired`](crate::Seeds::paired).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PairedTest {
    /// The metric of the first model less that of the second.
    pub difference: f64,
    /// Standard error of `difference`.
    pub standard_error: f64,
    /// `difference / standard_error`; 0 when both are 0.
    pub statistic: f64,
    /// Of the variance between seeds: `statistic` is Student's. `None` where it is of rows alone, and normal: the test is
    /// then one of two trained models, and says nothing of how another seed would come out.
    pub degrees_of_freedom: Option<f64>,
    /// How probable a `statistic` at least this far from 0 is if there is no difference; 1 when both are the same.
    pub p_value: f64,
}

impl PairedTest {
    pub(crate) fn new(difference: f64, variance: f64, degrees_of_freedom: Option<f64>) -> Self {
        let standard_error = variance.sqrt();
        let statistic = if difference == 0.0 { 0.0 } else { difference / standard_error };
        let p_value = two_sided_p(statistic, degrees_of_freedom.unwrap_or(f64::INFINITY));
        Self { difference, standard_error, statistic, degrees_of_freedom, p_value }
    }

    fn over_rows<M: OverRows>(own: &M, other: &M) -> Option<Self> {
        Some(Self::new(own.value() - other.value(), own.difference(other)?.variance()?, None))
    }

    /// The confidence interval of `difference` at `level` (0.95, say).
    ///
    /// # Panics
    /// Unless 0 < `level` < 1.
    pub fn interval(&self, level: f64) -> (f64, f64) {
        let reach = reach(level, self.standard_error, self.degrees_of_freedom);
        (self.difference - reach, self.difference + reach)
    }
}

impl DeLong {
    /// Compares with another trained model **on the same rows in the same order**; the difference is `self - other`.
    ///
    /// Far more powerful than comparing two intervals, as what makes a row hard for both models cancels. It is of draws
    /// of rows alone: two runs of one configuration that differ in their seed are two models, and often tell apart. To
    /// compare configurations, train each from several seeds and take [`Seeds::paired`](crate::Seeds::paired).
    ///
    /// `None` if class counts or weights differ, or a class has a single row.
    pub fn paired(&self, other: &Self) -> Option<PairedTest> {
        PairedTest::over_rows(self, other)
    }
}

impl Influence {
    /// The same as [`DeLong::paired`], for the metrics that are here, of rows with the same weights. `None` if the number of
    /// rows differs.
    pub fn paired(&self, other: &Self) -> Option<PairedTest> {
        PairedTest::over_rows(self, other)
    }
}

impl OverRows for DeLong {
    fn value(&self) -> f64 {
        self.auc()
    }

    fn mean(models: &[Self]) -> Option<Self> {
        Self::mean(models)
    }

    fn variance(&self) -> Option<f64> {
        self.covariance(self)
    }

    fn difference(&self, other: &Self) -> Option<Self> {
        // Row by row, not Var + Var - 2 Cov: nothing cancels, and equal models give exactly 0.
        let less =
            |own: &[f64], other: &[f64]| own.iter().zip(other).map(|(own, other)| own - other).collect();
        self.same_classes(other).then(|| Self {
            auc: self.auc - other.auc,
            positives: less(&self.positives, &other.positives),
            negatives: less(&self.negatives, &other.negatives),
            weights: self.weights.clone(),
        })
    }
}

//! Whether two configurations differ, each trained from several seeds, on the same test rows.
//!
//! A test over rows alone compares trained models: it knows how much their difference would vary on other rows, but not
//! on other start values and orders of rows. Here both are drawn. Seeds are to a configuration what readers are to a test
//! in radiology, and the method is that for readers nested within tests: N. A. Obuchowski, H. E. Rockette, "Hypothesis
//! testing of diagnostic accuracy for multiple readers and multiple tests: an ANOVA approach with dependent observations",
//! Communications in Statistics, Simulation and Computation 24(2), 1995, as derived for that design by S. L. Hillis, "A
//! marginal-mean ANOVA approach for analyzing multireader multicase radiological imaging data", Statistics in Medicine
//! 33(2), 2014.
//!
//! | symbol | code | meaning |
//! |---|---|---|
//! | k, l | `count` | seeds of the two configurations |
//! | s², t² | | sample variance of the metric between the seeds of each |
//! | s²/k, t²/l | `between` | what the seeds add to the variance of a mean |
//! | w/k | `own` | what it has of rows that move one seed and not the others: Obuchowski's (Var - Cov₂)/k |
//! | R | `over_rows` | variance over rows of the difference of the means, the seeds given |
//! | C | `shared` | R less both w/k: what rows add that move all seeds alike, Obuchowski's Cov₂ + Cov₂′ - 2 Cov₃ |
//!
//! V = s²/k + t²/l + max(C, 0), as s² has the part w already, and t = difference / √V is Student's with
//! ν = V² / ((s²/k)²/(k-1) + (t²/l)²/(l-1)) degrees of freedom.
//!
//! Differs from the paper in two ways, both towards larger p-values:
//! - s² and t² are not pooled, so configurations may vary unlike, as in B. L. Welch, "The generalization of 'Student's'
//!   problem when several different population variances are involved", Biometrika 34, 1947, and k and l may differ;
//! - V is at least R: where seeds happen to agree, the test is never surer than one that ignores them.
//!
//! Seeds are not paired. If equal numbers make two configurations err alike, as the same order of rows or the same start
//! values may, the true variance is smaller and p too large, never too small.

use crate::paired::PairedTest;
use crate::student::two_sided_quantile;

/// A metric of one model on one set of rows, with its variance over draws of rows.
pub trait OverRows: Sized {
    /// The metric.
    fn value(&self) -> f64;

    /// The average of several models on the same rows; `None` if there is none, or rows differ.
    fn mean(models: &[Self]) -> Option<Self>;

    /// The variance of the metric over draws of rows; `None` if there are too few.
    fn variance(&self) -> Option<f64>;

    /// That of the difference to another model **on the same rows in the same order**, 0 between equal ones; `None` if
    /// there are too few rows, or they differ.
    fn variance_of_difference(&self, other: &Self) -> Option<f64>;
}

/// One configuration trained from one seed or several, judged on the same rows in the same order.
///
/// ```
/// use mt_metrics::{DeLong, Seeds};
///
/// let labels = [0.0, 0.0, 1.0, 1.0, 0.0, 1.0];
/// let runs = |scores: &[[f32; 6]]| -> Option<Vec<DeLong>> {
///     scores.iter().map(|scores| DeLong::new(scores, &labels)).collect()
/// };
/// let own = runs(&[[0.1, 0.4, 0.35, 0.8, 0.2, 0.9], [0.2, 0.4, 0.5, 0.7, 0.1, 0.8], [0.3, 0.1, 0.6, 0.2, 0.4, 0.9]]);
/// let other = runs(&[[0.3, 0.6, 0.2, 0.5, 0.4, 0.7], [0.2, 0.6, 0.1, 0.8, 0.3, 0.5], [0.1, 0.2, 0.9, 0.3, 0.5, 0.7]]);
/// let (own, other) = (Seeds::new(&own.unwrap()).unwrap(), Seeds::new(&other.unwrap()).unwrap());
/// let test = own.paired(&other).unwrap();
/// assert!(test.p_value > 0.05 && test.degrees_of_freedom > Some(2.0));
/// ```
#[derive(Debug, Clone)]
pub struct Seeds<M> {
    mean: M,
    count: usize,
    between: f64,
    own: f64,
}

/// A variance, with its degrees of freedom if it has a part between seeds.
type Estimate = (f64, Option<f64>);

impl<M: OverRows> Seeds<M> {
    /// `None` if there is no run, rows differ, or their variance is undefined.
    pub fn new(runs: &[M]) -> Option<Self> {
        let mean = M::mean(runs)?;
        mean.variance()?;
        let count = runs.len() as f64;
        let (mut between, mut own) = (0.0, 0.0);
        if runs.len() > 1 {
            for run in runs {
                between += (run.value() - mean.value()).powi(2);
                own += run.variance_of_difference(&mean)?;
            }
            [&mut between, &mut own].into_iter().for_each(|sum| *sum /= (count - 1.0) * count);
        }
        Some(Self { mean, count: runs.len(), between, own })
    }

    /// The mean of the metric over the seeds.
    pub fn value(&self) -> f64 {
        self.mean.value()
    }

    /// The confidence interval of [`value`](Self::value) at `level` (0.95, say): over rows and seeds, or over rows alone
    /// of a single seed. It may reach beyond the metric's range.
    ///
    /// # Panics
    /// Unless 0 < `level` < 1.
    pub fn interval(&self, level: f64) -> Option<(f64, f64)> {
        let (variance, degrees_of_freedom) = combined(self.mean.variance()?, &[self]);
        let reach = reach(level, variance.sqrt(), degrees_of_freedom);
        Some((self.value() - reach, self.value() + reach))
    }

    /// Compares the means; the difference is `self - other`.
    ///
    /// Over rows and seeds if both have several seeds; with a single one the rows alone count, the p-value is about these
    /// trained models, and [`degrees_of_freedom`](PairedTest::degrees_of_freedom) are `None`. With two seeds there are
    /// between 1 and 2 of them, and the difference must be 4 to 13 standard errors to have p < 0.05.
    ///
    /// `None` if rows differ.
    pub fn paired(&self, other: &Self) -> Option<PairedTest> {
        let over_rows = self.mean.variance_of_difference(&other.mean)?;
        let (variance, degrees_of_freedom) = combined(over_rows, &[self, other]);
        Some(PairedTest::new(self.value() - other.value(), variance, degrees_of_freedom))
    }
}

/// The variance over rows and seeds of what varies by `over_rows` if the seeds are given.
fn combined<M>(over_rows: f64, all: &[&Seeds<M>]) -> Estimate {
    if all.iter().any(|seeds| seeds.count < 2) {
        return (over_rows, None);
    }
    let sum = |part: fn(&Seeds<M>) -> f64| all.iter().map(|seeds| part(seeds)).sum::<f64>();
    let between = sum(|seeds| seeds.between);
    let shared = (over_rows - sum(|seeds| seeds.own)).max(0.0);
    let variance = (between + shared).max(over_rows);
    let doubt = sum(|seeds| seeds.between.powi(2) / (seeds.count - 1) as f64);
    // Seeds that agree entirely leave the rows, whose variance counts as known.
    let degrees_of_freedom = if doubt > 0.0 { variance.powi(2) / doubt } else { f64::INFINITY };
    (variance, Some(degrees_of_freedom))
}

/// Half the length of a confidence interval.
///
/// # Panics
/// Unless 0 < `level` < 1.
pub(crate) fn reach(level: f64, standard_error: f64, degrees_of_freedom: Option<f64>) -> f64 {
    assert!(0.0 < level && level < 1.0, "a confidence level lies strictly between 0 and 1, not {level}");
    standard_error * two_sided_quantile(level, degrees_of_freedom.unwrap_or(f64::INFINITY))
}

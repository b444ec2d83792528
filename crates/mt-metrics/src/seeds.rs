//! Whether two configurations differ, each trained from several seeds, on the same test rows.
//!
//! A test over rows alone compares trained models: it knows how much their difference would vary on other rows, but not
//! on other start values and orders of rows. Here both are drawn. Seeds are to configurations what readers are to tests in
//! radiology, and the method is that for several readers and cases: N. A. Obuchowski, H. E. Rockette, "Hypothesis testing
//! of diagnostic accuracy for multiple readers and multiple tests: an ANOVA approach with dependent observations",
//! Communications in Statistics, Simulation and Computation 24(2), 1995, with the degrees of freedom and the two designs
//! of S. L. Hillis, "A marginal-mean ANOVA approach for analyzing multireader multicase radiological imaging data",
//! Statistics in Medicine 33(2), 2014:
//!
//! - **crossed**, where both configurations have the same seeds. Equal seeds give the same order of rows, and the same start
//!   values where parameters have equal names and shapes, so runs of one seed may err alike, and often do: what is looked
//!   at is each seed's difference.
//! - **nested**, where they have not: the seeds of each are a sample of its own.
//!
//! | symbol | code | meaning |
//! |---|---|---|
//! | k | `count` | runs of a sample: differences by seed if crossed, else runs of one configuration |
//! | s² | | their sample variance |
//! | s²/k | `between` | what the seeds add to the variance of a mean |
//! | w/k | `own` | what it has of rows that move one seed and not the others: Obuchowski's (Var - Cov₂)/k |
//! | R | `over_rows` | variance over rows of the difference of the means, the seeds given |
//! | C | `shared` | R - Σ w/k, what rows add that move all seeds alike: Obuchowski's Cov₂ + Cov₂′ - 2 Cov₃ |
//!
//! V = Σ s²/k + max(C, 0), as s² has the part w already, the sums over one sample if crossed and two if nested;
//! t = difference / √V is Student's with ν = V² / Σ ((s²/k)²/(k-1)) degrees of freedom.
//!
//! Differs from the paper in two ways:
//! - the two variances of the nested design are not pooled, so configurations may vary unlike, and k and l differ (B. L.
//!   Welch, "The generalization of 'Student's' problem when several different population variances are involved",
//!   Biometrika 34, 1947);
//! - √V in t is at least √R, with the same ν: where seeds happen to agree, no difference is surer than if they were ignored.

use crate::over_rows::OverRows;
use crate::paired::PairedTest;
use crate::student::reach;

/// One configuration trained from one seed or several, judged on the same rows in the same order.
///
/// ```
/// use mt_metrics::{DeLong, Seeds};
///
/// let labels = [0.0, 0.0, 1.0, 1.0, 0.0, 1.0];
/// let runs = |scores: &[[f32; 6]]| {
///     let run = |(seed, scores): (u64, &[f32; 6])| Some((seed, DeLong::new(scores, &labels, None)?));
///     Seeds::new((1..).zip(scores).map(run).collect::<Option<Vec<_>>>()?)
/// };
/// let own = runs(&[[0.1, 0.4, 0.35, 0.8, 0.2, 0.9], [0.2, 0.4, 0.5, 0.7, 0.1, 0.8], [0.3, 0.1, 0.6, 0.2, 0.4, 0.9]]);
/// let other = runs(&[[0.3, 0.6, 0.2, 0.5, 0.4, 0.7], [0.2, 0.6, 0.1, 0.8, 0.3, 0.5], [0.1, 0.2, 0.9, 0.3, 0.5, 0.7]]);
/// let test = own.unwrap().paired(&other.unwrap()).unwrap();
/// assert!(test.p_value > 0.05 && test.degrees_of_freedom >= Some(2.0));
/// ```
#[derive(Debug, Clone)]
pub struct Seeds<M> {
    /// In rising order, as the runs.
    numbers: Vec<u64>,
    runs: Vec<M>,
    mean: M,
    spread: Spread,
}

/// What a sample of runs says of the variance of its mean.
#[derive(Debug, Clone, Copy)]
struct Spread {
    count: usize,
    between: f64,
    own: f64,
}

impl Spread {
    fn new<M: OverRows>(runs: &[M], mean: &M) -> Option<Self> {
        let (mut between, mut own) = (0.0, 0.0);
        for run in runs {
            between += (run.value() - mean.value()).powi(2);
            own += run.difference(mean)?.variance()?;
        }
        let pairs = runs.len() as f64 * (runs.len() as f64 - 1.0);
        Some(Self { count: runs.len(), between: between / pairs, own: own / pairs })
    }
}

impl<M: OverRows> Seeds<M> {
    /// Of runs, each with the number of its seed, in any order.
    ///
    /// `None` if there is no run, rows differ, or their variance is undefined.
    pub fn new(mut runs: Vec<(u64, M)>) -> Option<Self> {
        runs.sort_by_key(|run| run.0);
        let (numbers, runs): (Vec<u64>, Vec<M>) = runs.into_iter().unzip();
        let mean = M::mean(&runs)?;
        mean.variance()?;
        let spread = Spread::new(&runs, &mean)?;
        Some(Self { numbers, runs, mean, spread })
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
        let (variance, degrees_of_freedom) = combined(self.mean.variance()?, &[self.spread]);
        let reach = reach(level, variance.sqrt(), degrees_of_freedom);
        Some((self.value() - reach, self.value() + reach))
    }

    /// Compares the means; the difference is `self - other`.
    ///
    /// Over rows and seeds if both have several seeds, by seed where these are the same; with a single one the rows alone
    /// count, the p-value is about these trained models, and
    /// [`degrees_of_freedom`](PairedTest::degrees_of_freedom) are `None`. With two seeds there may be one, and the
    /// difference must then be 13 standard errors to have p < 0.05.
    ///
    /// `None` if rows differ.
    pub fn paired(&self, other: &Self) -> Option<PairedTest> {
        let over_rows = self.mean.difference(&other.mean)?.variance()?;
        let (variance, degrees_of_freedom) = if self.numbers == other.numbers {
            let differences: Option<Vec<M>> =
                self.runs.iter().zip(&other.runs).map(|(own, other)| own.difference(other)).collect();
            let differences = differences?;
            combined(over_rows, &[Spread::new(&differences, &M::mean(&differences)?)?])
        } else {
            combined(over_rows, &[self.spread, other.spread])
        };
        Some(PairedTest::new(self.value() - other.value(), variance, degrees_of_freedom))
    }
}

/// The variance over rows and seeds of what varies by `over_rows` if the seeds are given, with its degrees of freedom if
/// there are several.
fn combined(over_rows: f64, samples: &[Spread]) -> (f64, Option<f64>) {
    if samples.iter().any(|sample| sample.count < 2) {
        return (over_rows, None);
    }
    let sum = |part: fn(&Spread) -> f64| samples.iter().map(part).sum::<f64>();
    let between = sum(|sample| sample.between);
    let shared = (over_rows - sum(|sample| sample.own)).max(0.0);
    let variance = between + shared;
    let doubt = sum(|sample| sample.between.powi(2) / (sample.count - 1) as f64);
    // Seeds that agree entirely leave the rows, whose variance counts as known.
    let degrees_of_freedom = if doubt > 0.0 { variance.powi(2) / doubt } else { f64::INFINITY };
    (variance.max(over_rows), Some(degrees_of_freedom))
}

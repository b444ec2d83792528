//! Errors and comparisons of the ranking metrics that DeLong's method does not cover: XAUC and the mean AUC of classes.
//!
//! Both are ratios of sums over pairs of rows (U-statistics). Such a metric θ is, but for terms that vanish as 1/n, the
//! mean of one value a row, its influence ψ (W. Hoeffding, "A class of statistics with asymptotically normal
//! distribution", Annals of Mathematical Statistics 19(3), 1948), so that Var θ = S(ψ) / n with the sample variance S.
//! For AUC that is DeLong's variance with P and N in place of P - 1 and N - 1.

use crate::delong::DeLong;
use crate::multiclass::class;
use crate::order::{assert_same_targets, key};
use crate::radix::sort;
use crate::seeds::OverRows;

/// A metric of one model on one set of rows, with what gives it an error or compares it.
#[derive(Debug, Clone, PartialEq)]
pub struct Influence {
    value: f64,
    /// ψ by row; they sum to 0.
    rows: Vec<f64>,
}

impl Influence {
    /// [`xauc`](crate::xauc()), and how far each row moves it: ψᵢ = 2 (Aᵢ - θ Cᵢ) / mean C, where Cᵢ is the number of
    /// rows with another target than row i, and Aᵢ how many of them are predicted on the right side of it, ties ½.
    ///
    /// `None` if no two targets differ, or there is a NaN among predictions or targets. O(n log n) time, 40 bytes a row.
    ///
    /// # Panics
    /// If `predictions` and `targets` differ in length, or there are 2³² rows or more.
    pub fn xauc(predictions: &[f32], targets: &[f32]) -> Option<Self> {
        assert_same_targets(predictions, targets);
        assert!(u32::try_from(targets.len()).is_ok(), "rows must number less than 2^32");
        if predictions.iter().chain(targets).any(|value| value.is_nan()) {
            return None;
        }
        let count = targets.len();
        // Rank of each prediction, from 1, and the number of rows up to each rank.
        let (mut ranks, mut up_to) = (vec![0_u32; count], vec![0_u64]);
        for tied in sorted(predictions).chunk_by(|a, b| a >> 32 == b >> 32) {
            tied.iter().for_each(|&row| ranks[row as u32 as usize] = up_to.len() as u32);
            up_to.push(up_to[up_to.len() - 1] + tied.len() as u64);
        }
        let (mut twice_wins, mut compared) = (vec![0_u64; count], vec![0_u64; count]);
        let mut lower = Counts::new(up_to.len());
        let mut done = 0;
        for tied in sorted(targets).chunk_by(|a, b| a >> 32 == b >> 32) {
            let rows = || tied.iter().map(|&row| row as u32 as usize);
            // Rows with a lower target win by a lower prediction ...
            for row in rows() {
                let rank = ranks[row] as usize;
                twice_wins[row] = lower.up_to(rank - 1) + lower.up_to(rank);
            }
            rows().for_each(|row| lower.add(ranks[row] as usize));
            done += tied.len();
            let higher = (count - done) as u64;
            // ... and those with a higher one unless theirs is as low: twice if below, once if equal.
            for row in rows() {
                let rank = ranks[row] as usize;
                let lost = |rank: usize| up_to[rank] - lower.up_to(rank);
                twice_wins[row] += 2 * higher - lost(rank - 1) - lost(rank);
                compared[row] = (count - tied.len()) as u64;
            }
        }
        let all: u64 = compared.iter().sum();
        if all == 0 {
            return None;
        }
        let value = twice_wins.iter().sum::<u64>() as f64 / 2.0 / all as f64;
        let mean = all as f64 / count as f64;
        let of_row = |(&twice, &c): (&u64, &u64)| (twice as f64 - 2.0 * value * c as f64) / mean;
        Some(Self { value, rows: twice_wins.iter().zip(&compared).map(of_row).collect() })
    }

    /// The [`macro_auc`](crate::MulticlassSummary::macro_auc), the mean of the classes' one-against-the-rest AUC; ψ is
    /// the mean over the classes of n (V - θ) / P for a row of the class, n (V - θ) / N for another, with the placements
    /// V of [`DeLong`].
    ///
    /// `None` where that metric is undefined. One class is ranked at a time.
    ///
    /// # Panics
    /// If `probabilities` does not hold `classes` values for each label.
    pub fn macro_auc(probabilities: &[f32], labels: &[f32], classes: usize) -> Option<Self> {
        assert_eq!(probabilities.len(), labels.len() * classes, "each label needs {classes} probabilities");
        let indices: Vec<usize> = labels.iter().map(|&label| class(label, classes)).collect::<Option<_>>()?;
        if probabilities.iter().any(|probability| probability.is_nan()) {
            return None;
        }
        let of_class = |class: usize| {
            let scores: Vec<f32> = probabilities[class..].iter().step_by(classes).copied().collect();
            let came: Vec<f32> = indices.iter().map(|&index| f32::from(u8::from(index == class))).collect();
            let delong = DeLong::new(&scores, &came)?;
            let placed = |placements: &[f64]| -> Vec<f64> {
                let share = came.len() as f64 / placements.len() as f64;
                placements.iter().map(|placement| share * (placement - delong.auc())).collect()
            };
            let (positives, negatives) = (placed(delong.positives()), placed(delong.negatives()));
            let (mut positives, mut negatives) = (positives.into_iter(), negatives.into_iter());
            let of_row = |&came: &f32| if came > 0.5 { positives.next() } else { negatives.next() };
            Some(Self { value: delong.auc(), rows: came.iter().filter_map(of_row).collect() })
        };
        let of_classes: Vec<Self> = (0..classes).filter_map(of_class).collect();
        Self::mean(&of_classes)
    }

    /// The average of several models on the same rows, such as one configuration trained from several seeds.
    ///
    /// `None` if `models` is empty, or they differ in their number of rows.
    pub fn mean(models: &[Self]) -> Option<Self> {
        let rows = models.first()?.rows.len();
        if models.iter().any(|model| model.rows.len() != rows) {
            return None;
        }
        let count = models.len() as f64;
        Some(Self {
            value: models.iter().map(|model| model.value).sum::<f64>() / count,
            rows: (0..rows)
                .map(|row| models.iter().map(|model| model.rows[row]).sum::<f64>() / count)
                .collect(),
        })
    }

    /// The metric.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// The standard error of the metric over draws of rows.
    pub fn standard_error(&self) -> f64 {
        variance_of_mean(self.rows.iter().copied()).sqrt()
    }
}

impl OverRows for Influence {
    fn value(&self) -> f64 {
        self.value
    }

    fn mean(models: &[Self]) -> Option<Self> {
        Self::mean(models)
    }

    fn variance(&self) -> Option<f64> {
        Some(variance_of_mean(self.rows.iter().copied()))
    }

    fn difference(&self, other: &Self) -> Option<Self> {
        let rows = self.rows.iter().zip(&other.rows).map(|(own, other)| own - other);
        (self.rows.len() == other.rows.len())
            .then(|| Self { value: self.value - other.value, rows: rows.collect() })
    }
}

/// The variance of a mean of two or more values, which is 0.
fn variance_of_mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.map(|value| value * value).sum::<f64>() / (count - 1.0) / count
}

/// Rows by value: its key above, the row below.
fn sorted(values: &[f32]) -> Vec<u64> {
    let mut rows: Vec<u64> =
        values.iter().zip(0..).map(|(&value, row)| u64::from(key(value)) << 32 | row).collect();
    sort(&mut rows);
    rows
}

/// How many rows there are up to a rank, while rows are added (P. M. Fenwick, "A new data structure for cumulative
/// frequency tables", Software: Practice and Experience 24(3), 1994).
struct Counts(Vec<u64>);

impl Counts {
    /// Ranks below `ranks`, the lowest being 1.
    fn new(ranks: usize) -> Self {
        Self(vec![0; ranks])
    }

    fn add(&mut self, mut rank: usize) {
        while rank < self.0.len() {
            self.0[rank] += 1;
            rank += rank & rank.wrapping_neg();
        }
    }

    fn up_to(&self, mut rank: usize) -> u64 {
        let mut sum = 0;
        while rank > 0 {
            sum += self.0[rank];
            rank &= rank - 1;
        }
        sum
    }
}

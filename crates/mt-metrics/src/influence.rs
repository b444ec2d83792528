//! Errors and comparisons of the ranking metrics that DeLong's method does not cover: XAUC and the mean AUC of classes.
//!
//! Both are ratios of sums over pairs of rows (U-statistics). Such a metric θ is, but for terms that vanish as 1/n, the
//! mean of one value a row, its influence ψ (W. Hoeffding, "A class of statistics with asymptotically normal
//! distribution", Annals of Mathematical Statistics 19(3), 1948), so that Var θ = S(ψ) / n with the sample variance S.
//! For AUC that is DeLong's variance with P and N in place of P - 1 and N - 1.
//!
//! A weight is one more column of a row: pairs then count wᵢ wⱼ in both sums, which are U-statistics as before, and the
//! same follows with a row's weight in its ψ. A row is one draw whatever it weighs, as in [`DeLong`].

use std::iter::repeat;

use crate::delong::DeLong;
use crate::multiclass::class;
use crate::order::{assert_same_targets, key};
use crate::over_rows::OverRows;
use crate::radix::sort_by_long_key;
use crate::weights::{Amount, Present, Weight};

/// A metric of one model on one set of rows, with what gives it an error or compares it.
#[derive(Debug, Clone, PartialEq)]
pub struct Influence {
    value: f64,
    /// ψ by row; they sum to 0.
    rows: Vec<f64>,
}

impl Influence {
    /// [`xauc`](crate::xauc()), and how far each row moves it: ψᵢ = 2 wᵢ (Aᵢ - θ Cᵢ) / mean of w C, where Cᵢ is what the
    /// rows count with another target than row i, and Aᵢ those of them predicted on the right side of it, ties ½.
    ///
    /// `None` if no two targets differ, or there is a NaN among predictions or targets. O(n log n) time, 40 bytes a row.
    ///
    /// # Panics
    /// If `predictions`, `targets` and `weights` differ in length, or there are 2³² rows or more.
    pub fn xauc(predictions: &[f32], targets: &[f32], weights: Option<&[f32]>) -> Option<Self> {
        assert_same_targets(predictions, targets);
        assert!(u32::try_from(targets.len()).is_ok(), "rows must number less than 2^32");
        let present = Present::new(weights, targets.len())?;
        let (predictions, targets) = (present.of(predictions), present.of(targets));
        match present.weights() {
            None => Self::xauc_of(&predictions, &targets, |_| ()),
            Some(weights) => Self::xauc_of(&predictions, &targets, |row| weights[row]),
        }
    }

    fn xauc_of<W: Weight>(predictions: &[f32], targets: &[f32], weight: impl Fn(usize) -> W) -> Option<Self> {
        if predictions.iter().chain(targets).any(|value| value.is_nan()) {
            return None;
        }
        let count = targets.len();
        // Rank of each prediction, from 1.
        let (mut ranks, mut last) = (vec![0; count], 0);
        for tied in sorted(predictions).chunk_by(|a, b| a >> 32 == b >> 32) {
            last += 1;
            tied.iter().for_each(|&row| ranks[row as u32 as usize] = last);
        }
        let by_target = sorted(targets);
        let (mut twice_wins, mut compared) = (vec![W::Sum::default(); count], vec![W::Sum::default(); count]);
        // Rows with a lower target win by a lower prediction, those with a higher one by a higher; each against rows that
        // were passed already, so that no sum of rows is the difference of two.
        for upwards in [true, false] {
            let mut passed = Counts::<W::Sum>::new(last as usize + 1);
            let mut pass = |tied: &[u64]| {
                let rows = || tied.iter().map(|&row| row as u32 as usize);
                for row in rows() {
                    let rank = ranks[row] as usize;
                    let (all, lower) = (passed.all, passed.up_to(rank - 1) + passed.up_to(rank));
                    twice_wins[row] += if upwards { lower } else { all + all - lower };
                    compared[row] += all;
                }
                rows().for_each(|row| passed.add(ranks[row] as usize, weight(row).amount()));
            };
            let groups = by_target.chunk_by(|a, b| a >> 32 == b >> 32);
            if upwards { groups.for_each(&mut pass) } else { groups.rev().for_each(&mut pass) }
        }
        let sum = |of: &[W::Sum]| (0..).zip(of).map(|(row, &of)| weight(row).amount() * of).sum::<W::Sum>();
        let all = sum(&compared);
        if all == W::Sum::default() {
            return None;
        }
        let value = sum(&twice_wins).to_f64() / 2.0 / all.to_f64();
        let mean = all.to_f64() / count as f64;
        let of_row = |(row, (&twice, &c)): (usize, (&W::Sum, &W::Sum))| {
            weight(row).amount().to_f64() * (twice.to_f64() - 2.0 * value * c.to_f64()) / mean
        };
        Some(Self { value, rows: (0..).zip(twice_wins.iter().zip(&compared)).map(of_row).collect() })
    }

    /// The [`macro_auc`](crate::MulticlassSummary::macro_auc), the mean of the classes' one-against-the-rest AUC; ψ is
    /// the mean over the classes of n (V - θ) / P for a row of the class, n (V - θ) / N for another, with the placements
    /// V of [`DeLong`], each times the row's weight over the mean of its side.
    ///
    /// `None` where that metric is undefined. One class is ranked at a time.
    ///
    /// # Panics
    /// If `probabilities` does not hold `classes` values for each label, or there is not one weight for each.
    pub fn macro_auc(
        probabilities: &[f32],
        labels: &[f32],
        classes: usize,
        weights: Option<&[f32]>,
    ) -> Option<Self> {
        assert_eq!(probabilities.len(), labels.len() * classes, "each label needs {classes} probabilities");
        let present = Present::new(weights, labels.len())?;
        let (probabilities, labels) = (present.of_wide(probabilities, classes), present.of(labels));
        let indices: Vec<usize> = labels.iter().map(|&label| class(label, classes)).collect::<Option<_>>()?;
        if probabilities.iter().any(|probability| probability.is_nan()) {
            return None;
        }
        let of_class = |class: usize| {
            let scores: Vec<f32> = probabilities.iter().skip(class).step_by(classes).copied().collect();
            let came: Vec<f32> = indices.iter().map(|&index| f32::from(u8::from(index == class))).collect();
            let delong = DeLong::new(&scores, &came, present.weights())?;
            let placed = |class: usize, placements: &[f64]| -> Vec<f64> {
                let share = came.len() as f64 / placements.len() as f64;
                let weights = delong.weights.iter().flat_map(|weights| &weights[class]).copied();
                let moved = |(placement, weight): (&f64, f64)| share * (placement - delong.auc()) * weight;
                placements.iter().zip(weights.chain(repeat(1.0))).map(moved).collect()
            };
            let (positives, negatives) = (placed(1, delong.positives()), placed(0, delong.negatives()));
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
    sort_by_long_key(&mut rows, |row| row);
    rows
}

/// What the rows count up to a rank, while rows are added (P. M. Fenwick, "A new data structure for cumulative frequency
/// tables", Software: Practice and Experience 24(3), 1994).
struct Counts<A> {
    tree: Vec<A>,
    all: A,
}

impl<A: Amount> Counts<A> {
    /// Ranks below `ranks`, the lowest being 1.
    fn new(ranks: usize) -> Self {
        Self { tree: vec![A::default(); ranks], all: A::default() }
    }

    fn add(&mut self, mut rank: usize, amount: A) {
        self.all += amount;
        while rank < self.tree.len() {
            self.tree[rank] += amount;
            rank += rank & rank.wrapping_neg();
        }
    }

    fn up_to(&self, mut rank: usize) -> A {
        let mut sum = A::default();
        while rank > 0 {
            sum += self.tree[rank];
            rank &= rank - 1;
        }
        sum
    }
}

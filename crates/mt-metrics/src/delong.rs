//! AUC with its standard error, by DeLong's method.
//!
//! E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, "Comparing the areas under two or more correlated receiver
//! operating characteristic curves: a nonparametric approach", Biometrics 44(3), 1988; computed in O(n log n) as in
//! X. Sun, W. Xu, "Fast implementation of DeLong's algorithm …", IEEE Signal Processing Letters 21(11), 2014.
//!
//! | symbol | code | meaning |
//! |---|---|---|
//! | V₁₀(Xᵢ) | `positives[i]` | share of the negatives that positive i scores above, ties ½ (eq. 3) |
//! | V₀₁(Yⱼ) | `negatives[j]` | share of the positives that score above negative j, ties ½ (eq. 4) |
//! | θ | `auc` | mean of V₁₀, which is also the mean of V₀₁ |
//! | S₁₀, S₀₁ | `sample_covariance` | sample covariances of the placements of two models (eq. 5, 6) |
//!
//! Var θ = S₁₀ / P + S₀₁ / N (eq. 7).

use crate::normal::two_sided_quantile;
use crate::order::{assert_same_rows, each_twice_wins, is_positive, key};
use crate::radix::sort_by_key;

/// The AUC of one model on one set of rows, with what DeLong's method needs to give it an error or compare it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeLong {
    pub(crate) auc: f64,
    pub(crate) positives: Vec<f64>,
    pub(crate) negatives: Vec<f64>,
}

impl DeLong {
    /// Ranks the rows, by one sort.
    ///
    /// `None` if there is no positive row, no negative row, or a NaN among the scores.
    ///
    /// # Panics
    /// If `scores` and `labels` differ in length, or there are 2³² rows or more.
    pub fn new(scores: &[f32], labels: &[f32]) -> Option<Self> {
        Self::of_ranked(&ranked(scores, labels)?)
    }

    /// The same from rows that are [`ranked`] already; `None` if a class is absent.
    pub(crate) fn of_ranked([negatives, positives]: &[Vec<u64>; 2]) -> Option<Self> {
        if negatives.is_empty() || positives.is_empty() {
            return None;
        }
        let (positive_shares, twice_wins) = shares(positives, negatives);
        let (negative_shares, _) = shares(negatives, positives);
        Some(Self {
            auc: twice_wins as f64 / 2.0 / positives.len() as f64 / negatives.len() as f64,
            positives: positive_shares,
            negatives: negative_shares.into_iter().map(|share| 1.0 - share).collect(),
        })
    }

    /// The average of several models on the same rows, such as one configuration trained from several seeds.
    ///
    /// Its [`auc`](Self::auc) is the mean AUC, and its error that of the mean over draws of *rows*. How much the AUC
    /// varies from seed to seed is not in it: see [`Seeds`](crate::Seeds).
    ///
    /// `None` if `models` is empty, or they differ in their number of positive or negative rows.
    pub fn mean(models: &[Self]) -> Option<Self> {
        let first = models.first()?;
        if !models.iter().all(|model| model.same_classes(first)) {
            return None;
        }
        let count = models.len() as f64;
        let average = |placements: fn(&Self) -> &[f64]| {
            let mut sum = vec![0.0; placements(first).len()];
            for model in models {
                sum.iter_mut().zip(placements(model)).for_each(|(sum, placement)| *sum += placement);
            }
            sum.iter_mut().for_each(|sum| *sum /= count);
            sum
        };
        Some(Self {
            auc: models.iter().map(Self::auc).sum::<f64>() / count,
            positives: average(Self::positives),
            negatives: average(Self::negatives),
        })
    }

    /// The area under the ROC curve: the same number as [`auc`](crate::auc()).
    pub fn auc(&self) -> f64 {
        self.auc
    }

    /// V₁₀: for each positive row, in row order, the share of negatives that it scores above, ties ½.
    pub fn positives(&self) -> &[f64] {
        &self.positives
    }

    /// V₀₁: for each negative row, in row order, the share of positives that score above it, ties ½.
    pub fn negatives(&self) -> &[f64] {
        &self.negatives
    }

    /// The standard error of [`auc`](Self::auc); `None` if a class has a single row.
    pub fn standard_error(&self) -> Option<f64> {
        self.covariance(self).map(f64::sqrt)
    }

    /// The normal confidence interval at `level` (0.95, say), cut to `[0, 1]`; `None` if a class has a single row.
    ///
    /// # Panics
    /// Unless 0 < `level` < 1.
    pub fn interval(&self, level: f64) -> Option<(f64, f64)> {
        assert!(0.0 < level && level < 1.0, "a confidence level lies strictly between 0 and 1, not {level}");
        let reach = two_sided_quantile(level) * self.standard_error()?;
        Some(((self.auc - reach).max(0.0), (self.auc + reach).min(1.0)))
    }

    /// The covariance of this AUC and another model's **on the same rows in the same order**.
    ///
    /// `None` if the class counts differ, or a class has a single row.
    pub fn covariance(&self, other: &Self) -> Option<f64> {
        if !self.same_classes(other) {
            return None;
        }
        let positives = sample_covariance(&self.positives, self.auc, &other.positives, other.auc)?;
        let negatives = sample_covariance(&self.negatives, self.auc, &other.negatives, other.auc)?;
        Some(positives / self.positives.len() as f64 + negatives / self.negatives.len() as f64)
    }

    pub(crate) fn same_classes(&self, other: &Self) -> bool {
        self.positives.len() == other.positives.len() && self.negatives.len() == other.negatives.len()
    }
}

/// The negative and the positive rows, each by score; `None` if there is a NaN among the scores.
///
/// The key above, the position within the class below: one integer to sort, and the row order survives.
pub(crate) fn ranked(scores: &[f32], labels: &[f32]) -> Option<[Vec<u64>; 2]> {
    assert_same_rows(scores, labels);
    assert!(u32::try_from(scores.len()).is_ok(), "rows must number less than 2^32");
    let mut ranked = [Vec::new(), Vec::new()];
    for (&score, &label) in scores.iter().zip(labels) {
        if score.is_nan() {
            return None;
        }
        let class = &mut ranked[usize::from(is_positive(label))];
        class.push(u64::from(key(score)) << 32 | class.len() as u64);
    }
    ranked.iter_mut().for_each(|class| sort_by_key(class, key_of));
    Some(ranked)
}

/// The upper half of a ranked row.
pub(crate) fn key_of(item: u64) -> u32 {
    (item >> 32) as u32
}

/// For each of `own`, in row order, the share of `other` that it beats; and twice the number of wins in all.
fn shares(own: &[u64], other: &[u64]) -> (Vec<f64>, u64) {
    let mut shares = vec![0.0; own.len()];
    let mut sum = 0;
    let each = |item: u64, twice| {
        shares[item as u32 as usize] = twice as f64 / 2.0 / other.len() as f64;
        sum += twice;
    };
    each_twice_wins(own, other, key_of, each);
    (shares, sum)
}

/// `None` for fewer than two values.
fn sample_covariance(xs: &[f64], x_mean: f64, ys: &[f64], y_mean: f64) -> Option<f64> {
    let sum: f64 = xs.iter().zip(ys).map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    (xs.len() > 1).then(|| sum / (xs.len() - 1) as f64)
}

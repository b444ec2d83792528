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
//!
//! That is the jackknife that leaves out one row at a time, within each class; and the jackknife is what W. Yao, Z. Li, B. I.
//! Graubard, "Estimation of ROC curve with complex survey data", Statistics in Medicine 34(8), 2015, take for rows with
//! weights, where DeLong's formula does not hold. Without positive i the weighted AUC is (W θ - wᵢ Vᵢ) / (W - wᵢ), W = Σ w of
//! the positives, so
//!
//! Var θ = (P - 1)/P Σ (wᵢ (Vᵢ - θ) / (W - wᵢ))², and as much of the negatives,
//!
//! with V and θ by weight: a formula again, and DeLong's where weights are equal. A row is one draw whatever it weighs, so to
//! repeat a row is another AUC's error than to weigh it: the AUC is the same, but there are not more rows.

use crate::auc::share_won;
use crate::normal::two_sided_quantile;
use crate::order::{Ranked, assert_same_rows, each_twice_wins, is_positive, key};
use crate::radix::sort_by_key;
use crate::weights::{Amount, Present, Weight, amount};

/// The AUC of one model on one set of rows, with what DeLong's method needs to give it an error or compare it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeLong {
    pub(crate) auc: f64,
    pub(crate) positives: Vec<f64>,
    pub(crate) negatives: Vec<f64>,
    /// Weights of the negatives and of the positives, each of mean 1, where they differ.
    pub(crate) weights: Option<[Vec<f64>; 2]>,
}

impl DeLong {
    /// Ranks the rows, by one sort.
    ///
    /// With weights the AUC is that of [`auc`](crate::auc()) with weights, and its error the jackknife's, which without them
    /// is DeLong's: it takes each row as one draw, whatever its weight. A row of weight 0 is absent.
    ///
    /// `None` if there is no positive row, no negative row, or a NaN among the scores.
    ///
    /// # Panics
    /// If `scores`, `labels` and `weights` differ in length, or there are 2³² rows or more.
    pub fn new(scores: &[f32], labels: &[f32], weights: Option<&[f32]>) -> Option<Self> {
        let present = Present::new(weights, scores.len())?;
        let (scores, labels) = (present.of(scores), present.of(labels));
        match present.weights() {
            None => Self::of_ranked(&ranked(&scores, &labels, |_| ())?),
            Some(weights) => Self::of_ranked(&ranked(&scores, &labels, |row| weights[row])?),
        }
    }

    /// The same from rows that are [`ranked`] already; `None` if a class is absent.
    pub(crate) fn of_ranked<W: Weight>([negatives, positives]: &[Ranked<u64, W>; 2]) -> Option<Self> {
        if negatives.is_empty() || positives.is_empty() {
            return None;
        }
        let (positive_shares, twice_wins) = shares(positives, negatives);
        let (negative_shares, _) = shares(negatives, positives);
        Some(Self {
            auc: share_won(twice_wins, amount(positives), amount(negatives)),
            positives: positive_shares,
            negatives: negative_shares.into_iter().map(|share| 1.0 - share).collect(),
            weights: (!W::ALIKE).then(|| [relative(negatives), relative(positives)]),
        })
    }

    /// The average of several models on the same rows, such as one configuration trained from several seeds.
    ///
    /// Its [`auc`](Self::auc) is the mean AUC, and its error that of the mean over draws of *rows*. How much the AUC
    /// varies from seed to seed is not in it: see [`Seeds`](crate::Seeds).
    ///
    /// `None` if `models` is empty, or they differ in their number of positive or negative rows, or in weights.
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
            weights: first.weights.clone(),
        })
    }

    /// The area under the ROC curve: the same number as [`auc`](crate::auc()).
    pub fn auc(&self) -> f64 {
        self.auc
    }

    /// V₁₀: for each positive row, in row order, the share of negatives (by weight) that it scores above, ties ½.
    pub fn positives(&self) -> &[f64] {
        &self.positives
    }

    /// V₀₁: for each negative row, in row order, the share of positives (by weight) that score above it, ties ½.
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
    /// `None` if class counts or weights differ, or a class has a single row.
    pub fn covariance(&self, other: &Self) -> Option<f64> {
        if !self.same_classes(other) {
            return None;
        }
        let of_class = |class: usize, placements: fn(&Self) -> &[f64]| {
            let weights = self.weights.as_ref().map(|weights| &weights[class][..]);
            let (own, others) = (placements(self), placements(other));
            Some(sample_covariance((own, self.auc), (others, other.auc), weights)? / own.len() as f64)
        };
        Some(of_class(1, Self::positives)? + of_class(0, Self::negatives)?)
    }

    pub(crate) fn same_classes(&self, other: &Self) -> bool {
        self.positives.len() == other.positives.len()
            && self.negatives.len() == other.negatives.len()
            && self.weights == other.weights
    }
}

/// The negative and the positive rows, each by score; `None` if there is a NaN among the scores.
///
/// The key above, the position within the class below: one integer to sort, and the row order survives.
pub(crate) fn ranked<W: Weight>(
    scores: &[f32],
    labels: &[f32],
    weight: impl Fn(usize) -> W,
) -> Option<[Ranked<u64, W>; 2]> {
    assert_same_rows(scores, labels);
    assert!(u32::try_from(scores.len()).is_ok(), "rows must number less than 2^32");
    let mut ranked = [Vec::new(), Vec::new()];
    for (row, (&score, &label)) in scores.iter().zip(labels).enumerate() {
        if score.is_nan() {
            return None;
        }
        let class = &mut ranked[usize::from(is_positive(label))];
        class.push((u64::from(key(score)) << 32 | class.len() as u64, weight(row)));
    }
    ranked.iter_mut().for_each(|class| sort_by_key(class, |row| key_of(row.0)));
    Some(ranked)
}

/// The upper half of a ranked row.
pub(crate) fn key_of(item: u64) -> u32 {
    (item >> 32) as u32
}

/// For each of `own`, in row order, the share of `other` that it beats; and twice the pairs won in all.
fn shares<W: Weight>(own: &[(u64, W)], other: &[(u64, W)]) -> (Vec<f64>, W::Sum) {
    let mut shares = vec![0.0; own.len()];
    let mut sum = W::Sum::default();
    let all = amount(other).to_f64();
    let each = |(item, weight): (u64, W), twice: W::Sum| {
        shares[item as u32 as usize] = twice.to_f64() / 2.0 / all;
        sum += weight.amount() * twice;
    };
    each_twice_wins(own, other, key_of, each);
    (shares, sum)
}

/// The weights of a class, in row order, over their mean.
fn relative<W: Weight>(class: &[(u64, W)]) -> Vec<f64> {
    let mut relative = vec![0.0; class.len()];
    let mean = amount(class).to_f64() / class.len() as f64;
    for &(item, weight) in class {
        relative[item as u32 as usize] = weight.amount().to_f64() / mean;
    }
    relative
}

/// Of two models' values, each with their mean; `None` for fewer than two values, or one that has all weight.
fn sample_covariance(
    (xs, x_mean): (&[f64], f64),
    (ys, y_mean): (&[f64], f64),
    weights: Option<&[f64]>,
) -> Option<f64> {
    let count = xs.len() as f64;
    let products = xs.iter().zip(ys).map(|(x, y)| (x - x_mean) * (y - y_mean));
    let sum: f64 = match weights {
        None => products.sum(),
        // wᵢ (P - 1) / (W - wᵢ), which is 1 where weights are equal; here W is P.
        Some(weights) => {
            let moved = |weight: &f64| weight * (count - 1.0) / (count - weight);
            products.zip(weights).map(|(product, weight)| product * moved(weight).powi(2)).sum()
        }
    };
    // A row beside which the others weigh nothing cannot be left out.
    (xs.len() > 1 && sum.is_finite()).then(|| sum / (count - 1.0))
}

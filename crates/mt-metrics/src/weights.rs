//! Weights of rows: which rows count, and how much.

use std::borrow::Cow;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Sub};

/// The rows that count of those that were given.
pub(crate) struct Present<'a> {
    /// Their positions, where some row has the weight 0.
    kept: Option<Vec<usize>>,
    /// Their weights, where these differ: rows that all count alike count one each.
    weights: Option<Cow<'a, [f32]>>,
}

impl<'a> Present<'a> {
    /// `None` if a weight is negative or not finite: then every metric is undefined.
    ///
    /// # Panics
    /// Unless there is one weight for each of the `rows`.
    #[track_caller]
    pub fn new(weights: Option<&'a [f32]>, rows: usize) -> Option<Self> {
        let Some(weights) = weights else { return Some(Self { kept: None, weights: None }) };
        assert_eq!(weights.len(), rows, "there must be one weight for each row");
        if !weights.iter().all(|&weight| weight >= 0.0 && weight.is_finite()) {
            return None;
        }
        let kept = weights
            .contains(&0.0)
            .then(|| (0..rows).filter(|&row| weights[row] > 0.0).collect::<Vec<usize>>());
        let present = gather(&kept, weights, 1);
        let differ = present.windows(2).any(|pair| pair[0] != pair[1]);
        Some(Self { weights: differ.then_some(present), kept })
    }

    /// A column's values of these rows.
    pub fn of<'b, T: Copy>(&self, column: &'b [T]) -> Cow<'b, [T]> {
        gather(&self.kept, column, 1)
    }

    /// The same where each row has `width` values.
    pub fn of_wide<'b, T: Copy>(&self, values: &'b [T], width: usize) -> Cow<'b, [T]> {
        gather(&self.kept, values, width)
    }

    /// Weights of these rows; `None` if all count alike.
    pub fn weights(&self) -> Option<&[f32]> {
        self.weights.as_deref()
    }
}

fn gather<'b, T: Copy>(kept: &Option<Vec<usize>>, values: &'b [T], width: usize) -> Cow<'b, [T]> {
    match kept {
        None => Cow::Borrowed(values),
        Some(kept) => kept.iter().flat_map(|row| &values[row * width..][..width]).copied().collect(),
    }
}

/// What all rows count; `None` if they count alike, for the summaries to tell.
pub(crate) fn total(weights: Option<&[f32]>) -> Option<f64> {
    weights.map(|weights| weights.iter().map(|&weight| f64::from(weight)).sum())
}

/// The sum of a value of each row.
pub(crate) fn sum(values: impl Iterator<Item = f64>, weights: Option<&[f32]>) -> f64 {
    match weights {
        None => values.sum(),
        Some(weights) => values.zip(weights).map(|(value, &weight)| value * f64::from(weight)).sum(),
    }
}

/// What the rows count of which `which` holds.
pub(crate) fn count(which: impl Iterator<Item = bool>, weights: Option<&[f32]>) -> f64 {
    match weights {
        None => which.filter(|&which| which).count() as f64,
        Some(weights) => which.zip(weights).filter(|row| row.0).map(|(_, &weight)| f64::from(weight)).sum(),
    }
}

/// The mean of a value of each row; `None` of no rows, or a NaN among the values.
pub(crate) fn mean(values: impl ExactSizeIterator<Item = f64>, weights: Option<&[f32]>) -> Option<f64> {
    let rows = total(weights).unwrap_or(values.len() as f64);
    // No rows (0 / 0) is NaN too.
    Some(sum(values, weights) / rows).filter(|mean| !mean.is_nan())
}

/// What a row counts where rows are ranked: nothing that takes memory if all count alike.
pub(crate) trait Weight: Copy + Default {
    /// What several rows count, and pairs of rows.
    type Sum: Amount;
    /// Whether all rows count alike.
    const ALIKE: bool;

    fn amount(self) -> Self::Sum;
}

/// Rows that all count alike are counted, in integers.
impl Weight for () {
    type Sum = u64;
    const ALIKE: bool = true;

    fn amount(self) -> u64 {
        1
    }
}

impl Weight for f32 {
    type Sum = f64;
    const ALIKE: bool = false;

    fn amount(self) -> f64 {
        f64::from(self)
    }
}

/// A number of rows or the sum of their weights; products are of pairs of rows.
pub(crate) trait Amount:
    Copy + Default + PartialOrd + AddAssign + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Sum
{
    fn to_f64(self) -> f64;
}

impl Amount for u64 {
    fn to_f64(self) -> f64 {
        self as f64
    }
}

impl Amount for f64 {
    fn to_f64(self) -> f64 {
        self
    }
}

/// What ranked rows count.
pub(crate) fn amount<K: Copy, W: Weight>(rows: &[(K, W)]) -> W::Sum {
    rows.iter().map(|row| row.1.amount()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_without_weight_are_gone_and_equal_weights_are_none() {
        let present = Present::new(Some(&[0.5, 0.0, 0.5]), 3).unwrap();
        assert_eq!(present.of(&[1, 2, 3])[..], [1, 3]);
        assert_eq!(present.of_wide(&[1, 2, 3, 4, 5, 6], 2)[..], [1, 2, 5, 6]);
        assert_eq!(present.weights(), None);
        let present = Present::new(Some(&[0.5, -0.0, 0.25]), 3).unwrap();
        assert_eq!(present.weights(), Some(&[0.5, 0.25][..]));
    }

    #[test]
    fn rows_that_all_count_are_not_copied() {
        assert!(matches!(Present::new(Some(&[1.0, 2.0]), 2).unwrap().of(&[1, 2]), Cow::Borrowed(_)));
    }

    #[test]
    fn a_weight_below_zero_or_not_finite_is_refused() {
        for weight in [-1.0, f32::NAN, f32::INFINITY] {
            assert!(Present::new(Some(&[1.0, weight]), 2).is_none());
        }
    }
}

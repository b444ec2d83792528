//! AUC of a stream of probabilities, in constant memory and with a known error: for training logs.

use crate::histogram::{self, Bin};
use crate::order::{assert_same_rows, is_positive};
use crate::weights::Amount;

/// Bins in each octave (factor of two) of the odds: scores closer than 0.4 % of their probability may tie.
const PER_OCTAVE_LOG2: u32 = 8;
/// Octaves from ½ down; below 2⁻²⁵ lies no `1 - p` that an `f32` p can express.
const OCTAVES: u32 = 24;
const LOWEST: u32 = (0.5 / (1 << OCTAVES) as f32).to_bits();
const SHIFT: u32 = f32::MANTISSA_DIGITS - 1 - PER_OCTAVE_LOG2;
/// Bins below ½; as many above, and ½ has its own.
const HALF: usize = (OCTAVES << PER_OCTAVE_LOG2) as usize;
const BINS: usize = 2 * HALF + 1;

/// A histogram of probabilities from which AUC follows, within [`error_bound`](Self::error_bound) of the exact one.
///
/// Bins are fine where probabilities are extreme, as log-odds are, at both ends alike: 256 to each halving of `p`
/// below ½ and of `1 - p` above. A task with one positive in a thousand is as well resolved as a balanced one, which
/// equal bins of `p` don't achieve. The bin is read off the bits of the float, so a row costs a few nanoseconds.
/// Takes 192 KiB, twice as much with weights: rows that weigh what the first does are counted, weights of others summed.
///
/// ```
/// use mt_metrics::{StreamingAuc, auc};
///
/// let probabilities = [0.011, 0.012, 0.013, 0.014];
/// let labels = [0.0, 1.0, 0.0, 1.0];
/// let mut streaming = StreamingAuc::new();
/// for (&probability, &label) in probabilities.iter().zip(&labels) {
///     streaming.add(probability, label, 1.0);
/// }
/// assert_eq!(streaming.auc(), auc(&probabilities, &labels, None));
/// ```
#[derive(Debug, Clone)]
pub struct StreamingAuc {
    /// Of the rows that are counted: that of the first; NaN before it.
    weight: f32,
    rows: Box<[Bin<u64>]>,
    /// What the rows of other weights weigh.
    others: Option<Box<[Bin<f64>]>>,
    undefined: bool,
}

impl Default for StreamingAuc {
    fn default() -> Self {
        Self { weight: f32::NAN, rows: vec![[0; 2]; BINS].into(), others: None, undefined: false }
    }
}

impl StreamingAuc {
    /// Holds no rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one row of a `weight`, usually 1; one of weight 0, whose label may be missing, does not count.
    ///
    /// A probability outside `[0, 1]` counts as the nearer end. A NaN, or a weight that is negative or not finite, makes
    /// [`auc`](Self::auc) undefined.
    #[inline]
    pub fn add(&mut self, probability: f32, label: f32, weight: f32) {
        if weight == self.weight {
            self.undefined |= probability.is_nan();
            self.rows[bin(probability)][usize::from(is_positive(label))] += 1;
        } else if weight != 0.0 {
            self.add_other(probability, label, weight);
        }
    }

    /// Counts a row that is the first, or does not weigh what the first does.
    fn add_other(&mut self, probability: f32, label: f32, weight: f32) {
        if !(weight > 0.0 && weight.is_finite()) {
            self.undefined = true;
        } else if self.weight.is_nan() {
            self.weight = weight;
            self.add(probability, label, weight);
        } else {
            self.undefined |= probability.is_nan();
            self.others()[bin(probability)][usize::from(is_positive(label))] += f64::from(weight);
        }
    }

    fn others(&mut self) -> &mut [Bin<f64>] {
        self.others.get_or_insert_with(|| vec![[0.0; 2]; BINS].into())
    }

    /// Counts a batch, such as one of a task with its mask; what rows of weight 0 hold, NaN included, doesn't matter.
    ///
    /// # Panics
    /// If `probabilities`, `labels` and `weights` differ in length.
    pub fn push(&mut self, probabilities: &[f32], labels: &[f32], weights: Option<&[f32]>) {
        assert_same_rows(probabilities, labels);
        let rows = probabilities.iter().zip(labels);
        match weights {
            None => rows.for_each(|(&probability, &label)| self.add(probability, label, 1.0)),
            Some(weights) => {
                assert_eq!(weights.len(), labels.len(), "there must be one weight for each row");
                rows.zip(weights).for_each(|((&p, &label), &weight)| self.add(p, label, weight));
            }
        }
    }

    /// Takes over the rows of another, as if they had all been counted here.
    pub fn merge(&mut self, other: &Self) {
        self.undefined |= other.undefined;
        if self.weight.is_nan() {
            self.weight = other.weight;
        }
        if self.weight == other.weight {
            add_bins(&mut self.rows, other.rows.iter().copied());
        } else if !other.weight.is_nan() {
            add_bins(self.others(), other.rows.iter().map(|&rows| weigh(rows, other.weight)));
        }
        if let Some(others) = &other.others {
            add_bins(self.others(), others.iter().copied());
        }
    }

    /// Forgets all rows.
    pub fn reset(&mut self) {
        self.rows.fill([0; 2]);
        (self.weight, self.others, self.undefined) = (f32::NAN, None, false);
    }

    /// The AUC, rows of one bin counting as ties; `None` if a class is absent, or a NaN was counted.
    pub fn auc(&self) -> Option<f64> {
        match self.weights() {
            _ if self.undefined => None,
            None => histogram::auc(&self.rows),
            Some(weights) => histogram::auc(&weights),
        }
    }

    /// How far [`auc`](Self::auc) can be from the exact AUC of the same rows; `None` where that is `None`.
    ///
    /// ½ Σ_b P_b N_b / (P N): only pairs that share a bin b are in doubt, and each of them, counted as ½, by ½ at most.
    pub fn error_bound(&self) -> Option<f64> {
        let share = match self.weights() {
            _ if self.undefined => None,
            None => histogram::tied_share(&self.rows),
            Some(weights) => histogram::tied_share(&weights),
        };
        share.map(|share| share / 2.0)
    }

    /// What all rows weigh; `None` if all weigh the same.
    fn weights(&self) -> Option<Box<[Bin<f64>]>> {
        let mut all = self.others.clone()?;
        add_bins(&mut all, self.rows.iter().map(|&rows| weigh(rows, self.weight)));
        Some(all)
    }
}

/// What the rows of a bin weigh.
fn weigh(rows: Bin<u64>, weight: f32) -> Bin<f64> {
    rows.map(|rows| rows as f64 * f64::from(weight))
}

fn add_bins<A: Amount>(bins: &mut [Bin<A>], others: impl Iterator<Item = Bin<A>>) {
    for (bin, other) in bins.iter_mut().zip(others) {
        *bin = [bin[0] + other[0], bin[1] + other[1]];
    }
}

/// The bin of a probability: its bits from the exponent's down, counted from the nearer of the two ends.
#[inline]
fn bin(probability: f32) -> usize {
    // Exact above ½ (Sterbenz), so the order of probabilities is kept.
    let from_end = probability.min(1.0 - probability);
    let bits = (from_end.to_bits() as i32).clamp(LOWEST as i32, 0.5f32.to_bits() as i32) as u32;
    let steps = ((bits - LOWEST) >> SHIFT) as usize;
    if probability <= 0.5 { steps } else { BINS - 1 - steps }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_keep_the_order_of_probabilities() {
        let mut last = 0;
        for step in 0..=1_000_000 {
            let bin = bin(step as f32 / 1e6);
            assert!(last <= bin && bin < BINS);
            last = bin;
        }
    }

    #[test]
    fn the_ends_and_the_middle_have_the_bins_expected() {
        assert_eq!([0.0, 0.5, 1.0].map(bin), [0, HALF, BINS - 1]);
        assert_eq!([-0.0, -3.0, f32::NEG_INFINITY].map(bin), [0; 3]);
        assert_eq!([1.5, f32::INFINITY].map(bin), [BINS - 1; 2]);
        assert!(bin(f32::NAN) < BINS);
    }

    #[test]
    fn both_ends_are_resolved_alike() {
        for probability in [1e-7, 0.001, 0.01, 0.1, 0.3, 0.499] {
            let mirrored = 1.0 - probability;
            assert_eq!(bin(1.0 - mirrored), BINS - 1 - bin(mirrored));
        }
    }

    #[test]
    fn probabilities_half_a_percent_apart_never_tie() {
        for exponent in 1..23 {
            let probability = 0.3 / (1 << exponent) as f32;
            assert_ne!(bin(probability), bin(probability * 1.005));
        }
    }
}

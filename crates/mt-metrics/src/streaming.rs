//! AUC of a stream of probabilities, in constant memory and with a known error: for training logs.

use crate::histogram::{self, Bin};
use crate::order::{assert_same_rows, is_positive};

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
/// Takes 192 KiB.
///
/// ```
/// use mt_metrics::{StreamingAuc, auc};
///
/// let probabilities = [0.011, 0.012, 0.013, 0.014];
/// let labels = [0.0, 1.0, 0.0, 1.0];
/// let mut streaming = StreamingAuc::new();
/// for (&probability, &label) in probabilities.iter().zip(&labels) {
///     streaming.add(probability, label);
/// }
/// assert_eq!(streaming.auc(), auc(&probabilities, &labels));
/// ```
#[derive(Debug, Clone)]
pub struct StreamingAuc {
    bins: Box<[Bin]>,
    nans: bool,
}

impl Default for StreamingAuc {
    fn default() -> Self {
        Self { bins: vec![[0, 0]; BINS].into(), nans: false }
    }
}

impl StreamingAuc {
    /// Holds no rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one row. A value outside `[0, 1]` counts as the nearer end; a NaN makes [`auc`](Self::auc) undefined.
    #[inline]
    pub fn add(&mut self, probability: f32, label: f32) {
        self.nans |= probability.is_nan();
        self.bins[bin(probability)][usize::from(is_positive(label))] += 1;
    }

    /// Counts a batch.
    ///
    /// # Panics
    /// If `probabilities` and `labels` differ in length.
    pub fn push(&mut self, probabilities: &[f32], labels: &[f32]) {
        assert_same_rows(probabilities, labels);
        for (&probability, &label) in probabilities.iter().zip(labels) {
            self.add(probability, label);
        }
    }

    /// Counts the rows of a batch whose mask isn't 0; what the others hold, NaN included, doesn't matter.
    ///
    /// # Panics
    /// If `probabilities`, `labels` and `mask` differ in length.
    pub fn push_masked(&mut self, probabilities: &[f32], labels: &[f32], mask: &[f32]) {
        assert_same_rows(probabilities, labels);
        assert_eq!(
            probabilities.len(),
            mask.len(),
            "probabilities and mask must have the same number of rows"
        );
        for ((&probability, &label), &mask) in probabilities.iter().zip(labels).zip(mask) {
            if mask != 0.0 {
                self.add(probability, label);
            }
        }
    }

    /// Takes over the rows of another, as if they had all been counted here.
    pub fn merge(&mut self, other: &Self) {
        self.nans |= other.nans;
        for (bin, other) in self.bins.iter_mut().zip(&other.bins) {
            *bin = [bin[0] + other[0], bin[1] + other[1]];
        }
    }

    /// Forgets all rows.
    pub fn reset(&mut self) {
        self.nans = false;
        self.bins.fill([0, 0]);
    }

    /// The AUC, rows of one bin counting as ties; `None` if a class is absent, or a NaN was counted.
    pub fn auc(&self) -> Option<f64> {
        if self.nans { None } else { histogram::auc(&self.bins) }
    }

    /// How far [`auc`](Self::auc) can be from the exact AUC of the same rows; `None` where that is `None`.
    ///
    /// ½ Σ_b P_b N_b / (P N): only pairs that share a bin b are in doubt, and each of them, counted as ½, by ½ at most.
    pub fn error_bound(&self) -> Option<f64> {
        if self.nans { None } else { histogram::tied_share(&self.bins).map(|share| share / 2.0) }
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

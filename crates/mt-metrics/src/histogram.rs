//! AUC from counts: rows of one bin tie, bins are ordered.

use crate::weights::Amount;

/// What the rows of one bin count: negatives, then positives.
pub(crate) type Bin<A> = [A; 2];

/// AUC of the binned rows, ties ½, from the lowest bin to the highest; `None` if a class is absent.
pub(crate) fn auc<A: Amount>(bins: &[Bin<A>]) -> Option<f64> {
    let mut negatives_below = A::default();
    let mut twice_wins = A::default();
    for &[negatives, positives] in bins {
        twice_wins += positives * (negatives_below + negatives_below + negatives);
        negatives_below += negatives;
    }
    // At most 1, whatever the weights are rounded to.
    Some((twice_wins.to_f64() / 2.0 / pairs(bins)?).min(1.0))
}

/// The share of all (positive, negative) pairs that tie; `None` if a class is absent.
pub(crate) fn tied_share<A: Amount>(bins: &[Bin<A>]) -> Option<f64> {
    let tied: A = bins.iter().map(|&[negatives, positives]| negatives * positives).sum();
    Some(tied.to_f64() / pairs(bins)?)
}

fn pairs<A: Amount>(bins: &[Bin<A>]) -> Option<f64> {
    let none = A::default();
    let [negatives, positives] = bins.iter().fold([none; 2], |sum, bin| [sum[0] + bin[0], sum[1] + bin[1]]);
    (negatives > none && positives > none).then_some(negatives.to_f64() * positives.to_f64())
}

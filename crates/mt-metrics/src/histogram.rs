//! AUC from counts: rows of one bin tie, bins are ordered.

/// Rows of one bin: negatives, then positives.
pub(crate) type Bin = [u64; 2];

/// AUC of the binned rows, ties ½, from the lowest bin to the highest; `None` if a class is absent.
pub(crate) fn auc(bins: &[Bin]) -> Option<f64> {
    let mut negatives_below = 0;
    let mut twice_wins = 0;
    for [negatives, positives] in bins {
        twice_wins += positives * (2 * negatives_below + negatives);
        negatives_below += negatives;
    }
    Some(twice_wins as f64 / 2.0 / pairs(bins)?)
}

/// The share of all (positive, negative) pairs that tie; `None` if a class is absent.
pub(crate) fn tied_share(bins: &[Bin]) -> Option<f64> {
    let tied: u64 = bins.iter().map(|[negatives, positives]| negatives * positives).sum();
    Some(tied as f64 / pairs(bins)?)
}

fn pairs(bins: &[Bin]) -> Option<f64> {
    let [negatives, positives] = bins.iter().fold([0, 0], |sum, bin| [sum[0] + bin[0], sum[1] + bin[1]]);
    (negatives > 0 && positives > 0).then_some(negatives as f64 * positives as f64)
}

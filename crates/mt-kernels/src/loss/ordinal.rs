//! Where the logits of thresholds begin.

/// The logit of the share of labels that are above threshold `k`, from 0, of `thresholds` at quantiles of equal frequency. It is added to
/// what the network says of that threshold, so that 0 is what all labels say, as it is of labels that are standardised.
pub fn ordinal_base(k: usize, thresholds: usize) -> f32 {
    libm::log(thresholds.saturating_sub(k) as f64 / (k + 1) as f64) as f32
}

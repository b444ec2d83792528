//! Log loss, and log loss relative to knowing the base rate alone.

use crate::order::{assert_same_rows, is_positive};

/// Mean of -ln(probability of the label that came), in nats.
///
/// Probabilities are cut to `[ε, 1 - ε]`, ε = 2⁻²³ ≈ 1.2e-7 (`f32::EPSILON`, as scikit-learn does with 32-bit
/// input), so one confident mistake costs 15.9 at most; [`log_loss_from_logits`] has no such limit.
///
/// `None` if there are no rows, or a NaN among the probabilities.
///
/// # Panics
/// If `probabilities` and `labels` differ in length.
pub fn log_loss(probabilities: &[f32], labels: &[f32]) -> Option<f64> {
    mean(probabilities, labels, |probability, positive| {
        let probability = f64::from(probability.clamp(f32::EPSILON, 1.0 - f32::EPSILON));
        if positive { -probability.ln() } else { -(-probability).ln_1p() }
    })
}

/// [`log_loss`] of sigmoid(logits), exact for logits of any size: ln(1 + e⁻ᶻ) for a positive row, ln(1 + eᶻ) else.
///
/// `None` if there are no rows, or a NaN among the logits.
///
/// # Panics
/// If `logits` and `labels` differ in length.
pub fn log_loss_from_logits(logits: &[f32], labels: &[f32]) -> Option<f64> {
    mean(logits, labels, |logit, positive| {
        let z = f64::from(if positive { -logit } else { logit });
        z.max(0.0) + (-z.abs()).exp().ln_1p()
    })
}

/// [`log_loss`] divided by the entropy of the base rate: 1 is no better than always predicting that rate, 0 perfect.
///
/// X. He et al., "Practical lessons from predicting clicks on ads at Facebook", ADKDD 2014, eq. 1. Unlike log loss
/// it can be compared between tasks whose base rates differ.
///
/// `None` if a class is absent, or there is a NaN among the probabilities.
///
/// # Panics
/// If `probabilities` and `labels` differ in length.
pub fn normalised_entropy(probabilities: &[f32], labels: &[f32]) -> Option<f64> {
    let positives = labels.iter().filter(|&&label| is_positive(label)).count();
    Some(log_loss(probabilities, labels)? / base_entropy(labels.len(), positives)?)
}

/// Entropy of a label, in nats, of which `positives` in `rows` are positive; `None` if a class is absent.
pub(crate) fn base_entropy(rows: usize, positives: usize) -> Option<f64> {
    let rate = positives as f64 / rows as f64;
    (0 < positives && positives < rows).then(|| -rate * rate.ln() - (1.0 - rate) * (-rate).ln_1p())
}

fn mean(xs: &[f32], labels: &[f32], loss: impl Fn(f32, bool) -> f64) -> Option<f64> {
    assert_same_rows(xs, labels);
    let sum: f64 = xs.iter().zip(labels).map(|(&x, &label)| loss(x, is_positive(label))).sum();
    // No rows (0 / 0) is NaN too.
    Some(sum / xs.len() as f64).filter(|mean| !mean.is_nan())
}

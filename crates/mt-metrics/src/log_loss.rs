//! Log loss, and log loss relative to knowing the base rate alone.

use crate::order::{assert_same_rows, is_positive};
use crate::weights::{self, Present, count, total};

/// Mean of -ln(probability of the label that came), in nats; with weights their weighted mean.
///
/// Probabilities are cut to `[ε, 1 - ε]`, ε = 2⁻²³ ≈ 1.2e-7 (`f32::EPSILON`, as scikit-learn does with 32-bit
/// input), so one confident mistake costs 15.9 at most; [`log_loss_from_logits`] has no such limit.
///
/// `None` if there are no rows, or a NaN among the probabilities.
///
/// # Panics
/// If `probabilities`, `labels` and `weights` differ in length.
pub fn log_loss(probabilities: &[f32], labels: &[f32], weights: Option<&[f32]>) -> Option<f64> {
    mean(probabilities, labels, weights, |probability, positive| {
        let probability = f64::from(probability.clamp(f32::EPSILON, 1.0 - f32::EPSILON));
        if positive { -probability.ln() } else { -(-probability).ln_1p() }
    })
}

/// [`log_loss`] of sigmoid(logits), exact for logits of any size: ln(1 + e⁻ᶻ) for a positive row, ln(1 + eᶻ) else.
///
/// `None` if there are no rows, or a NaN among the logits.
///
/// # Panics
/// If `logits`, `labels` and `weights` differ in length.
pub fn log_loss_from_logits(logits: &[f32], labels: &[f32], weights: Option<&[f32]>) -> Option<f64> {
    mean(logits, labels, weights, |logit, positive| {
        let z = f64::from(if positive { -logit } else { logit });
        z.max(0.0) + (-z.abs()).exp().ln_1p()
    })
}

/// [`log_loss`] divided by the entropy of the base rate: 1 is no better than always predicting that rate, 0 perfect.
///
/// X. He et al., "Practical lessons from predicting clicks on ads at Facebook", ADKDD 2014, eq. 1. Unlike log loss
/// it can be compared between tasks whose base rates differ. With weights that rate is weighted too.
///
/// `None` if a class is absent, or there is a NaN among the probabilities.
///
/// # Panics
/// If `probabilities`, `labels` and `weights` differ in length.
pub fn normalised_entropy(probabilities: &[f32], labels: &[f32], weights: Option<&[f32]>) -> Option<f64> {
    let loss = log_loss(probabilities, labels, weights)?;
    let present = Present::new(weights, labels.len())?;
    Some(loss / base_entropy(&present.of(labels), present.weights())?)
}

/// Entropy of a label, in nats; `None` if a class is absent.
pub(crate) fn base_entropy(labels: &[f32], weights: Option<&[f32]>) -> Option<f64> {
    let positives = count(labels.iter().map(|&label| is_positive(label)), weights);
    let rows = total(weights).unwrap_or(labels.len() as f64);
    let rate = positives / rows;
    (0.0 < positives && positives < rows).then(|| -rate * rate.ln() - (1.0 - rate) * (-rate).ln_1p())
}

fn mean(xs: &[f32], labels: &[f32], weights: Option<&[f32]>, loss: impl Fn(f32, bool) -> f64) -> Option<f64> {
    assert_same_rows(xs, labels);
    let present = Present::new(weights, labels.len())?;
    let (xs, labels) = (present.of(xs), present.of(labels));
    weights::mean(xs.iter().zip(&*labels).map(|(&x, &label)| loss(x, is_positive(label))), present.weights())
}

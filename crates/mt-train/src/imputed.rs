//! The loss of a task over rows that have no label of it, too: what a head of its own estimates of them, and where there is a label how
//! far that is off, by the inverse of the probability to be seen.
//!
//! `Σ w·(δ̂ + (o/p)·e + (o/p)·e²) / Σ w`, `e = δ - δ̂`, `δ` the cross-entropy of the task's label, `δ̂ = ln(1 + e^z)` of the head's logit
//! `z`, with `w` the weights of the rows that `p`'s own task has a label in, `o` whether the task has one, and `p` its probability
//!
//! H. Wang et al., *ESCM²: Entire Space Counterfactual Multi-Task Model for Post-Click Conversion Rate Estimation*, SIGIR 2022,
//! section 3.3: its doubly robust regulariser, which is right on average if either `p` or `δ̂` is. The first two terms are that mean;
//! the third is what the head learns from. Differs from the paper: `δ̂` is never below 0, as `δ` is not, and no gradient passes through
//! `p`. A batch in which the task has no label adds nothing.

use candle_core::{Result, Tensor};
use mt_layers::{exp, ln, sigmoid};
use mt_models::LossRows;

use crate::apart::Column;

/// The loss of the logits `(B, 2)` of the task and of the head beside it: a scalar. The mask of `own` is `w·o/p`, that of `all` `w`.
pub(crate) fn mean(logits: &Tensor, own: Column<'_>, all: Column<'_>) -> Result<Tensor> {
    let of = |values: &[f32], Column { task, tasks, .. }: Column<'_>| -> Vec<f32> {
        values.iter().skip(task).step_by(tasks).copied().collect()
    };
    let (labels, observed, all) = (of(own.labels, own), of(own.mask, own), of(all.mask, all));
    let total: f64 = all.iter().map(|weight| f64::from(*weight)).sum();
    if total == 0.0 || observed.iter().all(|weight| *weight == 0.0) {
        return LossRows::nothing(logits);
    }
    // What stands where there is no label may be no number.
    let labels = labels.iter().zip(&observed).map(|(&label, &weight)| if weight > 0.0 { label } else { 0.0 });
    let column = |values: Vec<f32>| {
        let shape = (values.len(), 1);
        Tensor::from_vec(values, shape, logits.device())?.to_dtype(logits.dtype())
    };
    // What is not contiguous would be computed by the platform's functions.
    let [z, of_imputed] = [logits.narrow(1, 0, 1)?.contiguous()?, logits.narrow(1, 1, 1)?.contiguous()?];
    let labels = column(labels.collect())?;
    let (observed, all) = (column(observed)?, column(all)?);
    let error = (softplus(&z)? - (z * labels)?)?;
    let imputed = softplus(&of_imputed)?;
    let off = (error - &imputed)?;
    let off = (&off + off.sqr()?)?;
    ((imputed * all)? + (off * observed)?)?.sum_all()? / total
}

/// `ln(1 + eˣ)` of each value, without an overflow, with the slope `1 / (1 + e⁻ˣ)` everywhere.
fn softplus(xs: &Tensor) -> Result<Tensor> {
    let at = xs.detach();
    let value = (at.relu()? + ln(&exp(&at.abs()?.neg()?)?.affine(1.0, 1.0)?)?)?;
    ((xs - &at)? * sigmoid(&at)?)? + value
}

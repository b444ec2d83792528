//! Several batches a step: their gradients are added up before the optimizer moves.
//!
//! The gradient is that of one batch of all their rows, up to rounding. A task's loss is a mean over its labelled rows of
//! the whole step, so a batch counts for a task by its share of these, `Σ mask` of the batch over `Σ mask` of the step: a
//! row without a label weighs nothing, as in a single batch, and a task whose labels are all in one batch has the mean of
//! that batch.

use candle_core::Tensor;
use mt_layers::{Gradients, Run};

use crate::balance::{Balancer, Collected};
use crate::error::Result;
use crate::labelled::Labelled;
use crate::objective::Objective;

/// The rows of several batches, one after the other. No step looks at their groups any more.
pub(crate) fn together(batches: Vec<Labelled>) -> Labelled {
    let append = |mut all: Labelled, mut next: Labelled| {
        all.rows += next.rows;
        all.labels.append(&mut next.labels);
        all.mask.append(&mut next.mask);
        all
    };
    let none = Labelled { rows: 0, labels: Vec::new(), mask: Vec::new(), groups: None };
    batches.into_iter().reduce(append).unwrap_or(none)
}

/// Adds the gradients of a step's batches to the parameters' slots; `forward` gives the logits of one by its number.
///
/// A step of several has fixed weights of its tasks, as `train.accumulate` demands.
pub(crate) fn collect(
    balancer: &mut Balancer,
    gradients: &Gradients,
    objective: &Objective,
    batches: &[Labelled],
    run: &mut Run,
    forward: impl Fn(usize, &mut Run) -> candle_core::Result<Tensor>,
) -> Result<Collected> {
    if let [batch] = batches {
        return balancer.collect(gradients, objective, batch, run, |run| forward(0, run));
    }
    let (mut totals, mut losses, mut logits) = (Vec::new(), Vec::new(), Vec::new());
    let rows: usize = batches.iter().map(|batch| batch.rows).sum();
    for (part, (batch, shares)) in batches.iter().zip(shares(objective, batches)).enumerate() {
        let weighed = |run: &mut Run| {
            let own = forward(part, run)?;
            let loss = objective.weighted(&own, batch, &shares);
            let loss = loss.map_err(candle_core::Error::wrap)?;
            let shares: Vec<f32> = shares.iter().map(|share| *share as f32).collect();
            losses.push((loss.tasks * Tensor::new(shares, own.device())?)?);
            logits.push(own.detach());
            Ok(loss.total)
        };
        let share = batch.rows as f64 / rows as f64;
        totals.push(gradients.collect(run, |run| objective.with_importance(share, run, weighed))?);
    }
    let sum = |parts: &[Tensor]| Tensor::stack(parts, 0)?.sum(0);
    Ok(Collected { total: sum(&totals)?, losses: sum(&losses)?, logits: Tensor::cat(&logits, 0)? })
}

/// Of each batch the share of each task's labels in the step that are in it.
fn shares(objective: &Objective, batches: &[Labelled]) -> Vec<Vec<f64>> {
    let counts: Vec<Vec<f64>> = batches.iter().map(|batch| objective.label_weights(&batch.mask)).collect();
    let of = |task: usize, own: f64| {
        let all: f64 = counts.iter().map(|counts| counts[task]).sum();
        if all > 0.0 { own / all } else { 0.0 }
    };
    counts.iter().map(|own| own.iter().enumerate().map(|(task, own)| of(task, *own)).collect()).collect()
}

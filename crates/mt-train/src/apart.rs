//! Losses that are computed apart from those of the other tasks: those of one's own.

use candle_core::{DType, Result, Tensor, bail};
use mt_layers::Loss;
use mt_models::{LossRows, Target, TaskLoss};

/// The labels of a task among those of all, `(B, T)`, row-major.
#[derive(Clone, Copy)]
pub(crate) struct Column<'a> {
    pub labels: &'a [f32],
    pub mask: &'a [f32],
    pub task: usize,
    /// `T`.
    pub tasks: usize,
}

/// The mean loss of a task with the logits `(B, k)` over the rows that have a label. Those of a regression are brought from the
/// scale `target` to its labels' unit first.
pub(crate) fn mean(
    loss: &dyn TaskLoss,
    logits: &Tensor,
    (column, groups): (Column<'_>, Option<&[u32]>),
    target: Option<&Target>,
) -> Result<Tensor> {
    let Column { labels, mask, task, tasks } = column;
    let of = |values: &[f32], rows: &[u32]| -> Vec<f32> {
        rows.iter().map(|&row| values[row as usize * tasks + task]).collect()
    };
    let all = logits.dim(0)?;
    let rows: Vec<u32> = (0..all as u32).filter(|&row| mask[row as usize * tasks + task] > 0.0).collect();
    if rows.is_empty() {
        // With a slope, of 0, as a fused loss has: not to be told from it by optimizers.
        return LossRows::nothing(logits);
    }
    let groups: Option<Vec<u32>> = groups.map(|all| rows.iter().map(|&row| all[row as usize]).collect());
    let (labels, weights) = (of(labels, &rows), of(mask, &rows));
    let own = match rows.len() == all {
        true => logits.clone(),
        false => logits.index_select(&Tensor::new(rows, logits.device())?, 0)?,
    };
    let own = match target {
        Some(Target { mean, sd, .. }) => own.affine(*sd, *mean)?,
        None => own,
    };
    let found = loss.forward(&LossRows::new(&own, (&labels, &weights), groups.as_deref())?)?;
    if found.rank() != 0 {
        bail!("{loss:?} gives a loss {:?}; expected a scalar", found.shape())
    }
    Ok(found)
}

/// The loss of all tasks: of those that were computed together, if there are any, and of the others' `means` by their weights.
pub(crate) fn sum(fused: Option<Loss>, means: Vec<Option<Tensor>>, weights: &[f32]) -> Result<Loss> {
    let (mut total, mut all, mut at) = (None, Vec::with_capacity(means.len()), 0);
    if let Some(fused) = &fused {
        total = Some(fused.total.clone());
    }
    for (mean, &weight) in means.into_iter().zip(weights) {
        match (mean, &fused) {
            (Some(mean), _) => {
                all.push(mean.detach().to_dtype(DType::F32)?);
                let term = (mean * f64::from(weight))?;
                total = Some(match total {
                    Some(total) => (total + term)?,
                    None => term,
                });
            }
            (None, Some(fused)) => {
                all.push(fused.tasks.get(at)?);
                at += 1;
            }
            (None, None) => bail!("a task without a loss"),
        }
    }
    match total {
        Some(total) => Ok(Loss::new(total, Tensor::stack(&all, 0)?)),
        None => bail!("a loss of no tasks"),
    }
}

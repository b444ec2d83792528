//! Rows of a task's sample space that count for those that were not to be seen: by the inverse of the probability to be in it.
//!
//! `Σ o·w·ℓ / Σ o·w`, `w = 1 / max(p, 0.01)`, with `o` whether a row has a label and `p` what the model predicts of that
//!
//! H. Wang et al., *ESCM²: Entire Space Counterfactual Multi-Task Model for Post-Click Conversion Rate Estimation*, SIGIR 2022,
//! section 3.2: its regulariser by inverse propensities, a task of its own here. Differs from the paper: the sum is divided by that of
//! the weights, not by the number of rows, which varies less (A. Swaminathan and T. Joachims, *The Self-Normalized Estimator for
//! Counterfactual Learning*, NIPS 2015). No gradient passes through `p`.

use candle_core::{DType, Device, Result, Tensor};
use mt_features::Task;
use mt_kernels::simd::sigmoid;

/// A probability below this counts as this: a row is worth a hundred others at most.
const LEAST: f32 = 0.01;

/// A task, and what its rows are weighed by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Propensity {
    pub task: usize,
    /// The task of the probability, and its column of the logits.
    pub of: usize,
    pub column: usize,
}

/// Those of these pairs, `cvr` by `click`; `columns` are the logits of each task.
pub(crate) fn propensities<'a>(
    of: impl Iterator<Item = (&'a str, &'a str)>,
    tasks: &[Task],
    columns: &[Vec<usize>],
) -> Vec<Propensity> {
    let place = |name: &str| tasks.iter().position(|task| task.name == name);
    let before = |task: usize| columns[..task].iter().map(Vec::len).sum();
    let found = |(task, of)| {
        let of = place(of)?;
        Some(Propensity { task: place(task)?, of, column: before(of) })
    };
    of.filter_map(found).collect()
}

/// The mask `(B, T)` with rows weighed by the inverse of what the logits `(B, L)` say.
pub(crate) fn weighed(all: &[Propensity], mask: &[f32], logits: &Tensor) -> Result<Vec<f32>> {
    let (rows, columns) = logits.dims2()?;
    let logits =
        logits.detach().to_device(&Device::Cpu)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
    let (mut weighed, tasks) = (mask.to_vec(), mask.len() / rows.max(1));
    for Propensity { task, column, .. } in all {
        for (mask, logits) in weighed.chunks_exact_mut(tasks).zip(logits.chunks_exact(columns)) {
            mask[*task] /= sigmoid(logits[*column]).max(LEAST);
        }
    }
    Ok(weighed)
}

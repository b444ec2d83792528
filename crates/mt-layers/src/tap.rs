//! Gradients task by task at what the tasks share, and one pass with their mixture below it.
//!
//! Methods that weigh the tasks' gradients against each other need each task's own. One backward pass a task through
//! the whole model would cost as many steps as there are tasks. Sener & Koltun, *Multi-Task Learning as Multi-Objective
//! Optimization*, NeurIPS 2018, section 3.3, take the gradients of the shared representation instead: that is a pass a
//! task through the towers, and then a single one through all that lies below, however large its embedding tables.
//!
//! A trunk says where that is by [`Run::tap`]: everything that passes from the lower to the upper part of the model.

use std::ops::Range;

use candle_core::{DType, Result, Tensor, Var, bail};
use mt_kernels::by_task;

use crate::fused::loss::known;

use crate::fused::{readable, with_all};
use crate::gradients::{Gradients, end};
use crate::run::Run;

/// Whether a model that `forward` runs says what its tasks share: whether it has a [tap](Run::tap) of at least one shared column.
///
/// # Errors
/// Whatever `forward` fails with.
pub fn shares(forward: impl FnOnce(&mut Run) -> Result<Tensor>) -> Result<bool> {
    let (_, cuts) = Run::evaluation().cut(forward)?;
    Ok(cuts.iter().any(|cut| !cut.shared.is_empty()))
}

impl Gradients {
    /// As [`Gradients::collect`], but what the tasks share gets `Σ_t weights_t · G_t`, with `G_t` the gradient of task
    /// `t`'s part of the loss; everything else gets the gradient of the loss as it is.
    ///
    /// `forward` gives the logits `(B, L)`, of which task `t` has `columns[t]`; `loss` gives their scalar loss, a sum
    /// over the tasks, and whatever is to be kept of it. `weigh` gets that and the inner products `G_a · G_b` `(T, T)`,
    /// row-major, and returns the weights. Returns the loss, detached, and what was kept.
    ///
    /// With all weights 1 the gradients are those of [`Gradients::collect`], up to rounding. A model without a [tap](Run::tap)
    /// shares nothing, and all products are 0: see [`shares`].
    ///
    /// # Errors
    /// Whatever `forward`, `loss` or candle's backward pass fails with, and if sizes do not fit.
    pub fn collect_by_task<K>(
        &self,
        run: &mut Run,
        columns: &[usize],
        forward: impl FnOnce(&mut Run) -> Result<Tensor>,
        loss: impl FnOnce(&Tensor) -> Result<(Tensor, K)>,
        weigh: impl FnOnce(&K, &[f64]) -> Vec<f64>,
    ) -> Result<(Tensor, K)> {
        let ((logits, cuts), leaves) = self.forward(run, |run| run.cut(forward))?;
        if logits.dim(1)? != columns.iter().sum::<usize>() {
            bail!("{:?} logits of tasks with {columns:?} each", logits.shape())
        }
        let leaf = Var::from_tensor(&logits.detach())?;
        let (total, kept) = loss(&leaf)?;
        let slopes = match total.backward()?.remove(&leaf) {
            Some(slopes) => slopes,
            None => logits.zeros_like()?,
        };
        let mut parts: Vec<Vec<Tensor>> = cuts.iter().map(|_| Vec::with_capacity(columns.len())).collect();
        let (mut at, all) = (0, logits.dim(1)?);
        for &width in columns {
            let own = slopes.narrow(1, at, width)?.pad_with_zeros(1, at, all - at - width)?;
            at += width;
            let mut found = known(&logits, own)?.backward()?;
            self.add(&found, &leaves)?;
            for (cut, parts) in cuts.iter().zip(&mut parts) {
                parts.push(match found.remove(&cut.above) {
                    Some(gradient) => gradient,
                    None => cut.above.zeros_like()?,
                });
            }
        }
        let mut gram = vec![0.0; columns.len() * columns.len()];
        for (cut, parts) in cuts.iter().zip(&parts).filter(|(cut, _)| !cut.shared.is_empty()) {
            add_products(parts, &cut.shared, &mut gram)?;
        }
        let weights = weigh(&kept, &gram);
        if weights.len() != columns.len() {
            bail!("{} weights of {} tasks", weights.len(), columns.len())
        }
        let mut below: Option<Tensor> = None;
        for (cut, parts) in cuts.iter().zip(&parts).filter(|(cut, _)| cut.below.track_op()) {
            let term = known(&cut.below, mixed(parts, &cut.shared, &weights)?)?;
            below = Some(match below {
                Some(sum) => (sum + term)?,
                None => term,
            });
        }
        if let Some(below) = below {
            self.add(&below.backward()?, &leaves)?;
        }
        end(leaves)?;
        Ok((total.detach(), kept))
    }
}

/// Adds the inner products of the tasks' gradients over the columns `shared` to `gram` `(T, T)`.
fn add_products(parts: &[Tensor], shared: &Range<usize>, gram: &mut [f64]) -> Result<()> {
    if parts.iter().all(readable) {
        let width = parts[0].dim(1)?;
        return with_all(parts, |parts| {
            by_task::add_products(parts, width, shared, gram);
            Ok(())
        });
    }
    let rows = parts.iter().map(|part| part.narrow(1, shared.start, shared.len())?.flatten_all());
    let rows = Tensor::stack(&rows.collect::<Result<Vec<_>>>()?, 0)?.to_dtype(DType::F64)?;
    let products = rows.matmul(&rows.t()?)?.flatten_all()?.to_vec1::<f64>()?;
    gram.iter_mut().zip(products).for_each(|(sum, product)| *sum += product);
    Ok(())
}

/// The sum of the tasks' gradients, weighted in the columns `shared`.
fn mixed(parts: &[Tensor], shared: &Range<usize>, weights: &[f64]) -> Result<Tensor> {
    let (_, width) = parts[0].dims2()?;
    let factor = |weight: f64, c: usize| if shared.contains(&c) { weight as f32 } else { 1.0 };
    let factors: Vec<Vec<f32>> =
        weights.iter().map(|&weight| (0..width).map(|c| factor(weight, c)).collect()).collect();
    if parts.iter().all(readable) {
        let sum = with_all(parts, |parts| Ok(by_task::mixed(parts, &factors)))?;
        return Tensor::from_vec(sum, parts[0].shape(), parts[0].device());
    }
    let mut sum = parts[0].zeros_like()?;
    for (part, factors) in parts.iter().zip(factors) {
        let factors = Tensor::from_vec(factors, width, part.device())?.to_dtype(part.dtype())?;
        sum = (sum + part.broadcast_mul(&factors)?)?;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn parts(dtype: DType) -> Result<Vec<Tensor>> {
        let part = |task: usize| {
            let values = (0..5 * 37).map(|i| ((i * 7 + task * 31) % 23) as f32 / 11.0 - 1.0);
            Tensor::from_vec(values.collect::<Vec<_>>(), (5, 37), &Device::Cpu)?.to_dtype(dtype)
        };
        (0..3).map(part).collect()
    }

    #[test]
    fn kernels_and_compositions_agree() -> Result<()> {
        let (fast, slow) = (parts(DType::F32)?, parts(DType::F64)?);
        for shared in [0..37, 4..29, 36..37] {
            let [mut a, mut b] = [[0.0; 9]; 2];
            add_products(&fast, &shared, &mut a)?;
            add_products(&slow, &shared, &mut b)?;
            a.iter().zip(b).for_each(|(a, b)| approx::assert_relative_eq!(*a, b, epsilon = 1e-5));
            let weights = [0.5, -2.0, 3.0];
            let (a, b) = (mixed(&fast, &shared, &weights)?, mixed(&slow, &shared, &weights)?);
            let b = b.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
            let a = a.flatten_all()?.to_vec1::<f32>()?;
            a.iter().zip(b).for_each(|(a, b)| approx::assert_relative_eq!(*a, b, epsilon = 1e-5));
        }
        Ok(())
    }

    #[test]
    fn outside_of_a_collection_a_tap_is_nothing() -> Result<()> {
        let xs = Tensor::ones((2, 3), DType::F32, &Device::Cpu)?;
        assert_eq!(Run::training().tap(xs.clone(), 0..3)?.id(), xs.id());
        Ok(())
    }
}

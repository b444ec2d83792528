//! How a model runs: what a pass is for, where its gradients go, who looks at what, and what left the fast path.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor, Var, bail};
use mt_kernels::scratch::Scratch;

use crate::cut::Cut;
use crate::detour::{Detour, Why};
use crate::leaf::{Below, Leaf};
use crate::noted::{Mixed, Traced};
use crate::slot::{Slot, Slots};

/// What a pass through a model is for. Only [`Norm::Batch`](crate::Norm::Batch) asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Purpose {
    /// Predictions: running statistics.
    #[default]
    Evaluation,
    /// A training step: the batch's statistics, which move the running ones.
    Training,
    /// A further look at a step's batch: its statistics, and nothing moves, so that each batch moves the running ones once
    /// however often it is looked at.
    Look,
}

/// What every layer of a model is handed beside its input. A layer of one's own hands it on to the layers that it is made of.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use mt_layers::{Bank, Initializer, Input, Params, Run};
///
/// let params = Params::new(42);
/// let vb = params.builder(DType::F32, &Device::Cpu);
/// let bank = Bank::experts(10, 4, &[16], Initializer::Xavier, vb)?;
/// let xs = Input::from(Tensor::ones((3, 10), DType::F32, &Device::Cpu)?);
/// // A prediction, and a training step: the loss is computed by `forward`, its gradients go to the parameters' slots.
/// let mut run = Run::evaluation();
/// assert_eq!(bank.forward(&xs, &mut run)?.dims(), [3, 64]);
/// params.backward(|run| bank.forward(&xs, run)?.sqr()?.mean_all())?;
/// assert!(params.all().iter().all(|param| param.gradient.lock().touched));
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Run {
    purpose: Purpose,
    collection: Option<Collection>,
    cuts: Option<Vec<Cut>>,
    traced: Option<Vec<Traced>>,
    mixed: Option<Vec<Mixed>>,
    imbalances: Option<Vec<Tensor>>,
    detours: Option<Vec<Detour>>,
}

/// Gradients that are being collected.
#[derive(Debug)]
struct Collection {
    slots: Arc<Slots>,
    /// What fused operations made, in the order in which they did.
    leaves: Vec<Leaf>,
}

impl Run {
    /// A pass for predictions.
    pub fn evaluation() -> Self {
        Self::default()
    }

    /// The pass of a training step.
    pub fn training() -> Self {
        Self { purpose: Purpose::Training, ..Self::default() }
    }

    /// A further pass over a training step's batch.
    pub fn look() -> Self {
        Self { purpose: Purpose::Look, ..Self::default() }
    }

    /// What the pass is for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Runs `forward` and returns what each layer with parameters in it made, from the input up.
    ///
    /// # Errors
    /// Whatever `forward` fails with.
    pub fn trace<T>(&mut self, forward: impl FnOnce(&mut Self) -> Result<T>) -> Result<(T, Vec<Traced>)> {
        self.noting(|run| &mut run.traced, forward)
    }

    /// Runs `forward` and returns what each mixture in it read, from the input up.
    ///
    /// # Errors
    /// Whatever `forward` fails with.
    pub fn observe<T>(&mut self, forward: impl FnOnce(&mut Self) -> Result<T>) -> Result<(T, Vec<Mixed>)> {
        self.noting(|run| &mut run.mixed, forward)
    }

    /// Runs `forward` and returns the importance loss, a scalar to differentiate, of all gates in it; `None` where no gate has
    /// a choice. See [`Mixture::imbalance`](crate::Mixture::imbalance).
    ///
    /// # Errors
    /// Whatever `forward` fails with.
    pub fn importance<T>(
        &mut self,
        forward: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<(T, Option<Tensor>)> {
        let (out, imbalances) = self.noting(|run| &mut run.imbalances, forward)?;
        let mut imbalances = imbalances.into_iter();
        let first = imbalances.next();
        let total = first.map(|first| imbalances.try_fold(first, |all, next| all + next)).transpose()?;
        Ok((out, total))
    }

    /// Runs `forward` and returns what in it left the fast path, and why: each place once.
    ///
    /// # Errors
    /// Whatever `forward` fails with.
    pub fn detours<T, E>(
        &mut self,
        forward: impl FnOnce(&mut Self) -> std::result::Result<T, E>,
    ) -> std::result::Result<(T, Vec<Detour>), E> {
        self.noting(|run| &mut run.detours, forward)
    }

    /// Marks what the upper part of a model reads of its lower part, `(B, C)`, of which the tasks share the columns `shared`.
    ///
    /// Returns the tensor itself, at no cost, but inside [`Gradients::collect_by_task`](crate::Gradients::collect_by_task) and
    /// [`shares`](crate::shares).
    ///
    /// # Errors
    /// If the columns are not there.
    pub fn tap(&mut self, xs: Tensor, shared: std::ops::Range<usize>) -> Result<Tensor> {
        let Some(cuts) = &mut self.cuts else { return Ok(xs) };
        if shared.start > shared.end || shared.end > xs.dim(1)? {
            bail!("columns {shared:?} of {:?} are not shared", xs.shape())
        }
        let above = Var::from_tensor(&xs.detach())?;
        let read = above.as_tensor().clone();
        cuts.push(Cut { below: xs, above, shared });
        Ok(read)
    }

    /// Runs `forward` and returns where it was cut.
    pub(crate) fn cut<T>(&mut self, forward: impl FnOnce(&mut Self) -> Result<T>) -> Result<(T, Vec<Cut>)> {
        self.noting(|run| &mut run.cuts, forward)
    }

    /// Runs `f` while gradients are being collected to `slots`, and returns what it gives and the leaves that were made.
    pub(crate) fn collecting<T>(
        &mut self,
        slots: Arc<Slots>,
        f: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<(T, Vec<Leaf>)> {
        let before = self.collection.replace(Collection { slots, leaves: Vec::new() });
        let out = f(self);
        let leaves = std::mem::replace(&mut self.collection, before).map_or_else(Vec::new, |own| own.leaves);
        Ok((out?, leaves))
    }

    /// Whether gradients are being collected.
    pub(crate) fn collects(&self) -> bool {
        self.collection.is_some()
    }

    /// Where gradients of `parameter` go, if they are being collected.
    pub(crate) fn slot_of(&self, parameter: &Tensor) -> Option<Slot> {
        self.collection.as_ref()?.slots.get(&parameter.id()).cloned()
    }

    /// A tensor on the CPU that takes part in autograd while gradients are being collected: `receive` gets it and its gradient,
    /// if it has one, in the end: the leaf made last comes first, so that it can add to the gradients of those made before.
    /// Elsewhere it is a constant.
    ///
    /// # Errors
    /// If there are not as many values as the shape says.
    pub fn leaf(
        &mut self,
        values: Vec<f32>,
        shape: (usize, usize),
        receive: impl FnOnce(&Tensor, Scratch) -> Result<()> + 'static,
    ) -> Result<Tensor> {
        let Some(collection) = &mut self.collection else {
            return Tensor::from_vec(values, shape, &Device::Cpu);
        };
        let (tensor, leaf) = Leaf::new(values, shape, receive)?;
        collection.leaves.push(leaf);
        Ok(tensor)
    }

    /// Where the gradient of `xs` goes.
    pub(crate) fn below(&self, xs: &Tensor) -> Below {
        let leaves = self.collection.as_ref().map_or(&[][..], |collection| &collection.leaves);
        leaves.iter().find(|leaf| leaf.is(xs)).map(Leaf::below).unwrap_or_default()
    }

    /// Why layers must run one by one, if they must.
    pub(crate) fn looks_between(&self) -> Option<Why> {
        self.traced.is_some().then_some(Why::Traced)
    }

    /// Why a level's experts and gates must be at hand, if they must.
    pub(crate) fn looks_at_mixtures(&self) -> Option<Why> {
        (self.mixed.is_some() || self.imbalances.is_some()).then_some(Why::Observed)
    }

    /// Whether a tap cuts.
    pub(crate) fn cuts(&self) -> bool {
        self.cuts.is_some()
    }

    /// Notes what a layer made, if someone looks.
    pub(crate) fn traced<'a>(
        &mut self,
        parameters: impl IntoIterator<Item = &'a Tensor>,
        output: impl FnOnce() -> Result<Tensor>,
    ) -> Result<()> {
        note(&mut self.traced, || {
            let parameters = parameters.into_iter().cloned().collect();
            Ok(Traced { parameters, output: output()?.detach() })
        })
    }

    /// Notes what a mixture reads, and how unevenly its gates use their experts, if someone looks.
    pub(crate) fn mixes(
        &mut self,
        mixed: impl FnOnce() -> Result<Mixed>,
        imbalance: impl FnOnce() -> Result<Option<Tensor>>,
    ) -> Result<()> {
        note(&mut self.mixed, mixed)?;
        if let Some(imbalances) = &mut self.imbalances {
            imbalances.extend(imbalance()?);
        }
        Ok(())
    }

    /// Notes that the layers whose first parameter is `parameter` left the fast path.
    pub(crate) fn left(&mut self, parameter: &Tensor, why: Why) {
        let Some(detours) = &mut self.detours else { return };
        let detour = Detour { parameter: parameter.clone(), why };
        if !detours.iter().any(|other| other.parameter.id() == parameter.id() && other.why == why) {
            detours.push(detour);
        }
    }

    /// Runs `f` while a list is kept, and returns the list; then whatever was before it holds again.
    fn noting<T, N, E>(
        &mut self,
        notes: impl Fn(&mut Self) -> &mut Option<Vec<N>>,
        f: impl FnOnce(&mut Self) -> std::result::Result<T, E>,
    ) -> std::result::Result<(T, Vec<N>), E> {
        let before = notes(self).replace(Vec::new());
        let out = f(self);
        let noted = std::mem::replace(notes(self), before).unwrap_or_default();
        Ok((out?, noted))
    }
}

/// Adds what `value` gives, if someone wants it.
fn note<T>(notes: &mut Option<Vec<T>>, value: impl FnOnce() -> Result<T>) -> Result<()> {
    if let Some(notes) = notes {
        notes.push(value()?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;
    use crate::{Bank, Initializer, Input, Mixture, Params, Towers};

    #[test]
    fn mixtures_are_seen_inside_only() -> Result<()> {
        let mixture = Mixture::new(2, vec![vec![0, 1], vec![1]], 1.0)?;
        let experts = Tensor::new(&[[1f32, 2.0, 3.0, 4.0]], &Device::Cpu)?;
        let logits = Tensor::new(&[[0f32, 0.0, 5.0]], &Device::Cpu)?;
        mixture.forward(&experts, &logits, &mut Run::evaluation())?;
        let (out, seen) = Run::evaluation().observe(|run| mixture.forward(&experts, &logits, run))?;
        assert_eq!(out.to_vec2::<f32>()?, [[2.0, 3.0, 3.0, 4.0]]);
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].weights.to_vec2::<f32>()?, [[0.5, 0.5, 1.0]]);
        assert_eq!((seen[0].width, &seen[0].gates), (2, &vec![vec![0, 1], vec![1]]));
        Ok(())
    }

    #[test]
    fn layers_are_traced_from_the_input_up_with_their_parameters() -> Result<()> {
        let params = Params::new(1);
        let vb = params.builder(DType::F32, &Device::Cpu);
        let bank = Bank::experts(3, 2, &[4, 5], Initializer::Xavier, vb.pp("experts"))?;
        let towers = Towers::new(5, &[2], [("a", 1), ("b", 1)], Initializer::Xavier, vb.pp("towers"))?;
        let xs = Input::from(Tensor::ones((7, 3), DType::F32, &Device::Cpu)?);
        let (_, seen) = Run::evaluation().trace(|run| towers.forward(&bank.forward(&xs, run)?, run))?;
        let name = |traced: &Traced| {
            let all = params.all();
            let own = all.iter().find(|param| param.var.id() == traced.parameters[0].id());
            (own.map(|param| param.name.clone()).unwrap_or_default(), traced.output.dims().to_vec())
        };
        let seen: Vec<_> = seen.iter().map(name).collect();
        let expected = [
            ("experts.0.weight", vec![7, 8]),
            ("experts.1.weight", vec![7, 10]),
            ("towers.a.0.weight", vec![7, 2]),
            ("towers.a.1.weight", vec![7, 1]),
            ("towers.b.0.weight", vec![7, 2]),
            ("towers.b.1.weight", vec![7, 1]),
        ];
        assert_eq!(seen, expected.map(|(name, dims)| (name.to_owned(), dims)));
        Ok(())
    }
}

//! What is minimised: the tasks' losses, weighted.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::Tensor;
use mt_features::{Task, loss_columns};
use mt_layers::{Gradients, Loss, LossKind, LossTerm, MultiTaskLoss, Run};
use mt_models::{Coupling, Link, Target, TaskLoss};

use crate::apart::{self, Column};
use crate::config::Config;
use crate::error::Result;
use crate::imputed;
use crate::joint::Joint;
use crate::labelled::Labelled;
use crate::propensity::{Propensity, propensities, weighed};

/// The weighted sum of the tasks' masked mean losses.
#[derive(Debug, Clone)]
pub struct Objective {
    tasks: Vec<Term>,
    /// The heads' logits that the losses read, task after task; `None` where these are all, in order.
    columns: Option<Vec<u32>>,
    /// Tasks whose rows count by the inverse of a probability.
    propensities: Vec<Propensity>,
    /// What several tasks predict together.
    joint: Vec<Joint>,
    /// Of binary tasks' labels.
    smoothing: f32,
    /// Weight of the gates' importance loss.
    load_balance: f64,
}

/// What a task adds.
#[derive(Debug, Clone)]
struct Term {
    logits: usize,
    weight: f32,
    loss: Computed,
    /// How the label is scaled, if it is.
    scale: Option<(Target, Link)>,
}

/// How a loss is computed.
#[derive(Debug, Clone)]
enum Computed {
    /// With those of the other tasks.
    Fused(LossKind),
    /// Apart.
    Own(Arc<dyn TaskLoss>),
    /// Over the rows that this task has a label in, with the head that is imputed.
    Imputed(usize),
}

impl Objective {
    /// The objective that a configuration describes, on labels as they are.
    ///
    /// # Errors
    /// As [`Config::loss_of`].
    pub fn new(cfg: &Config, tasks: &[Task]) -> Result<Self> {
        Self::scaled(cfg, tasks, &BTreeMap::new())
    }

    /// The same on the scales of the regressions named in `targets`.
    ///
    /// # Errors
    /// As [`Config::loss_of`].
    pub fn scaled(cfg: &Config, tasks: &[Task], targets: &BTreeMap<String, Target>) -> Result<Self> {
        let links = cfg.links(tasks)?;
        let columns = loss_columns(tasks);
        let pairs = cfg.train.propensities.iter().map(|(task, written)| (task.as_str(), written.of.as_str()));
        let propensities = propensities(pairs, tasks, &columns);
        let term = |(task, columns): (&Task, &Vec<usize>)| {
            let own = propensities.iter().find(|own| tasks[own.task] == *task && task.imputed.is_some());
            let link = links.get(&task.name).copied().unwrap_or_default();
            let scale = targets.get(&task.name).map(|target| (target.clone(), link));
            let loss = cfg.loss_of(task)?;
            let loss = match (loss.fused(), &scale) {
                _ if let Some(own) = own => Computed::Imputed(own.of),
                (None, _) => Computed::Own(loss.into()),
                // Its labels are logarithms already.
                (Some(LossKind::LogMse), Some(_)) => Computed::Fused(LossKind::Mse),
                (Some(LossKind::Huber { delta }), Some((target, _))) => {
                    Computed::Fused(LossKind::Huber { delta: (f64::from(delta) / target.sd) as f32 })
                }
                (Some(kind), _) => Computed::Fused(kind),
            };
            let weight = cfg.train.task_weights.get(&task.name).copied().unwrap_or(1.0);
            Ok(Term { logits: columns.len(), weight, loss, scale })
        };
        let terms = tasks.iter().zip(&columns).map(term).collect::<Result<_>>()?;
        let chained = tasks.iter().any(|task| task.prediction.is_some() || task.imputed.is_some());
        Ok(Self {
            tasks: terms,
            columns: chained.then(|| columns.into_iter().flatten().map(|column| column as u32).collect()),
            propensities,
            joint: Joint::all(cfg, tasks)?,
            smoothing: cfg.train.label_smoothing as f32,
            load_balance: cfg.train.load_balance,
        })
    }

    /// How many tasks there are.
    pub(crate) fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Whether a loss may look at the groups of rows.
    pub(crate) fn reads_groups(&self) -> bool {
        !self.joint.is_empty() || self.tasks.iter().any(|task| matches!(task.loss, Computed::Own(_)))
    }

    /// Whether a loss compares the rows of a group, so that these have to be in one batch.
    pub(crate) fn couples_groups(&self) -> bool {
        let couples = |loss: &Arc<dyn TaskLoss>| loss.coupling() == Coupling::Group;
        self.joint.iter().any(Joint::couples_groups)
            || self.tasks.iter().any(|task| matches!(&task.loss, Computed::Own(loss) if couples(loss)))
    }

    /// Runs `forward` to logits and their loss, and returns the scalar to differentiate: with the gates' importance loss,
    /// `share` of it, if that is wanted.
    pub(crate) fn with_importance(
        &self,
        share: f64,
        run: &mut Run,
        forward: impl FnOnce(&mut Run) -> candle_core::Result<Tensor>,
    ) -> candle_core::Result<Tensor> {
        if self.load_balance == 0.0 {
            return forward(run);
        }
        let (total, importance) = run.importance(forward)?;
        let Some(importance) = importance else { return Ok(total) };
        total + (importance * (share * self.load_balance))?
    }

    /// The loss of the heads' logits `(B, L)`.
    ///
    /// # Errors
    /// If the sizes do not fit.
    pub fn loss(&self, logits: &Tensor, batch: &Labelled) -> Result<Loss> {
        self.weighted(logits, batch, &vec![1.0; self.tasks.len()])
    }

    /// The heads' logits as the losses read them, task after task: one that several tasks read comes as often.
    fn read(&self, logits: &Tensor) -> candle_core::Result<Tensor> {
        match &self.columns {
            Some(columns) => logits.index_select(&Tensor::new(&columns[..], logits.device())?, 1),
            None => Ok(logits.clone()),
        }
    }

    /// As [`Gradients::collect_by_task`], with `weigh` on each task's mean loss and the inner products. A head that several
    /// tasks read has a slope of each, which are kept apart until the tasks are weighed. Returns the loss, each task's mean
    /// loss `(T)` and the heads' logits, all detached.
    ///
    /// # Errors
    /// If sizes do not fit, or a tensor operation fails.
    pub(crate) fn collect_by_task(
        &self,
        gradients: &Gradients,
        batch: &Labelled,
        run: &mut Run,
        forward: impl FnOnce(&mut Run) -> candle_core::Result<Tensor>,
        weigh: impl FnOnce(&[f64], &[f64]) -> Vec<f64>,
    ) -> Result<(Tensor, Tensor, Tensor)> {
        let columns: Vec<usize> = self.tasks.iter().map(|task| task.logits).collect();
        let mut logits = None;
        let read = |run: &mut Run| {
            let own = forward(run)?;
            logits = Some(own.detach());
            self.read(&own)
        };
        let loss = |read: &Tensor| {
            let loss = self.of(read, batch, &vec![1.0; self.tasks.len()])?;
            let means = in_float64(&loss.tasks)?;
            Ok((loss.total, (loss.tasks, means)))
        };
        let weigh = |(_, means): &(Tensor, Vec<f64>), products: &[f64]| weigh(means, products);
        let (total, (means, _)) = gradients.collect_by_task(run, &columns, read, loss, weigh)?;
        let logits = logits.ok_or_else(|| candle_core::Error::Msg("no logits were computed".to_owned()))?;
        Ok((total, means, logits))
    }

    /// The same with the tasks' weights multiplied by `factors`.
    pub(crate) fn weighted(&self, logits: &Tensor, batch: &Labelled, factors: &[f64]) -> Result<Loss> {
        let logits = self.read(logits)?;
        let loss = self.of(&logits, batch, factors)?;
        let own = |task: usize| {
            let at = self.tasks[..task].iter().map(|task| task.logits).sum();
            let Term { logits: count, scale, loss, .. } = &self.tasks[task];
            // Behind its own, the head that is imputed.
            let count = if matches!(loss, Computed::Imputed(_)) { 1 } else { *count };
            Ok((logits.narrow(1, at, count)?.contiguous()?, scale.as_ref().map(|(target, _)| target)))
        };
        let joint = |total: Tensor, joint: &Joint| total + joint.weighted(batch, own)?;
        let total = self.joint.iter().try_fold(loss.total.clone(), joint)?;
        Ok(Loss::new(total, loss.tasks))
    }

    /// The loss of logits task by task.
    fn of(&self, logits: &Tensor, batch: &Labelled, factors: &[f64]) -> candle_core::Result<Loss> {
        let weighed = match &self.propensities[..] {
            [] => None,
            all => Some(Labelled { mask: weighed(all, &batch.mask, logits)?, ..batch.clone() }),
        };
        let (plain, batch) = (&batch.mask, weighed.as_ref().unwrap_or(batch));
        let weight = |(task, factor): (&Term, &f64)| (f64::from(task.weight) * factor) as f32;
        let weights = self.tasks.iter().zip(factors).map(weight);
        let fused = |(task, weight): (&Term, f32)| match task.loss {
            Computed::Fused(kind) => Some(LossTerm { logits: task.logits, weight, kind }),
            Computed::Own(_) | Computed::Imputed(_) => None,
        };
        let labels = &self.compared(&batch.labels);
        let terms: Option<Vec<LossTerm>> = self.tasks.iter().zip(weights.clone()).map(fused).collect();
        if let Some(terms) = terms {
            return MultiTaskLoss { tasks: &terms, labels, mask: &batch.mask }.forward(logits);
        }
        self.mixed(logits, (batch, labels, plain), &weights.collect::<Vec<_>>())
    }

    /// The same where some losses are computed apart; `plain` is the mask without propensities.
    fn mixed(
        &self,
        logits: &Tensor,
        (batch, labels, plain): (&Labelled, &[f32], &[f32]),
        weights: &[f32],
    ) -> candle_core::Result<Loss> {
        let tasks = self.tasks.len();
        let (mut at, mut terms, mut together, mut columns) = (0, Vec::new(), Vec::new(), Vec::new());
        let mut means: Vec<Option<Tensor>> = Vec::with_capacity(self.tasks.len());
        for (t, (task, &weight)) in self.tasks.iter().zip(weights).enumerate() {
            let own = || logits.narrow(1, at, task.logits)?.contiguous();
            let column = Column { labels, mask: &batch.mask, task: t, tasks };
            means.push(match &task.loss {
                Computed::Fused(kind) => {
                    terms.push(LossTerm { logits: task.logits, weight, kind: *kind });
                    together.push(t);
                    columns.extend((at..at + task.logits).map(|column| column as u32));
                    None
                }
                Computed::Own(loss) => {
                    let target = task.scale.as_ref().map(|(target, _)| target);
                    Some(apart::mean(&**loss, &own()?, (column, batch.groups.as_deref()), target)?)
                }
                Computed::Imputed(space) => {
                    Some(imputed::mean(&own()?, column, Column { mask: plain, task: *space, ..column })?)
                }
            });
            at += task.logits;
        }
        if terms.is_empty() {
            return apart::sum(None, means, weights);
        }
        let of = |values: &[f32]| -> Vec<f32> {
            values.chunks_exact(tasks).flat_map(|row| together.iter().map(|&t| row[t])).collect()
        };
        let logits = logits.index_select(&Tensor::new(columns, logits.device())?, 1)?;
        let (labels, mask) = (&of(labels)[..], &of(&batch.mask)[..]);
        let fused = MultiTaskLoss { tasks: &terms, labels, mask }.forward(&logits)?;
        apart::sum(Some(fused), means, weights)
    }

    /// Labels `(B, T)` as the losses get them: of binary tasks moved towards ½ by the share ε, `(1 - ε) · y + ε / 2`
    /// (C. Szegedy et al., *Rethinking the Inception Architecture for Computer Vision*, 2016, section 7, for two classes), of
    /// regressions on their scales. Losses of one's own get them as they are.
    fn compared<'a>(&self, labels: &'a [f32]) -> Cow<'a, [f32]> {
        if self.smoothing == 0.0 && self.tasks.iter().all(|task| task.scale.is_none()) {
            return Cow::Borrowed(labels);
        }
        let binary = |kind: LossKind| !matches!(kind, LossKind::Focal { .. }) && kind.is_binary();
        let smoothed = |label| (1.0 - self.smoothing) * label + self.smoothing / 2.0;
        let compared = |(task, &label): (&Term, &f32)| match (&task.loss, &task.scale) {
            (Computed::Fused(_), Some((target, link))) => target.scaled(*link, label),
            (Computed::Fused(kind), None) if !binary(*kind) => label,
            (Computed::Fused(_) | Computed::Imputed(_), None) => smoothed(label),
            _ => label,
        };
        self.tasks.iter().cycle().zip(labels).map(compared).collect()
    }

    /// The tasks with a weight and a label in a batch with this mask `(B, T)`.
    pub(crate) fn active(&self, mask: &[f32]) -> Vec<usize> {
        let takes_part = |&t: &usize| self.tasks[t].weight > 0.0 && self.has_labels(mask, t);
        (0..self.tasks.len()).filter(takes_part).collect()
    }

    /// Whether some task has no label at all in a batch with this mask `(B, T)`.
    pub(crate) fn lacks_labels(&self, mask: &[f32]) -> bool {
        (0..self.tasks.len()).any(|t| !self.has_labels(mask, t))
    }

    /// Sum of each task's mask in a batch with this mask `(B, T)`.
    pub(crate) fn label_weights(&self, mask: &[f32]) -> Vec<f64> {
        let of = |t: usize| mask.iter().skip(t).step_by(self.tasks.len()).map(|mask| f64::from(*mask)).sum();
        (0..self.tasks.len()).map(of).collect()
    }

    fn has_labels(&self, mask: &[f32], task: usize) -> bool {
        mask.iter().skip(task).step_by(self.tasks.len()).any(|mask| *mask != 0.0)
    }
}

/// What a tensor of one axis holds.
pub(crate) fn in_float64(values: &Tensor) -> candle_core::Result<Vec<f64>> {
    Ok(values.to_vec1::<f32>()?.into_iter().map(f64::from).collect())
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use mt_features::{TaskKind, heads};
    use mt_layers::{Input, Params};
    use mt_models::{ModelConfig, build};

    use super::*;

    #[test]
    fn a_head_of_several_tasks_gets_the_slopes_of_each_apart() -> Result<()> {
        let product = |name: &str, product: &str| Task {
            prediction: product.parse().ok(),
            ..Task::new(name, TaskKind::Binary)
        };
        let tasks = [
            Task::new("click", TaskKind::Binary),
            product("buy", "click * cvr"),
            product("keep", "click * cvr * x"),
        ];
        let params = Params::new(5);
        let cfg = ModelConfig::new("shared-bottom").with("bottom", vec![6]);
        let model = build(&cfg, 4, &heads(&tasks), params.builder(DType::F32, &Device::Cpu))?;
        let draw = |i: usize| (i as f32 * 0.618).fract() - 0.5;
        let xs = Tensor::from_vec((0..32).map(draw).collect(), (8, 4), &Device::Cpu)?;
        let labels: Vec<f32> = (0..24).map(|i| f32::from(u8::from(draw(i) > 0.1))).collect();
        let batch = Labelled { rows: 8, labels, mask: vec![1.0; 24], groups: None };
        let text = "{version: 1, data: {synth: {}}, tasks: [{name: click, label: 0}], model: {kind: mmoe}}";
        let plain = Config::parse(text, "test", &[])?;
        let forward = |run: &mut Run| model.forward(&Input::from(xs.clone()), run);
        let take = || -> BTreeMap<String, Vec<f32>> {
            let host = |param: mt_layers::Param| {
                let mut gradient = param.gradient.lock();
                let found = gradient.host.clone();
                gradient.reset();
                drop(gradient);
                (param.name, found)
            };
            params.all().into_iter().map(host).collect()
        };
        // All as it is, and then twice as much of one task in what the tasks share.
        for weights in [[1.0; 3], [1.0, 2.0, 0.0]] {
            let of = |(task, weight): (&Task, f32)| (task.name.clone(), weight);
            let mut factors = plain.clone();
            factors.train.task_weights = tasks.iter().zip(weights).map(of).collect();
            let gradients = |cfg: &Config| -> Result<BTreeMap<String, Vec<f32>>> {
                let objective = Objective::new(cfg, &tasks)?;
                params.backward(|run| {
                    let loss = objective.loss(&forward(run)?, &batch);
                    Ok(loss.map_err(candle_core::Error::wrap)?.total)
                })?;
                Ok(take())
            };
            let (weighted, all) = (gradients(&factors)?, gradients(&plain)?);
            let objective = Objective::new(&plain, &tasks)?;
            let weigh = |_: &[f64], products: &[f64]| {
                assert!(products.iter().all(|product| *product != 0.0), "{products:?}");
                weights.map(f64::from).to_vec()
            };
            let (gradients, run) = (params.gradients(), &mut Run::training());
            let (_, losses, logits) = objective.collect_by_task(&gradients, &batch, run, forward, weigh)?;
            assert_eq!((losses.dims1()?, logits.dims2()?), (3, (8, 3)));
            for (name, found) in take() {
                let expected = if name.starts_with("bottom") { &weighted[&name] } else { &all[&name] };
                approx::assert_abs_diff_eq!(found[..], expected[..], epsilon = 1e-6);
            }
        }
        Ok(())
    }
}

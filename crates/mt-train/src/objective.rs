//! What is minimised: the tasks' losses, weighted.

use std::borrow::Cow;
use std::collections::BTreeMap;

use candle_core::Tensor;
use mt_features::{Table, Task, logit_columns};
use mt_layers::{Gradients, Loss, LossKind, MultiTaskLoss, Run, TaskLoss};
use mt_models::{Link, Target};

use crate::config::TrainConfig;
use crate::error::{Error, Result};

/// The weighted sum of the tasks' masked mean losses.
#[derive(Debug, Clone)]
pub struct Objective {
    tasks: Vec<TaskLoss>,
    /// The heads' logits that the losses read, task after task; `None` where these are all, in order.
    columns: Option<Vec<u32>>,
    /// How the label of each task is scaled, if it is.
    scales: Vec<Option<(Target, Link)>>,
    /// Of binary tasks' labels.
    smoothing: f32,
    /// Weight of the gates' importance loss.
    load_balance: f64,
}

impl Objective {
    /// The objective that a configuration describes, on labels as they are.
    pub fn new(cfg: &TrainConfig, tasks: &[Task]) -> Self {
        Self::scaled(cfg, tasks, &BTreeMap::new())
    }

    /// The same on the scales of the regressions named in `targets`.
    pub fn scaled(cfg: &TrainConfig, tasks: &[Task], targets: &BTreeMap<String, Target>) -> Self {
        let scale = |task: &Task| Some((*targets.get(&task.name)?, Link::of(cfg.loss_of(task))));
        let columns = logit_columns(tasks);
        let loss = |(task, columns): (&Task, &Vec<usize>)| TaskLoss {
            logits: columns.len(),
            weight: cfg.task_weights.get(&task.name).copied().unwrap_or(1.0),
            kind: match (cfg.loss_of(task), scale(task)) {
                // Its labels are logarithms already.
                (LossKind::LogMse, Some(_)) => LossKind::Mse,
                (LossKind::Huber { delta }, Some((target, _))) => {
                    LossKind::Huber { delta: (f64::from(delta) / target.sd) as f32 }
                }
                (kind, _) => kind,
            },
        };
        let chained = tasks.iter().any(|task| task.prediction.is_some());
        Self {
            tasks: tasks.iter().zip(&columns).map(loss).collect(),
            columns: chained.then(|| columns.into_iter().flatten().map(|column| column as u32).collect()),
            scales: tasks.iter().map(scale).collect(),
            smoothing: cfg.label_smoothing as f32,
            load_balance: cfg.load_balance,
        }
    }

    /// Checks that each task's loss takes its labels in `table`, wherever that comes from.
    ///
    /// # Errors
    /// [`Error::Label`] for the first that it does not, and [`Error::Config`] for a loss that takes other outputs.
    pub(crate) fn check_labels(cfg: &TrainConfig, tasks: &[Task], table: &Table) -> Result<()> {
        for (t, task) in tasks.iter().enumerate() {
            let loss = cfg.loss_of(task);
            if task.prediction.is_none() && !loss.takes(task.kind.outputs()) {
                let problem = "the rows were read for a loss with other outputs, such as ziln; read them with this \
                               configuration";
                let at = format!("train.task_losses.{}", task.name);
                return Err(Error::Config { at, problem: problem.to_owned() });
            }
            let column = |values| <[f32]>::iter(values).skip(t).step_by(tasks.len()).copied();
            let labels = column(table.labels()).zip(column(table.mask()));
            if let (Some(row), expected) = loss.first_refused(task.kind.outputs(), labels) {
                let found = table.labels()[row * tasks.len() + t];
                return Err(Error::Label { task: task.name.clone(), row, expected, found });
            }
        }
        Ok(())
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
        match importance {
            Some(importance) => total + (importance * (share * self.load_balance))?,
            None => Ok(total),
        }
    }

    /// The loss of the heads' logits `(B, L)` for labels and mask `(B, T)`.
    ///
    /// # Errors
    /// If the sizes do not fit.
    pub fn loss(&self, logits: &Tensor, labels: &[f32], mask: &[f32]) -> Result<Loss> {
        self.of(&self.tasks, &self.read(logits)?, labels, mask)
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
        run: &mut Run,
        (labels, mask): (&[f32], &[f32]),
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
            let loss = self.of(&self.tasks, read, labels, mask).map_err(candle_core::Error::wrap)?;
            let means = in_float64(&loss.tasks)?;
            Ok((loss.total, (loss.tasks, means)))
        };
        let weigh = |(_, means): &(Tensor, Vec<f64>), products: &[f64]| weigh(means, products);
        let (total, (means, _)) = gradients.collect_by_task(run, &columns, read, loss, weigh)?;
        let logits = logits.ok_or_else(|| candle_core::Error::Msg("no logits were computed".to_owned()))?;
        Ok((total, means, logits))
    }

    /// The loss of logits task by task.
    fn of(&self, tasks: &[TaskLoss], logits: &Tensor, labels: &[f32], mask: &[f32]) -> Result<Loss> {
        let labels = &self.compared(labels);
        Ok(MultiTaskLoss { tasks, labels, mask }.forward(logits)?)
    }

    /// Labels `(B, T)` as the losses get them: of binary tasks moved towards ½ by the share ε, `(1 - ε) · y + ε / 2`
    /// (C. Szegedy et al., *Rethinking the Inception Architecture for Computer Vision*, 2016, section 7, for two classes), of
    /// regressions on their scales.
    fn compared<'a>(&self, labels: &'a [f32]) -> Cow<'a, [f32]> {
        if self.smoothing == 0.0 && self.scales.iter().all(Option::is_none) {
            return Cow::Borrowed(labels);
        }
        let binary = |task: &TaskLoss| !matches!(task.kind, LossKind::Focal { .. }) && task.kind.is_binary();
        let compared = |task: &TaskLoss, scale: &Option<(Target, Link)>, label: f32| match scale {
            Some((target, link)) => target.scaled(*link, label),
            None if binary(task) => (1.0 - self.smoothing) * label + self.smoothing / 2.0,
            None => label,
        };
        let tasks = self.tasks.iter().zip(&self.scales).cycle();
        tasks.zip(labels).map(|((task, scale), &label)| compared(task, scale, label)).collect()
    }

    /// The same with the tasks' weights multiplied by `factors`.
    pub(crate) fn weighted(
        &self,
        logits: &Tensor,
        (labels, mask): (&[f32], &[f32]),
        factors: &[f64],
    ) -> Result<Loss> {
        let weigh = |(task, factor): (&TaskLoss, &f64)| TaskLoss {
            weight: (f64::from(task.weight) * factor) as f32,
            ..*task
        };
        let tasks: Vec<TaskLoss> = self.tasks.iter().zip(factors).map(weigh).collect();
        self.of(&tasks, &self.read(logits)?, labels, mask)
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
            let task_weights = tasks.iter().zip(weights).map(of).collect();
            let factors = TrainConfig { task_weights, ..TrainConfig::default() };
            let plain = |cfg: &TrainConfig| -> Result<BTreeMap<String, Vec<f32>>> {
                let objective = Objective::new(cfg, &tasks);
                params.backward(|run| {
                    let loss = objective.loss(&forward(run)?, &labels, &[1.0; 24]);
                    Ok(loss.map_err(candle_core::Error::wrap)?.total)
                })?;
                Ok(take())
            };
            let (weighted, all) = (plain(&factors)?, plain(&TrainConfig::default())?);
            let objective = Objective::new(&TrainConfig::default(), &tasks);
            let weigh = |_: &[f64], products: &[f64]| {
                assert!(products.iter().all(|product| *product != 0.0), "{products:?}");
                weights.map(f64::from).to_vec()
            };
            let (gradients, run) = (params.gradients(), &mut Run::training());
            let (_, losses, logits) =
                objective.collect_by_task(&gradients, run, (&labels, &[1.0; 24]), forward, weigh)?;
            assert_eq!((losses.dims(), logits.dims()), (&[3][..], &[8, 3][..]));
            for (name, found) in take() {
                let expected = if name.starts_with("bottom") { &weighted[&name] } else { &all[&name] };
                approx::assert_abs_diff_eq!(found[..], expected[..], epsilon = 1e-6);
            }
        }
        Ok(())
    }
}

//! Loss balancing: what each task counts, step by step.
//!
//! | methods | look at | weigh |
//! |---|---|---|
//! | `schedule`, `uncertainty`, `dwa`, `random`, `geometric`, `famo` | the tasks' losses | losses, so every gradient |
//! | `gradnorm`, `pcgrad`, `mgda`, `cagrad`, `imtl`, `aligned`, `nash` | inner products of the tasks' gradients of what they share | those gradients |
//!
//! One method a file, each with its paper and equation. `train.task_weights` multiply the losses first, in all of them.
//! Weights are scaled so that tasks which are all alike weigh 1 each, as in a plain sum; methods that the paper leaves
//! without such a scale say so in their file. A task without a labelled row in a batch takes no part in it.

mod adam;
mod aligned;
mod cagrad;
mod config;
mod draws;
mod dwa;
mod famo;
mod geometric;
mod gradnorm;
mod gram;
mod imtl;
mod least;
mod linear;
mod mgda;
mod nash;
mod pcgrad;
mod random;
mod report;
mod schedule;
mod simplex;
mod softmax;
mod state;
mod uncertainty;

use std::collections::BTreeMap;

use candle_core::Tensor;
use mt_features::Task;
use mt_layers::{Gradients, Run};

pub use config::{BalanceConfig, BalanceKind};
pub use state::BalanceState;

use self::draws::Draws;
pub(crate) use self::gram::Gram;
use self::report::Report;
use self::state::TaskStates;
use crate::config::TrainConfig;
use crate::error::Result;
use crate::labelled::Labelled;
use crate::objective::{Objective, in_float64};
use crate::running::TaskProgress;

/// Weighs the tasks of a training run.
#[derive(Debug)]
pub struct Balancer {
    cfg: BalanceConfig,
    seed: u64,
    /// The factor of each epoch, of every task.
    gammas: Vec<f64>,
    regressions: Vec<bool>,
    state: BalanceState,
    report: Report,
    /// The batch before the optimizer's step; only for a method that looks at it again.
    batch: Option<Batch>,
}

/// A batch whose losses are looked at once more.
#[derive(Debug)]
struct Batch {
    labelled: Labelled,
    active: Vec<usize>,
    losses: Vec<f64>,
}

/// What [`Balancer::collect`] leaves to be looked at; its tensors are detached.
#[derive(Debug)]
#[non_exhaustive]
pub struct Collected {
    /// The loss that was minimised, a scalar.
    pub total: Tensor,
    /// Each task's mean loss `(T)`, unweighted.
    pub losses: Tensor,
    /// The heads' logits `(B, L)`.
    pub logits: Tensor,
}

impl Balancer {
    /// The configured method before its first step.
    pub fn new(cfg: &TrainConfig, tasks: &[Task]) -> Self {
        let names: Vec<String> = tasks.iter().map(|task| task.name.clone()).collect();
        Self {
            gammas: names.iter().map(|name| cfg.balance.gamma.get(name).copied().unwrap_or(1.0)).collect(),
            regressions: tasks.iter().map(|task| task.kind.is_regression()).collect(),
            state: BalanceState::new(cfg.balance.kind, tasks.len()),
            cfg: cfg.balance.clone(),
            seed: cfg.seed,
            report: Report::new(names),
            batch: None,
        }
    }

    /// What a continued run needs; `None` for fixed weights.
    pub fn state(&self) -> Option<BalanceState> {
        (self.cfg.kind != BalanceKind::Fixed).then(|| self.state.clone())
    }

    /// Goes on from [`Balancer::state`]; false, and nothing changes, if that was of another method or other tasks.
    pub fn restore(&mut self, state: Option<BalanceState>) -> bool {
        match state {
            Some(state) if self.cfg.kind != BalanceKind::Fixed && state.fits(&self.state) => {
                self.state = state;
                true
            }
            None => self.cfg.kind == BalanceKind::Fixed,
            Some(_) => false,
        }
    }

    /// Runs `forward` to logits and adds the gradients of their balanced loss to the parameters' slots.
    ///
    /// Any method but `fixed` reads the losses at once, and so waits for the device.
    ///
    /// # Errors
    /// If sizes do not fit, or a tensor operation fails.
    pub fn collect(
        &mut self,
        gradients: &Gradients,
        objective: &Objective,
        batch: &Labelled,
        run: &mut Run,
        forward: impl FnOnce(&mut Run) -> candle_core::Result<Tensor>,
    ) -> Result<Collected> {
        let wrap = candle_core::Error::wrap;
        if self.cfg.kind.of_gradients() {
            let tasks = self.gammas.len();
            let weigh = |losses: &[f64], products: &[f64]| {
                self.weigh_gradients(losses, &Gram::new(tasks, products.to_vec()))
            };
            let (total, losses, logits) = objective.collect_by_task(gradients, batch, run, forward, weigh)?;
            return Ok(Collected { total, losses, logits });
        }
        let mut kept = None;
        let weighed = |run: &mut Run| {
            let logits = forward(run)?;
            let mut loss = objective.loss(&logits, batch).map_err(wrap)?;
            if self.cfg.kind != BalanceKind::Fixed {
                let (active, losses) = (objective.active(&batch.mask), in_float64(&loss.tasks)?);
                let weights = self.weigh_losses(&active, &losses);
                loss = objective.weighted(&logits, batch, &weights).map_err(wrap)?;
                if self.cfg.kind == BalanceKind::Famo {
                    self.batch = Some(Batch { labelled: batch.clone(), active, losses });
                }
            }
            kept = Some((loss.tasks, logits.detach()));
            Ok(loss.total)
        };
        let total = gradients.collect(run, |run| objective.with_importance(1.0, run, weighed))?;
        let uncollected = || candle_core::Error::Msg("the loss was not computed".to_owned());
        let (losses, logits) = kept.ok_or_else(uncollected)?;
        Ok(Collected { total, losses, logits })
    }

    /// Learns from what the optimizer's step did to the last batch; `forward` gives its logits again, and is called by
    /// `famo` only.
    ///
    /// # Errors
    /// As [`Balancer::collect`].
    pub fn after_step(
        &mut self,
        objective: &Objective,
        forward: impl FnOnce() -> candle_core::Result<Tensor>,
    ) -> Result<()> {
        let (Some(batch), TaskStates::Famo(logits)) = (self.batch.take(), &mut self.state.tasks) else {
            return Ok(());
        };
        let after = in_float64(&objective.loss(&forward()?, &batch.labelled)?.tasks)?;
        let of = |losses: &[f64]| batch.active.iter().map(|&t| losses[t]).collect::<Vec<f64>>();
        // A step that ended in NaN is reported by the next one; it must not reach the logits before.
        if after.iter().all(|loss| loss.is_finite()) {
            let losses = (&of(&batch.losses)[..], &of(&after)[..]);
            famo::learn(logits, &batch.active, losses, self.cfg.rate(), self.cfg.decay());
        }
        Ok(())
    }

    /// Ends an epoch.
    pub fn end_epoch(&mut self) {
        self.state.epochs += 1;
        if let TaskStates::Dwa(tasks) = &mut self.state.tasks {
            tasks.iter_mut().for_each(dwa::Losses::end_epoch);
        }
    }

    /// Writes each task's mean weight since the last call into `tasks`, and returns the mean cosine of the angle between
    /// the gradients of each two tasks, under `a/b`. Fixed weights have neither, weights of losses no cosines.
    pub fn report(&mut self, tasks: &mut BTreeMap<String, TaskProgress>) -> BTreeMap<String, f64> {
        self.report.take(tasks)
    }

    /// The factors of the losses of all tasks, of which `active` take part.
    fn weigh_losses(&mut self, active: &[usize], losses: &[f64]) -> Vec<f64> {
        let active: Vec<usize> = active.iter().copied().filter(|&t| losses[t].is_finite()).collect();
        let own: Vec<f64> = active.iter().map(|&t| losses[t]).collect();
        let (cfg, BalanceState { epochs, batches, tasks }) = (&self.cfg, &mut self.state);
        let weights = match tasks {
            TaskStates::Uncertainty(variances) => {
                let weigh = |&t: &usize| variances[t].weigh(losses[t], self.regressions[t], cfg.rate());
                active.iter().map(weigh).collect()
            }
            TaskStates::Dwa(history) => {
                let weights = dwa::weights(&history[..], &active, cfg.temperature());
                active.iter().for_each(|&t| history[t].add(losses[t]));
                weights
            }
            TaskStates::Famo(logits) => famo::weights(logits, &active, &own),
            _ => match cfg.kind {
                BalanceKind::Schedule => schedule::weights(active.iter().map(|&t| self.gammas[t]), *epochs),
                BalanceKind::Geometric => geometric::weights(&own),
                _ => random::weights(active.len(), &mut Draws::new(self.seed, *batches)),
            },
        };
        *batches += 1;
        self.report.add_weights(&active, &weights);
        self.of_all(&active, &weights)
    }

    /// The factors of all tasks' gradients of what they share.
    fn weigh_gradients(&mut self, losses: &[f64], all: &Gram) -> Vec<f64> {
        // A task without a label, or a weight, or with a loss of 0, has a gradient of exactly 0.
        let takes_part = |&t: &usize| all.norm(t) > 0.0 && all.norm(t).is_finite() && losses[t].is_finite();
        let active: Vec<usize> = (0..all.tasks()).filter(takes_part).collect();
        if active.is_empty() {
            return vec![1.0; all.tasks()];
        }
        let gram = all.of(&active);
        let scaled = |weights: Vec<f64>, factor: f64| weights.iter().map(|weight| weight * factor).collect();
        let (count, cfg, BalanceState { batches, tasks, .. }) =
            (active.len() as f64, &self.cfg, &mut self.state);
        let weights: Vec<f64> = match (cfg.kind, tasks) {
            (_, TaskStates::Gradnorm(weights)) => {
                let own: Vec<f64> = active.iter().map(|&t| losses[t]).collect();
                gradnorm::weights(weights, &active, &gram, &own, (cfg.alpha(), cfg.rate()))
            }
            (BalanceKind::Mgda, _) => scaled(mgda::weights(&gram), count),
            (BalanceKind::Cagrad, _) => scaled(cagrad::weights(&gram, cfg.c()), count),
            (BalanceKind::Imtl, _) => scaled(imtl::weights(&gram), count),
            (BalanceKind::Aligned, _) => aligned::weights(&gram),
            (BalanceKind::Nash, _) => {
                let weights = nash::weights(&gram);
                let sum: f64 = weights.iter().sum();
                scaled(weights, count / sum)
            }
            _ => pcgrad::weights(&gram, &mut Draws::new(self.seed, *batches)),
        };
        *batches += 1;
        self.report.add_weights(&active, &weights);
        self.report.add_cosines(&active, &gram);
        self.of_all(&active, &weights)
    }

    /// Weights of all tasks: those of the tasks `active`, and 1 for the others, whose gradient is 0.
    fn of_all(&self, active: &[usize], weights: &[f64]) -> Vec<f64> {
        let mut all = vec![1.0; self.gammas.len()];
        active.iter().zip(weights).for_each(|(&t, &weight)| all[t] = weight);
        all
    }
}

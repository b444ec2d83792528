//! The losses of the tasks: which they are, and what they take.

use std::collections::BTreeMap;
use std::sync::Arc;

use mt_features::{LabelRule, Task, TaskConfig, TaskKind};
use mt_layers::LossKind;
use mt_models::{Coupling, Link, LossConfig, TaskLoss};

use super::Config;
use super::train::known;
use crate::error::{Error, Result};

impl Config {
    /// The loss of a task.
    ///
    /// # Errors
    /// [`Error::Model`] for one that the registry has not, or a key of it that cannot be.
    pub fn loss_of(&self, task: &Task) -> Result<Box<dyn TaskLoss>> {
        let by_default = match task.kind {
            _ if task.prediction.is_some() => return Ok(Box::new(LossKind::Product)),
            TaskKind::Binary | TaskKind::BinarySoftmax => self.train.loss,
            TaskKind::Multiclass { .. } => LossKind::Multiclass,
            TaskKind::Regression | TaskKind::ZeroInflated | TaskKind::Ordinal { .. } => LossKind::Mse,
        };
        match self.train.task_losses.get(&task.name) {
            Some(written) => self.read_loss(&task.name, written),
            None => Ok(Box::new(by_default)),
        }
    }

    pub(super) fn read_loss(&self, task: &str, written: &LossConfig) -> Result<Box<dyn TaskLoss>> {
        Ok(self.model.registry.loss(&format!("train.task_losses.{task}"), written)?)
    }

    /// How outputs of the regressions become predictions, where that is not the identity.
    ///
    /// # Errors
    /// As [`Config::loss_of`].
    pub fn links(&self, tasks: &[Task]) -> Result<BTreeMap<String, Link>> {
        let link = |task: &Task| {
            let link = self.loss_of(task)?.fused().map(Link::of).unwrap_or_default();
            Ok((task.name.clone(), link))
        };
        let links: Vec<(String, Link)> = tasks.iter().map(link).collect::<Result<_>>()?;
        Ok(links.into_iter().filter(|(_, link)| *link != Link::Identity).collect())
    }

    /// Gives regressions the kind that their losses need: these decide how many outputs there are.
    pub(super) fn set_kinds(&mut self) {
        let needed = |task: &TaskConfig| {
            let written =
                self.train.task_losses.get(&task.name).filter(|_| task.kind == TaskKind::Regression)?;
            match self.read_loss(&task.name, written).ok()?.fused()? {
                LossKind::Ziln => Some(TaskKind::ZeroInflated),
                LossKind::Ordinal { thresholds } => Some(TaskKind::Ordinal { thresholds }),
                _ => None,
            }
        };
        let kinds: Vec<Option<TaskKind>> = self.tasks.iter().map(needed).collect();
        for (task, kind) in self.tasks.iter_mut().zip(kinds) {
            task.kind = kind.unwrap_or(task.kind);
        }
    }

    /// Says what the losses take as labels: whoever reads these can say where one is that is none.
    pub(super) fn set_labels(&mut self) {
        let rule = |task: &TaskConfig| {
            let written = self.train.task_losses.get(&task.name)?;
            let loss: Arc<dyn TaskLoss> = self.read_loss(&task.name, written).ok()?.into();
            // Of the others here every label of their tasks' kinds is one; rows without a rule are the same for all of them.
            let bounded = [LossKind::LogMse, LossKind::WeightedLogistic, LossKind::Ziln];
            if loss.fused().is_some_and(|kind| !bounded.contains(&kind)) {
                return None;
            }
            Some(LabelRule::new(&written.name, move |label| loss.refuses(label)))
        };
        let rules: Vec<_> = self.tasks.iter().map(rule).collect();
        self.tasks.iter_mut().zip(rules).for_each(|(task, rule)| task.labels = rule);
    }

    /// Gives tasks the heads that `train.propensities` impute their losses with.
    pub(super) fn set_imputed(&mut self) {
        for task in &mut self.tasks {
            task.imputed =
                self.train.propensities.get(&task.name).and_then(|written| written.imputed.clone());
        }
    }

    /// Refuses a task of rows that were read for another head beside its own.
    pub(crate) fn check_heads(&self, task: &Task) -> Result<()> {
        let written = self.train.propensities.get(&task.name);
        if task.imputed.as_ref() == written.and_then(|written| written.imputed.as_ref()) {
            return Ok(());
        }
        let problem = "the rows were read for other heads; read them with this configuration".to_owned();
        Err(Error::Config { at: format!("train.propensities.{}", task.name), problem })
    }

    /// Checks that what is imputed is the cross-entropy of a label.
    pub(super) fn check_imputed(&self, check: &dyn Fn(&str, bool, String) -> Result<()>) -> Result<()> {
        for (name, _) in self.train.propensities.iter().filter(|(_, written)| written.imputed.is_some()) {
            let fused = match self.train.task_losses.get(name) {
                // What is wrong with the loss itself is said where all are checked.
                Some(written) => self.read_loss(name, written).ok().map(|loss| loss.fused()),
                None => Some(Some(self.train.loss)),
            };
            let good = fused.is_none_or(|fused| fused == Some(LossKind::CrossEntropy));
            let problem =
                format!("expected {name} to have the loss cross-entropy, which a row has by itself");
            check(&format!("train.propensities.{name}.imputed"), good, problem)?;
        }
        Ok(())
    }

    /// Checks that the losses are there, are of their tasks' kinds, and fit how the tasks are trained.
    ///
    /// # Errors
    /// [`Error::Config`], naming the key, which `place` locates. Where rows are there already (not `sourced`) it is they that have
    /// groups or not.
    pub(super) fn check_losses(&self, place: &dyn Fn(&str) -> String, sourced: bool) -> Result<()> {
        let check = |key: &str, good: bool, problem: String| match good {
            true => Ok(()),
            false => Err(Error::Config { at: place(key), problem: format!("{key}: {problem}") }),
        };
        self.check_imputed(&check)?;
        self.check_joint_losses(place, &check, sourced)?;
        for (name, written) in &self.train.task_losses {
            let key = format!("train.task_losses.{name}");
            let (good, problem) = known(&self.tasks, name);
            check(&key, good, problem)?;
            let loss = self.read_loss(name, written).map_err(|error| error.placed(place))?;
            let Some(task) = self.tasks.iter().find(|task| task.name == *name) else { continue };
            let good = match task.prediction {
                Some(_) => loss.fused() == Some(LossKind::CrossEntropy),
                None => loss.is_for(task.kind),
            };
            check(&key, good, expected(task, &written.name, &*loss))?;
            let kind = self.train.balance.kind;
            let problem = format!(
                "{kind} needs losses above 0, and {}, of {name}, may be below; expected fixed, schedule, random or a method \
                 of gradients other than gradnorm",
                written.name
            );
            check("train.balance.kind", !loss.may_be_negative() || !kind.needs_positive(), problem)?;
            let shards = self.train.shards;
            let problem = format!(
                "{}, of {name}, looks at all rows of a step at once, and it has {shards} shards; expected 1",
                written.name
            );
            check("train.shards", shards == 1 || loss.coupling() != Coupling::Batch, problem)?;
            let grouped = !sourced || self.data.group.is_some() || loss.coupling() != Coupling::Group;
            if !grouped {
                return Err(Error::ungrouped(place(&key), &key, &written.name));
            }
        }
        Ok(())
    }
}

/// What the loss of a task has to be, and that the one called `name` is not.
fn expected(task: &TaskConfig, name: &str, loss: &dyn TaskLoss) -> String {
    let expected = match task.kind {
        _ if task.prediction.is_some() => {
            return "expected cross-entropy, which a product of probabilities (tasks[].prediction) has"
                .to_owned();
        }
        TaskKind::Binary | TaskKind::BinarySoftmax => {
            "a probability: cross-entropy, paddlerec-log, focal or another"
        }
        TaskKind::Multiclass { .. } => "classes: multiclass or another",
        TaskKind::Regression | TaskKind::ZeroInflated | TaskKind::Ordinal { .. } => {
            "a regression: mse, mae, huber, quantile, log-mse, weighted-logistic, ziln, ordinal or another"
        }
    };
    let all = [
        TaskKind::Binary,
        TaskKind::BinarySoftmax,
        TaskKind::Multiclass { classes: 2 },
        TaskKind::Regression,
    ];
    let kinds: Vec<&str> = all.into_iter().filter(|kind| loss.is_for(*kind)).map(TaskKind::written).collect();
    let kind = task.kind.written();
    format!(
        "expected the loss of {expected}; {name} is for kind: {}, and this task is {kind}",
        kinds.join(", ")
    )
}

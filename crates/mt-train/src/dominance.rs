//! A task that drowns the others is named: it alone is most of the loss of an epoch, or of the gradient that what the tasks
//! share gets.

use std::collections::{BTreeMap, BTreeSet};

use mt_features::Task;
use mt_models::Target;

use crate::balance::BalanceKind;
use crate::config::TrainConfig;
use crate::health::GradientHealth;
use crate::running::TaskProgress;

/// A share above this leaves the other tasks to chance.
const MOST: f64 = 0.9;

/// The tasks' shares of the loss of an epoch.
pub(crate) struct Dominance<'a> {
    cfg: &'a TrainConfig,
    tasks: &'a [Task],
    /// Of the regressions whose labels are scaled.
    targets: &'a BTreeMap<String, Target>,
    /// Weighted losses, summed over the steps so far.
    losses: Vec<f64>,
    /// What was said in epochs before: once is enough.
    said: BTreeSet<(usize, &'static str)>,
}

impl<'a> Dominance<'a> {
    pub fn new(cfg: &'a TrainConfig, tasks: &'a [Task], targets: &'a BTreeMap<String, Target>) -> Self {
        Self { cfg, tasks, targets, losses: vec![0.0; tasks.len()], said: BTreeSet::new() }
    }

    /// Adds what so many `steps` came to.
    pub fn add(&mut self, progress: &BTreeMap<String, TaskProgress>, steps: u64) {
        for (task, sum) in self.tasks.iter().zip(&mut self.losses) {
            if let Some(TaskProgress { loss, weight, .. }) = progress.get(&task.name) {
                *sum += steps as f64 * loss * weight_of(self.cfg, task) * weight.unwrap_or(1.0);
            }
        }
    }

    /// Ends an epoch, at whose end the gradients were these; returns what is to be said of it.
    pub fn end_epoch(&mut self, gradients: &GradientHealth) -> Vec<String> {
        let losses = std::mem::replace(&mut self.losses, vec![0.0; self.tasks.len()]);
        let norms =
            self.tasks.iter().map(|task| gradients.shared.get(&task.name).copied().unwrap_or(0.0)).collect();
        let kind = self.cfg.balance.kind;
        let mut looked_at: Vec<(&'static str, Vec<f64>)> = Vec::new();
        // Methods of gradients undo what the sizes of losses do, and any method those of gradients.
        if !kind.of_gradients() {
            looked_at.push(("the loss", losses));
        }
        if kind == BalanceKind::Fixed {
            looked_at.push(("the gradient of what the tasks share", norms));
        }
        let mut warnings = Vec::new();
        for (what, parts) in looked_at {
            let all: f64 = parts.iter().sum();
            // A single task is all there is.
            let others = self.tasks.iter().filter(|task| weight_of(self.cfg, task) > 0.0).count() > 1;
            let largest = (0..parts.len()).max_by(|a, b| parts[*a].total_cmp(&parts[*b]));
            let Some(t) = largest.filter(|&t| others && parts[t] > MOST * all) else { continue };
            if self.said.insert((t, what)) {
                warnings.push(format!(
                    "{} is {:.1} % of {what}: {}",
                    self.tasks[t].name,
                    100.0 * parts[t] / all,
                    self.advice(t, parts[t] / all)
                ));
            }
        }
        warnings
    }

    /// What to write so that the task weighs less.
    fn advice(&self, t: usize, share: f64) -> String {
        let Task { name, kind, .. } = &self.tasks[t];
        let as_all_others = weight_of(self.cfg, &self.tasks[t]) * (1.0 - share) / share;
        let weight = match as_all_others > 0.0 {
            true => format!(
                "train.task_weights: {{{name}: {}}} makes it as much as all others",
                one_digit(as_all_others)
            ),
            false => format!("lower train.task_weights: {{{name}: …}}"),
        };
        let scaled = !kind.is_regression() || self.targets.contains_key(name);
        if scaled {
            weight
        } else {
            format!("train.standardize: true brings its labels to the size of the others; {weight}")
        }
    }
}

fn weight_of(cfg: &TrainConfig, task: &Task) -> f64 {
    f64::from(cfg.task_weights.get(&task.name).copied().unwrap_or(1.0))
}

/// A number above 0 as it would be written by hand.
fn one_digit(x: f64) -> f64 {
    let rounded = format!("{x:.0e}");
    rounded.parse().unwrap_or(x)
}

#[cfg(test)]
mod tests {
    use mt_features::TaskKind;

    use super::*;

    fn task(name: &str, kind: TaskKind) -> Task {
        Task::new(name, kind)
    }

    #[test]
    fn a_task_that_is_nearly_all_of_the_loss_is_named_once() {
        let tasks = [task("click", TaskKind::Binary), task("watch", TaskKind::Regression)];
        let (cfg, targets) = (TrainConfig::default(), BTreeMap::new());
        let progress = |click, watch| {
            let of = |name: &str, loss| (name.to_owned(), TaskProgress { loss, auc: None, weight: None });
            [of("click", click), of("watch", watch)].into()
        };
        let mut dominance = Dominance::new(&cfg, &tasks, &targets);
        dominance.add(&progress(0.5, 400.0), 10);
        dominance.add(&progress(0.5, 80.0), 1);
        let none = GradientHealth::default();
        assert_eq!(
            dominance.end_epoch(&none),
            [
                "watch is 99.9 % of the loss: train.standardize: true brings its labels to the size of the others; \
              train.task_weights: {watch: 0.001} makes it as much as all others"
            ]
        );
        dominance.add(&progress(0.5, 400.0), 10);
        assert_eq!(dominance.end_epoch(&none), [""; 0], "once is enough");
        dominance.add(&progress(10.0, 1.0), 10);
        let shared =
            GradientHealth { shared: [("click".into(), 1.0), ("watch".into(), 99.0)].into(), ..none };
        assert_eq!(
            dominance.end_epoch(&shared),
            [
                "click is 90.9 % of the loss: train.task_weights: {click: 0.1} makes it as much as all others",
                "watch is 99.0 % of the gradient of what the tasks share: train.standardize: true brings its labels to \
                 the size of the others; train.task_weights: {watch: 0.01} makes it as much as all others"
            ]
        );

        let balanced = TrainConfig {
            balance: serde_json::from_str("{\"kind\": \"nash\"}").expect("a method"),
            ..cfg.clone()
        };
        let mut dominance = Dominance::new(&balanced, &tasks, &targets);
        dominance.add(&progress(0.5, 400.0), 10);
        assert_eq!(dominance.end_epoch(&shared), [""; 0]);
        let alone = TrainConfig { task_weights: [("click".into(), 0.0)].into(), ..cfg };
        let mut dominance = Dominance::new(&alone, &tasks, &targets);
        dominance.add(&progress(0.5, 400.0), 10);
        assert_eq!(dominance.end_epoch(&GradientHealth::default()), [""; 0]);
    }
}

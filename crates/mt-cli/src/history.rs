//! What a run's log says about its training, for curves.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use mt_train::RunDir;
use serde::{Deserialize, Serialize};

use crate::html::Points;
use crate::progress::rate;

/// Points of a curve at most: more than a chart has room for are averaged.
const POINTS: u64 = 120;

/// A line of `metrics.jsonl`, as far as it is looked at.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
enum Line {
    Started {
        steps: u64,
    },
    Progress {
        step: u64,
        tasks: BTreeMap<String, Trained>,
    },
    Health {
        epoch: usize,
        levels: Vec<Level>,
        #[serde(default)]
        gradients: Gradients,
        #[serde(default)]
        warnings: Vec<String>,
    },
    Warning {
        text: String,
    },
    Prequential(Prequential),
    Epoch(Epoch),
    #[serde(other)]
    Other,
}

/// A task over some training steps.
#[derive(Debug, Deserialize)]
pub struct Trained {
    pub loss: f64,
    pub auc: Option<f64>,
}

/// A level of experts and gates at the end of an epoch.
#[derive(Debug, Deserialize)]
struct Level {
    experts: Vec<String>,
    gates: BTreeMap<String, Gate>,
}

#[derive(Debug, Deserialize)]
struct Gate {
    weights: Vec<f64>,
}

/// The gradient on a batch at the end of an epoch.
#[derive(Debug, Default, Deserialize)]
pub struct Gradients {
    /// Norm by part of the model.
    pub norms: BTreeMap<String, f64>,
    /// Cosine of the angle by pair of tasks.
    pub cosines: BTreeMap<String, f64>,
}

/// A gate over the epochs: mean weights by expert.
pub struct GateHistory {
    pub level: usize,
    pub gate: String,
    /// Name, and weight in each epoch.
    pub experts: Vec<(String, Vec<f64>)>,
}

/// A whole epoch.
#[derive(Debug, Deserialize)]
pub struct Epoch {
    pub epoch: usize,
    pub seconds: f64,
    pub rows_per_second: f64,
    valid: Option<BTreeMap<String, Valid>>,
}

/// How the model that a run went on from did on the rows of the run.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Prequential {
    /// Steps before the run.
    #[serde(skip_serializing)]
    step: u64,
    pub rows: usize,
    /// By task, as an evaluation is written.
    pub metrics: BTreeMap<String, serde_json::Value>,
}

impl Prequential {
    /// A task's metrics.
    pub fn task(&self, name: &str) -> Option<Valid> {
        Valid::deserialize(self.metrics.get(name)?).ok()
    }
}

/// A task on the validation rows.
#[derive(Debug, Deserialize)]
pub struct Valid {
    auc: Option<f64>,
    macro_auc: Option<f64>,
    xauc: Option<f64>,
    pub log_loss: Option<f64>,
}

impl Valid {
    /// AUC, the mean AUC of the classes, or XAUC: what the kind of task has.
    pub fn ranking(&self) -> Option<f64> {
        self.auc.or(self.macro_auc).or(self.xauc)
    }
}

/// Training and validation over the epochs of a run, those before it was stopped and continued included.
#[derive(Debug, Default)]
pub struct History {
    steps_per_epoch: u64,
    prequential: Option<Prequential>,
    /// By step: what was trained twice, because a run was stopped within an epoch, is here once.
    progress: BTreeMap<u64, BTreeMap<String, Trained>>,
    epochs: BTreeMap<usize, Epoch>,
    levels: BTreeMap<usize, Vec<Level>>,
    gradients: BTreeMap<usize, Gradients>,
    /// In the order in which they came up, a run that went on says some again.
    warnings: Vec<String>,
    /// On the health of gates and experts, by epoch.
    ills: BTreeMap<usize, Vec<String>>,
}

impl History {
    /// Reads the log of a run.
    pub fn read(run: &RunDir) -> Result<Self> {
        let path = run.path().join("metrics.jsonl");
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let mut history = Self::default();
        // A process that was killed may have left half a line, which says nothing.
        for line in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
            match line {
                Line::Started { steps } => history.steps_per_epoch = steps,
                Line::Progress { step, tasks } => {
                    history.progress.insert(step, tasks);
                }
                Line::Health { epoch, levels, gradients, warnings } => {
                    history.levels.insert(epoch, levels);
                    history.gradients.insert(epoch, gradients);
                    history.ills.insert(epoch, warnings);
                }
                Line::Warning { text } if history.warnings.contains(&text) => {}
                Line::Warning { text } => history.warnings.push(text),
                Line::Prequential(found) => history.prequential = Some(found),
                Line::Epoch(epoch) => {
                    history.epochs.insert(epoch.epoch, epoch);
                }
                Line::Other => {}
            }
        }
        history
    }

    /// How the model it went on from did on its rows.
    pub fn prequential(&self) -> Option<&Prequential> {
        self.prequential.as_ref()
    }

    /// What was not as it should be: in the run, and at the end of its last epoch.
    pub fn warnings(&self) -> impl Iterator<Item = &String> {
        self.warnings.iter().chain(self.ills.values().next_back().into_iter().flatten())
    }

    /// The gates of the last epoch with their weights in all, of the experts that each chooses from.
    pub fn gates(&self) -> Vec<GateHistory> {
        let Some(last) = self.levels.values().last() else { return Vec::new() };
        let mut gates = Vec::new();
        for (l, level) in last.iter().enumerate() {
            for gate in level.gates.keys() {
                let weight = |e: usize| {
                    let of_epoch =
                        |levels: &Vec<Level>| levels.get(l)?.gates.get(gate)?.weights.get(e).copied();
                    self.levels.values().filter_map(of_epoch).collect::<Vec<f64>>()
                };
                let experts = level.experts.iter().enumerate().map(|(e, name)| (name.clone(), weight(e)));
                let chosen = |(_, weights): &(String, Vec<f64>)| weights.iter().any(|weight| *weight > 0.0);
                gates.push(GateHistory {
                    level: l,
                    gate: gate.clone(),
                    experts: experts.filter(chosen).collect(),
                });
            }
        }
        gates
    }

    /// Curves over the epochs of what a gradient is said to be, by name.
    pub fn gradients(
        &self,
        values: impl Fn(&Gradients) -> &BTreeMap<String, f64>,
    ) -> BTreeMap<String, Points> {
        let mut curves: BTreeMap<String, Points> = BTreeMap::new();
        for (epoch, gradients) in &self.gradients {
            for (name, value) in values(gradients) {
                curves.entry(name.clone()).or_default().push((*epoch as f64, *value));
            }
        }
        curves
    }

    /// The epochs, in order.
    pub fn epochs(&self) -> impl Iterator<Item = &Epoch> {
        self.epochs.values()
    }

    /// Seconds of training in all epochs, and rows a second in them.
    pub fn speed(&self) -> (f64, Option<f64>) {
        let seconds = self.epochs().map(|epoch| epoch.seconds).sum();
        (seconds, rate(self.epochs().map(|epoch| epoch.seconds * epoch.rows_per_second).sum(), seconds))
    }

    /// A curve of a task over the epochs in training: means over equally many steps, each in the middle of them.
    ///
    /// The log has a line at the end of every epoch whatever the steps before it, of few rows and so far off the curve.
    pub fn trained(&self, task: &str, value: impl Fn(&Trained) -> Option<f64>) -> Points {
        // Steps of a run that it went on from are no epochs of this one.
        let before = self.prequential.as_ref().map_or(0, |found| found.step);
        let starts = || std::iter::once(before).chain(self.progress.keys().copied());
        let longest = starts().zip(self.progress.keys()).map(|(start, end)| end - start).max().unwrap_or(0);
        let steps = self.progress.keys().last().copied().unwrap_or(before);
        let width = longest.max((steps - before).div_ceil(POINTS));
        let (mut curve, mut from, mut sum, mut weight) = (Vec::new(), before, 0.0, 0.0);
        for (start, (&end, tasks)) in starts().zip(&self.progress) {
            if let Some(value) = tasks.get(task).and_then(&value) {
                sum += value * (end - start) as f64;
                weight += (end - start) as f64;
            }
            // The last may be shorter, but not by so much that it is off the curve again.
            let last = end == steps && 2 * (end - from) >= width;
            if end - from < width && !last {
                continue;
            }
            if weight > 0.0 {
                let middle = (from + end) as f64 / 2.0 - before as f64;
                curve.push((middle / self.steps_per_epoch.max(1) as f64, sum / weight));
            }
            (from, sum, weight) = (end, 0.0, 0.0);
        }
        curve
    }

    /// A curve of a task over the epochs, on the validation rows.
    pub fn valid(&self, task: &str, value: impl Fn(&Valid) -> Option<f64>) -> Points {
        let point = |epoch: &Epoch| Some((epoch.epoch as f64, value(epoch.valid(task)?)?));
        self.epochs().filter_map(point).collect()
    }
}

impl Epoch {
    /// A task's metrics on the validation rows.
    pub fn valid(&self, task: &str) -> Option<&Valid> {
        self.valid.as_ref()?.get(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_become_curves_over_the_epochs_and_older_logs_have_none() {
        let line = |epoch: usize, gradients: &str| {
            format!("{{\"event\":\"health\",\"epoch\":{epoch},\"levels\":[]{gradients}}}\n")
        };
        let gradients =
            |norm: f64| format!(",\"gradients\":{{\"norms\":{{\"towers\":{norm}}},\"cosines\":{{}}}}");
        let log = line(1, &gradients(0.5)) + &line(2, &gradients(0.25)) + &line(3, "");
        let history = History::parse(&log);
        let norms = history.gradients(|gradients| &gradients.norms);
        assert_eq!(norms, [("towers".to_owned(), vec![(1.0, 0.5), (2.0, 0.25)])].into());
        assert!(history.gradients(|gradients| &gradients.cosines).is_empty());
        assert!(history.gates().is_empty());
    }

    const LOG: &str = r#"{"event":"started","parameters":5,"rows":40,"steps":4}
{"event":"progress","epoch":1,"step":2,"rows":20,"loss":2.0,"tasks":{"a":{"loss":0.5,"auc":null},"b":{"loss":1.5,"auc":0.6}}}
{"event":"progress","epoch":1,"step":3,"ro
{"event":"started","parameters":5,"rows":40,"steps":4}
{"event":"progress","epoch":1,"step":2,"rows":20,"loss":2.0,"tasks":{"a":{"loss":0.5,"auc":null},"b":{"loss":1.5,"auc":0.6}}}
{"event":"progress","epoch":1,"step":4,"rows":40,"loss":1.0,"tasks":{"a":{"loss":0.25,"auc":null},"b":{"loss":0.75,"auc":0.7}}}
{"event":"something-new","step":4}
{"event":"epoch","epoch":1,"step":4,"seconds":1.0,"waited":0.0,"rows_per_second":40.0,"valid":{"a":{"xauc":0.8,"rmse":2.0},"b":{"auc":null,"log_loss":0.3}},"best":true}
"#;

    #[test]
    fn a_log_is_read_once_a_step_although_the_run_was_stopped_and_continued() {
        let history = History::parse(LOG);
        assert_eq!(history.trained("a", |task| Some(task.loss)), [(0.25, 0.5), (0.75, 0.25)]);
        assert_eq!(history.trained("b", |task| task.auc), [(0.25, 0.6), (0.75, 0.7)]);
        assert_eq!(history.trained("a", |task| task.auc), []);
        assert_eq!(history.valid("a", Valid::ranking), [(1.0, 0.8)]);
        assert_eq!(history.valid("b", Valid::ranking), []);
        assert_eq!(history.valid("b", |task| task.log_loss), [(1.0, 0.3)]);
        assert_eq!(history.valid("none", Valid::ranking), []);
    }

    #[test]
    fn a_long_curve_is_averaged() {
        let line = |step: usize| {
            format!(r#"{{"event":"progress","step":{step},"tasks":{{"a":{{"loss":{step},"auc":null}}}}}}"#)
        };
        let log: Vec<String> = (1..=1000).map(line).collect();
        let curve = History::parse(&log.join("\n")).trained("a", |task| Some(task.loss));
        // 111 times 9 steps; the one left over is dropped.
        assert_eq!((curve.len(), curve[0], curve[1].1), (111, (4.5, 5.0), 14.0));
    }
}

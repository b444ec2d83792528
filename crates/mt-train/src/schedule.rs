//! How the learning rate changes during a run: a factor for each step, the same for network and tables.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::config::Select;

/// The factor's course; keys that a kind does not use are refused.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Schedule {
    /// The course. Default `constant`.
    #[serde(default)]
    pub kind: ScheduleKind,
    /// Steps over which the rate first rises from 0 (all but `one-cycle`). Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup: Option<u64>,
    /// Factor at the end (`cosine`, `one-cycle`), or below which it is not reduced (`step`, `plateau`). Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<f64>,
    /// Epochs between two reductions (`step`). Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<usize>,
    /// What a reduction multiplies the rate with (`step`, `plateau`). Default 0.5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// Epochs without improvement before a reduction (`plateau`). Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// Share of the run in which the rate rises (`one-cycle`). Default 0.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rise: Option<f64>,
}

/// The courses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ScheduleKind {
    /// 1 throughout.
    #[default]
    Constant,
    /// Half a cosine from 1 to `floor`. Loshchilov & Hutter, *SGDR*, 2017, eq. 5, without restarts.
    Cosine,
    /// Times `factor` after every `every` epochs.
    Step,
    /// Half a cosine from 1/25 up to 1, then one down to `floor`. Smith & Topin, *Super-Convergence*, 2019; the shape
    /// of PyTorch's `OneCycleLR`.
    OneCycle,
    /// Times `factor` after every `patience` epochs in which the metric of `train.select` was not better than before.
    Plateau,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position<'a> {
    /// Steps done.
    pub step: u64,
    /// Steps of the run it went on from, if from any: what is warm stays so, and the course begins anew.
    pub before: u64,
    /// Steps of an epoch.
    pub epoch_steps: u64,
    /// Epochs to come to.
    pub epochs: usize,
    /// The metric of each whole epoch.
    pub selected: &'a [Option<f64>],
}

/// Where `one-cycle` begins.
const ONE_CYCLE_START: f64 = 1.0 / 25.0;

impl Schedule {
    /// What the learning rate is multiplied with in the next step.
    pub(crate) fn at(&self, at: Position<'_>, select: &Select) -> f64 {
        let warmup = self.warmup.unwrap_or(0);
        if at.before + at.step < warmup {
            return (at.before + at.step + 1) as f64 / warmup as f64;
        }
        let warmup = warmup.saturating_sub(at.before);
        let floor = self.floor.unwrap_or(0.0);
        let total = at.epoch_steps * at.epochs as u64;
        let reduced = |times: usize| {
            let times = i32::try_from(times).unwrap_or(i32::MAX);
            self.factor.unwrap_or(0.5).powi(times).max(floor)
        };
        match self.kind {
            ScheduleKind::Constant => 1.0,
            ScheduleKind::Cosine => {
                between(1.0, floor, share(at.step - warmup, total.saturating_sub(warmup)))
            }
            ScheduleKind::Step => {
                reduced((at.step / at.epoch_steps.max(1)) as usize / self.every.unwrap_or(1))
            }
            ScheduleKind::OneCycle => {
                let (done, rise) = (share(at.step, total), self.rise.unwrap_or(0.3));
                match done < rise {
                    true => between(ONE_CYCLE_START, 1.0, done / rise),
                    false => between(1.0, floor, (done - rise) / (1.0 - rise)),
                }
            }
            ScheduleKind::Plateau => reduced(self.plateaus(at.selected, select)),
        }
    }

    /// Reductions that these epochs have led to.
    fn plateaus(&self, selected: &[Option<f64>], select: &Select) -> usize {
        let (mut reductions, mut waited) = (0, 0);
        for epoch in 1..=selected.len() {
            let better = select.best(&selected[..epoch]).is_some_and(|best| best.epoch == epoch);
            waited = if better { 0 } else { waited + 1 };
            if waited == self.patience.unwrap_or(1) {
                (reductions, waited) = (reductions + 1, 0);
            }
        }
        reductions
    }

    /// Each key with whether its value is good, and what to say if not.
    pub(crate) fn problems(&self) -> Vec<(&'static str, bool, String)> {
        use ScheduleKind::{Constant, Cosine, OneCycle, Plateau, Step};
        let kind = self.kind;
        let share = |x: f64| ((0.0..1.0).contains(&x), format!("expected 0 to below 1, found {x}"));
        let inside = |x: f64| (x > 0.0 && x < 1.0, format!("expected a number between 0 and 1, found {x}"));
        let from_one = |n: usize| (n > 0, "expected at least 1, found 0".to_owned());
        let of = |kinds: &[ScheduleKind], (good, problem): (bool, String)| match kinds.contains(&kind) {
            true => (good, problem),
            false => (false, format!("{} has no such key", name(kind))),
        };
        let checks = [
            ("warmup", self.warmup.map(|_| of(&[Constant, Cosine, Step, Plateau], (true, String::new())))),
            ("floor", self.floor.map(|x| of(&[Cosine, Step, OneCycle, Plateau], share(x)))),
            ("every", self.every.map(|n| of(&[Step], from_one(n)))),
            ("factor", self.factor.map(|x| of(&[Step, Plateau], inside(x)))),
            ("patience", self.patience.map(|n| of(&[Plateau], from_one(n)))),
            ("rise", self.rise.map(|x| of(&[OneCycle], inside(x)))),
        ];
        checks.into_iter().filter_map(|(key, check)| check.map(|(good, text)| (key, good, text))).collect()
    }
}

fn name(kind: ScheduleKind) -> &'static str {
    match kind {
        ScheduleKind::Constant => "constant",
        ScheduleKind::Cosine => "cosine",
        ScheduleKind::Step => "step",
        ScheduleKind::OneCycle => "one-cycle",
        ScheduleKind::Plateau => "plateau",
    }
}

/// `done / all`, at most 1.
fn share(done: u64, all: u64) -> f64 {
    if done < all { done as f64 / all as f64 } else { 1.0 }
}

/// Half a cosine from `from` at 0 to `to` at 1.
fn between(from: f64, to: f64, at: f64) -> f64 {
    to + (from - to) * (1.0 + (PI * at).cos()) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(schedule: Schedule, selected: &[Option<f64>]) -> Vec<f64> {
        let at = |step| Position {
            step,
            before: 0,
            epoch_steps: 10,
            epochs: 4,
            selected: &selected[..step as usize / 10],
        };
        (0..40).map(|step| schedule.at(at(step), &Select::default())).collect()
    }

    #[test]
    fn each_course_has_its_shape() {
        let none = [None; 4];
        let kind = |kind| Schedule { kind, ..Schedule::default() };
        assert!(course(kind(ScheduleKind::Constant), &none).iter().all(|factor| *factor == 1.0));

        let cosine = course(Schedule { floor: Some(0.1), ..kind(ScheduleKind::Cosine) }, &none);
        assert!(cosine.is_sorted_by(|a, b| a > b) && cosine[0] == 1.0, "{cosine:?}");
        assert!((cosine[20] - 0.55).abs() < 1e-12, "half way at half time: {}", cosine[20]);

        let step = course(Schedule { factor: Some(0.1), every: Some(2), ..kind(ScheduleKind::Step) }, &none);
        assert_eq!((step[19], step[20], step[39]), (1.0, 0.1, 0.1));

        let cycle = course(kind(ScheduleKind::OneCycle), &none);
        assert!((cycle[0] - 0.04).abs() < 1e-12 && cycle[12] == 1.0, "{cycle:?}");
        assert!(
            cycle[..13].is_sorted_by(|a, b| a < b) && cycle[12..].is_sorted_by(|a, b| a > b),
            "{cycle:?}"
        );
        assert!(cycle[39] < 0.01, "{}", cycle[39]);

        let warm = course(Schedule { warmup: Some(5), ..kind(ScheduleKind::Constant) }, &none);
        assert_eq!(warm[..6], [0.2, 0.4, 0.6, 0.8, 1.0, 1.0]);
    }

    #[test]
    fn a_run_that_goes_on_from_another_begins_its_course_anew_and_is_warm_where_that_was() {
        let cosine = Schedule { kind: ScheduleKind::Cosine, warmup: Some(5), ..Schedule::default() };
        let at = |before: u64, step| {
            let position = Position { step, before, epoch_steps: 10, epochs: 4, selected: &[] };
            cosine.at(position, &Select::default())
        };
        assert_eq!([at(3, 0), at(3, 1), at(3, 2)], [0.8, 1.0, 1.0]);
        assert!(at(3, 3) < 1.0 && at(3, 39) < 0.01);
        let cold = Schedule { warmup: None, ..cosine };
        let none = Position { step: 17, before: 0, epoch_steps: 10, epochs: 4, selected: &[] };
        assert_eq!(at(100, 17), cold.at(none, &Select::default()));
    }

    #[test]
    fn a_plateau_halves_the_rate_each_time_patience_ends() {
        let plateau = Schedule { kind: ScheduleKind::Plateau, ..Schedule::default() };
        let auc = [0.7, 0.6, 0.65, 0.8].map(Some);
        let course = course(plateau, &auc);
        assert_eq!([5, 15, 25, 35].map(|step| course[step]), [1.0, 1.0, 0.5, 0.25]);
        let patient = Schedule { patience: Some(2), ..plateau };
        assert_eq!(patient.plateaus(&auc[..3], &Select::default()), 1);
        assert_eq!(patient.plateaus(&auc[..2], &Select::default()), 0);
    }
}

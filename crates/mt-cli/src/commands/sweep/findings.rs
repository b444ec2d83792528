//! What a sweep found, in all forms.

use anyhow::Result;
use candle_core::Device;
use mt_bundle::Predictor;
use mt_data::Dataset;
use mt_features::Table;
use mt_metrics::{OverRows, Seeds};
use mt_train::{Config, RunDir, Scored, Select, write_file, write_json};
use serde::Serialize;

use super::plan::Plan;
use super::record::{Ended, Record};
use super::space::{Dimension, Domain};
use crate::commands::compare::{Over, Ranked};
use crate::pages::{Response, SweepPage};
use crate::progress::count;
use crate::report::{Grid, number, p_value, thousands};
use crate::source;

/// `report.json`.
#[derive(Debug, Serialize)]
pub struct Report {
    pub name: String,
    /// What trials are judged by, on the validation rows.
    pub metric: String,
    /// Whether rows count by `data.weight` in what is judged and compared.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub weighted: bool,
    /// Number of the best trial; 0 if nothing beats the configuration as it is.
    pub best: usize,
    /// What it sets.
    pub set: Vec<String>,
    /// By task, on rows that no trial was judged on; empty if there are none.
    pub test: Vec<Difference>,
    /// How the two configurations are compared, which `test` does not: it is of one seed.
    pub compare: Option<String>,
    /// The best first.
    pub trials: Vec<Record>,
}

/// The best trial compared with the configuration as it is, on one task's test rows: two trained models.
#[derive(Debug, Serialize)]
pub struct Difference {
    pub task: String,
    /// AUC, mean AUC of classes or XAUC of trial 0; `None` where the rows do not tell.
    pub before: Option<f64>,
    pub after: Option<f64>,
    pub difference: Option<f64>,
    /// Of the paired test.
    pub p_value: Option<f64>,
    pub p_over: Over,
}

/// A report with all that is needed to show it.
pub struct Findings<'a> {
    plan: &'a Plan,
    best: Config,
    pub report: Report,
}

impl<'a> Findings<'a> {
    pub fn new(
        plan: &'a Plan,
        base: &Config,
        data: &Dataset,
        (device, select): (&Device, &Select),
        trials: Vec<Record>,
    ) -> Result<Self> {
        let (best, set) = trials.first().map(|best| (best.trial, best.set.clone())).unwrap_or_default();
        let test = match &data.test {
            Some(table) if best != 0 => differences(plan, base, table, best, device)?,
            _ => Vec::new(),
        };
        let (name, metric) = (base.name.clone(), select.to_string());
        let compare = (best != 0).then(|| {
            // Seeds that nothing was chosen by.
            let (folder, seed) = (plan.folder.display(), base.train.seed.wrapping_add(1));
            format!("mt compare {folder}/config.yaml {folder}/best.yaml --set train.seed={seed} --seeds 3")
        });
        let weighted = base.data.weight.is_some();
        let report = Report { name, metric, weighted, best, test, compare, trials, set };
        Ok(Self { plan, best: plan.config(&report.set)?, report })
    }

    /// Writes everything into the sweep's folder.
    pub fn write(&self, device: &Device) -> Result<()> {
        let folder = &self.plan.folder;
        let best = self.best.to_yaml()?;
        write_file(&folder.join("best.yaml"), best.as_bytes())?;
        write_json(&folder.join("report.json"), &self.report)?;
        let (test, caveat) = (self.test_grid(), self.caveat());
        let page = SweepPage {
            name: &self.report.name,
            metric: &self.report.metric,
            trials: &self.grid(),
            test: test.as_ref(),
            verdict: &self.verdict(),
            caveat: caveat.as_deref(),
            responses: &self.plan.over.iter().map(|dimension| self.response(dimension)).collect::<Vec<_>>(),
            best: &best,
            device,
        };
        Ok(page.write(folder)?)
    }

    pub fn text(&self) -> String {
        let test = self.test_grid().map(|grid| format!("\n{}", grid.text())).unwrap_or_default();
        let caveat = self.caveat().map(|caveat| format!("\n{caveat}")).unwrap_or_default();
        format!("{}\n{}{test}{caveat}", self.grid().text(), self.verdict())
    }

    fn verdict(&self) -> String {
        let rows = match self.report.weighted {
            true => "the validation rows, weighted by data.weight",
            false => "the validation rows",
        };
        match self.report.best {
            0 => format!("best on {rows}: the configuration as it is (trial 0)"),
            best => format!("best on {rows}: trial {best}, {}", self.report.set.join(" ")),
        }
    }

    /// What the numbers do not tell, and how to learn it.
    fn caveat(&self) -> Option<String> {
        let compare = self.report.compare.as_ref()?;
        let p = if self.report.test.is_empty() {
            ""
        } else {
            "; p is over rows only, of these two trained models"
        };
        Some(format!(
            "chosen among {} trials of one seed each{p}. What the configuration is worth: {compare}",
            self.report.trials.len()
        ))
    }

    /// The trials, the best first.
    fn grid(&self) -> Grid {
        let keys = self.plan.over.iter().map(|dimension| short(&dimension.key));
        let header = ["trial".to_owned()].into_iter().chain(keys);
        let rest = [self.report.metric.as_str(), "epoch", "parameters", "rows/s", "ended"];
        let mut grid = Grid::new(header.chain(rest.map(str::to_owned)));
        for record in &self.report.trials {
            let value = |dimension: &Dimension| {
                let own = record
                    .set
                    .iter()
                    .find_map(|set| set.split_once('=').filter(|set| set.0 == dimension.key));
                own.map_or_else(String::new, |(_, value)| value.to_owned())
            };
            let mut cells = vec![record.trial.to_string()];
            cells.extend(self.plan.over.iter().map(value));
            let epoch = record.best_epoch.map_or_else(|| "-".into(), |epoch| epoch.to_string());
            cells.extend([
                number(record.value, 5),
                format!("{epoch}/{}", record.epochs.len()),
                thousands(record.parameters),
                record.rows_per_second.map_or_else(|| "-".into(), count),
                match record.ended {
                    Ended::Done if record.trial == 0 => "as it is".into(),
                    Ended::Done => String::new(),
                    Ended::Hopeless => "early".into(),
                    Ended::Diverged => "diverged".into(),
                    Ended::Refused => "refused".into(),
                },
            ]);
            grid.rows.push(cells);
        }
        grid
    }

    fn test_grid(&self) -> Option<Grid> {
        let best = format!("trial {}", self.report.best);
        let mut grid = Grid::new(["on the test rows", "as it is", &best, "difference", "p (rows only)"]);
        for test in &self.report.test {
            grid.rows.push(vec![
                test.task.clone(),
                number(test.before, 5),
                number(test.after, 5),
                test.difference.map_or_else(|| "-".into(), |difference| format!("{difference:+.5}")),
                p_value(test.p_value),
            ]);
        }
        (!grid.rows.is_empty()).then_some(grid)
    }

    /// The value of every trial over that of a key.
    fn response(&self, dimension: &Dimension) -> Response {
        let key = short(&dimension.key);
        let (log, numbers, axis) = match &dimension.domain {
            Domain::Range { log: true, .. } => (true, true, format!("log10 of {key}")),
            Domain::Range { .. } => (false, true, key.clone()),
            Domain::Choice(choices) if choices.iter().all(|choice| choice.parse::<f64>().is_ok()) => {
                (false, true, key.clone())
            }
            Domain::Choice(choices) => {
                let named = choices.iter().enumerate().map(|(i, choice)| format!("{i}: {choice}"));
                (false, false, named.collect::<Vec<_>>().join(", "))
            }
        };
        let point = |record: &Record| {
            let value =
                record.set.iter().find_map(|set| set.strip_prefix(&dimension.key)?.strip_prefix('='))?;
            let x: f64 = match (&dimension.domain, numbers) {
                (Domain::Choice(choices), false) => choices.iter().position(|choice| choice == value)? as f64,
                _ => value.parse().ok()?,
            };
            Some((if log { x.log10() } else { x }, record.value?))
        };
        let of = |wanted: &dyn Fn(&Record) -> bool| {
            self.report.trials.iter().filter(|record| wanted(record)).filter_map(point).collect()
        };
        let best = self.report.best;
        Response {
            key: dimension.key.clone(),
            axis,
            trials: of(&|record| record.trial != best && record.ended == Ended::Done),
            best: of(&|record| record.trial == best),
        }
    }
}

/// The last part of a key, which says enough in a table.
fn short(key: &str) -> String {
    key.rsplit('.').next().unwrap_or(key).to_owned()
}

fn differences(
    plan: &Plan,
    cfg: &Config,
    table: &Table,
    best: usize,
    device: &Device,
) -> Result<Vec<Difference>> {
    let [before, after] = [0, best].map(|trial| ranked(plan, cfg, table, trial, device));
    let one = |run: &Option<Ranked>| Seeds::new(vec![(cfg.train.seed, run.clone()?)]);
    let compared = |(task, (before, after)): (&mt_features::TaskConfig, (Option<Ranked>, Option<Ranked>))| {
        let test = one(&before).zip(one(&after)).and_then(|(before, after)| after.paired(&before));
        let (before, after) = (before.map(|ranked| ranked.value()), after.map(|ranked| ranked.value()));
        Difference {
            task: task.name.clone(),
            before,
            after,
            difference: before.zip(after).map(|(before, after)| after - before),
            p_value: test.map(|test| test.p_value),
            p_over: Over::Rows,
        }
    };
    Ok(cfg.tasks.iter().zip(before?.into_iter().zip(after?)).map(compared).collect())
}

/// How the best epoch of a trial ranks each task's rows.
fn ranked(
    plan: &Plan,
    cfg: &Config,
    table: &Table,
    trial: usize,
    device: &Device,
) -> Result<Vec<Option<Ranked>>> {
    let (run, _) = RunDir::open_with(&plan.trial_path(trial), &cfg.model.registry)?;
    let Some(best) = run.best()? else { return Ok(cfg.tasks.iter().map(|_| None).collect()) };
    let predictor = Predictor::load_with(&run.checkpoint(best.epoch), device, &cfg.model.registry)?;
    let predictions = source::predict(&predictor, table)?;
    let tasks = &predictor.signature().schema.tasks;
    let of = |(t, task)| Ranked::new(task, &Scored::new(&predictions, table, tasks, t, table.mask()));
    Ok(tasks.iter().enumerate().map(of).collect())
}

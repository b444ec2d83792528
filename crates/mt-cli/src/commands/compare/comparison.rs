//! The table of a comparison.

use mt_metrics::Seeds;
use mt_train::{Config, Evaluation};
use serde::Serialize;

use super::outcome::{Outcome, Over};
use super::ranked::Ranked;
use super::row::Row;
use super::seesaw::baseline;
use super::trials::{Trial, Trials};
use crate::progress::{count, seconds};
use crate::report::{Grid, number, p_value, thousands};

/// All rows, model after model; as JSON, the rows alone.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Comparison {
    pub rows: Vec<Row>,
    /// The model that the others are compared with.
    #[serde(skip)]
    pub baseline: String,
    #[serde(skip)]
    pub over: Over,
}

impl Comparison {
    /// Whether rows count by `data.weight` in some task.
    pub fn weighted(&self) -> bool {
        self.rows.iter().any(|row| row.weighted)
    }
}

fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.into_iter().collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Sample standard deviation; `None` for fewer than two values.
fn deviation(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.into_iter().collect();
    let mean = mean(values.iter().copied())?;
    let sum: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (sum / (values.len() - 1) as f64).sqrt())
}

/// Of intervals.
const LEVEL: f64 = 0.95;

/// What the runs of one model say about one task; `None` where one of them is undefined.
fn judge(runs: &[Trial], task: usize) -> Option<Seeds<Ranked>> {
    let all: Option<Vec<_>> = runs.iter().map(|run| Some((run.seed, run.ranked[task].clone()?))).collect();
    Seeds::new(all?)
}

/// Of what is never outside 0 to 1.
fn within_unit((low, high): (f64, f64)) -> (f64, f64) {
    (low.max(0.0), high.min(1.0))
}

pub fn compare(configs: &[Config], trials: &Trials) -> Comparison {
    let mut rows = Vec::new();
    let base = baseline(configs);
    let over = Over::seeds(trials.runs.first().map_or(0, Vec::len));
    for (m, (cfg, runs)) in configs.iter().zip(&trials.runs).enumerate() {
        for (t, task) in cfg.tasks.iter().enumerate() {
            let own = judge(runs, t);
            let other = judge(&trials.runs[base], t);
            let test = match (&own, &other) {
                (Some(own), Some(other)) if m != base => own.paired(other),
                _ => None,
            };
            let mean_of = |runs: &[Trial], metric: &dyn Fn(&Trial) -> Option<f64>| {
                runs.iter().map(metric).collect::<Option<Vec<f64>>>().and_then(mean)
            };
            let of = |metric: &dyn Fn(&Trial) -> Option<f64>| mean_of(runs, metric);
            let on_task = |evaluation: &Evaluation| evaluation.tasks[t].1;
            let ranking = |runs| mean_of(runs, &|run| on_task(&run.test).metrics.ranking());
            let (auc, other) = (ranking(runs), ranking(&trials.runs[base]));
            rows.push(Row {
                model: cfg.name.clone(),
                kind: cfg.model.kind.to_string(),
                task: task.name.clone(),
                parameters: runs.first().map_or(0, |run| run.parameters),
                seeds: runs.len(),
                weighted: runs.iter().any(|run| on_task(&run.test).metrics.weight().is_some()),
                auc,
                gauc: of(&|run| on_task(&run.test).gauc.and_then(|gauc| gauc.value)),
                auc_sd: deviation(runs.iter().filter_map(|run| on_task(&run.test).metrics.ranking())),
                auc_interval: own.and_then(|own| own.interval(LEVEL)).map(within_unit),
                train_auc: of(&|run| on_task(&run.train).metrics.ranking()),
                log_loss: of(&|run| on_task(&run.test).metrics.log_loss()),
                difference: auc.zip(other).filter(|_| m != base).map(|(own, other)| own - other),
                difference_interval: test.map(|test| test.interval(LEVEL)),
                p_value: test.map(|test| test.p_value),
                p_over: over,
                degrees_of_freedom: test.and_then(|test| test.degrees_of_freedom),
                outcome: test.as_ref().and_then(Outcome::of),
                rows_per_second: mean(runs.iter().map(|run| run.rows_per_second)).unwrap_or(0.0),
                train_seconds: mean(runs.iter().map(|run| run.train_seconds)).unwrap_or(0.0),
            });
        }
    }
    Comparison { rows, baseline: configs[base].name.clone(), over }
}

/// The table as text; what all tasks of a model share stands in its first row only.
pub fn grid(comparison: &Comparison) -> Grid {
    let grouped = comparison.rows.iter().any(|row| row.gauc.is_some());
    let versus = format!("vs {}", comparison.baseline);
    let (interval, p) = match comparison.over {
        Over::Rows => ("95 % (rows only)", "p (rows only)"),
        Over::RowsAndSeeds => ("95 % interval", "p"),
    };
    let mut header = vec!["model", "parameters", "task", "test AUC", interval, &versus, p];
    header.extend(grouped.then_some("GAUC"));
    header.extend(["log loss", "train AUC", "rows/s", "time"]);
    let mut grid = Grid::new(header);
    let mut last = "";
    for row in &comparison.rows {
        let shared = |text: String| if row.model == last { String::new() } else { text };
        let sd = row.auc_sd.map(|sd| format!(" ± {sd:.4}")).unwrap_or_default();
        let interval = row.auc_interval.map_or("-".into(), |(low, high)| format!("{low:.4} … {high:.4}"));
        let mut cells = vec![
            shared(row.model.clone()),
            shared(thousands(row.parameters)),
            row.task.clone(),
            format!("{}{sd}", number(row.auc, 4)),
            interval,
            row.difference.map(|d| format!("{d:+.4}")).unwrap_or_default(),
            p_value(row.p_value),
        ];
        cells.extend(grouped.then(|| number(row.gauc, 4)));
        cells.extend([
            number(row.log_loss, 4),
            number(row.train_auc, 4),
            shared(count(row.rows_per_second)),
            shared(seconds(row.train_seconds)),
        ]);
        grid.rows.push(cells);
        last = &row.model;
    }
    grid
}

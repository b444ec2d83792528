//! The table of a comparison.

use mt_train::{Config, Evaluation};
use serde::Serialize;

use super::ranked::Ranked;
use super::seesaw::{Outcome, baseline};
use super::trials::{Trial, Trials};
use crate::progress::{count, seconds};
use crate::report::{Grid, number, p_value, thousands};

/// A row of the table: one model on one task.
#[derive(Debug, Default, Serialize)]
pub struct Row {
    pub model: String,
    pub kind: String,
    pub task: String,
    pub parameters: usize,
    pub seeds: usize,
    /// Mean over the seeds of the test AUC; of a multiclass task the classes' mean, of a regression XAUC.
    pub auc: Option<f64>,
    /// Mean over the seeds of the AUC within groups, if the data has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gauc: Option<f64>,
    /// Standard deviation between the seeds; `None` with one.
    pub auc_sd: Option<f64>,
    /// 95 % confidence interval of the mean: the variance over draws of test rows plus the seeds'.
    pub auc_interval: Option<(f64, f64)>,
    /// Mean AUC on the training rows.
    pub train_auc: Option<f64>,
    /// Mean test log loss over the seeds.
    pub log_loss: Option<f64>,
    /// `auc` minus that of the baseline; `None` for the baseline itself.
    pub difference: Option<f64>,
    /// 95 % confidence interval of `difference`, and its p-value, by the paired test on the test rows and the variance
    /// between the seeds; `None` where `auc` is.
    pub difference_interval: Option<(f64, f64)>,
    pub p_value: Option<f64>,
    pub outcome: Option<Outcome>,
    /// Training rows a second, and seconds of training a run; means over the seeds.
    pub rows_per_second: f64,
    pub train_seconds: f64,
}

/// All rows, model after model; as JSON, the rows alone.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Comparison {
    pub rows: Vec<Row>,
    /// The model that the others are compared with.
    #[serde(skip)]
    pub baseline: String,
}

fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.into_iter().collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Sample variance; `None` for fewer than two values.
fn variance(values: &[f64]) -> Option<f64> {
    let mean = mean(values.iter().copied())?;
    (values.len() > 1)
        .then(|| values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64)
}

/// What the runs of one model say about one task.
struct Judged {
    mean: Option<Ranked>,
    /// Variance of the mean AUC between seeds.
    of_seeds: f64,
    sd: Option<f64>,
}

fn judge(runs: &[Trial], task: usize) -> Judged {
    let all: Option<Vec<Ranked>> = runs.iter().map(|run| run.ranked[task].clone()).collect();
    let aucs: Vec<f64> = runs.iter().filter_map(|run| run.test.tasks[task].1.metrics.ranking()).collect();
    let variance = variance(&aucs);
    Judged {
        mean: all.and_then(|all| Ranked::mean(&all)),
        of_seeds: variance.map_or(0.0, |v| v / aucs.len() as f64),
        sd: variance.map(f64::sqrt),
    }
}

/// Two-sided 95 % of the normal distribution.
const Z_95: f64 = 1.959_963_984_540_054;

impl Judged {
    fn interval(&self) -> Option<(f64, f64)> {
        let mean = self.mean.as_ref()?;
        let half = Z_95 * (mean.standard_error()?.powi(2) + self.of_seeds).sqrt();
        Some(((mean.value() - half).max(0.0), (mean.value() + half).min(1.0)))
    }
}

pub fn compare(configs: &[Config], trials: &Trials) -> Comparison {
    let mut rows = Vec::new();
    let base = baseline(configs);
    for (m, (cfg, runs)) in configs.iter().zip(&trials.runs).enumerate() {
        for (t, task) in cfg.tasks.iter().enumerate() {
            let own = judge(runs, t);
            let other = judge(&trials.runs[base], t);
            let test = match (&own.mean, &other.mean) {
                (Some(a), Some(b)) if m != base => a.paired(b, own.of_seeds + other.of_seeds),
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
                auc,
                gauc: of(&|run| on_task(&run.test).gauc.and_then(|gauc| gauc.value)),
                auc_sd: own.sd,
                auc_interval: own.interval(),
                train_auc: of(&|run| on_task(&run.train).metrics.ranking()),
                log_loss: of(&|run| on_task(&run.test).metrics.log_loss()),
                difference: auc.zip(other).filter(|_| m != base).map(|(own, other)| own - other),
                difference_interval: test.map(|test| {
                    let half = Z_95 * test.standard_error;
                    (test.difference - half, test.difference + half)
                }),
                p_value: test.map(|test| test.p_value),
                outcome: test.as_ref().map(Outcome::of),
                rows_per_second: mean(runs.iter().map(|run| run.rows_per_second)).unwrap_or(0.0),
                train_seconds: mean(runs.iter().map(|run| run.train_seconds)).unwrap_or(0.0),
            });
        }
    }
    Comparison { rows, baseline: configs[base].name.clone() }
}

/// The table as text; what all tasks of a model share stands in its first row only.
pub fn grid(comparison: &Comparison) -> Grid {
    let grouped = comparison.rows.iter().any(|row| row.gauc.is_some());
    let versus = format!("vs {}", comparison.baseline);
    let mut header = vec!["model", "parameters", "task", "test AUC", "95 % interval", &versus, "p"];
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

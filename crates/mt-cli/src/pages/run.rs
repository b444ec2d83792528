//! The page of a run.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Device;
use mt_features::TaskConfig;
use mt_train::{Best, Config, Evaluation, write_file};

use super::{FILE, Shape, calibration, environment, over_epochs, ranking_name, roc};
use crate::history::{GateHistory, History, Prequential, Valid};
use crate::html::{self, Points, Series, Shade, escape};
use crate::progress::{count, seconds};
use crate::report::{Grid, WEIGHTED, metric_grids, number, thousands};

/// A finished run, or what there is of a stopped one.
pub struct RunPage<'a> {
    pub cfg: &'a Config,
    pub history: &'a History,
    pub parameters: usize,
    pub best: Option<Best>,
    pub interrupted: bool,
    pub rows_per_second: Option<f64>,
    pub train_seconds: f64,
    pub device: &'a Device,
    /// Metrics with the weights of the best epoch, and which rows they are of.
    pub evaluations: &'a [(&'a str, &'a Evaluation)],
    /// By task, on the rows that `judged` says.
    pub shapes: &'a [Option<Shape>],
    pub judged: &'a str,
}

impl RunPage<'_> {
    /// Writes the page into the run's folder.
    pub fn write(&self, folder: &Path) -> mt_train::Result<()> {
        Ok(write_file(&folder.join(FILE), self.html()?.as_bytes())?)
    }

    fn html(&self) -> mt_train::Result<String> {
        let Config { name, model, .. } = self.cfg;
        let stopped = if self.interrupted { ", stopped before its last epoch" } else { "" };
        let mut body = format!(
            "<header>\n<h1>{}</h1>\n<p class=\"quiet\">{} on {} tasks, seed {}{stopped}</p>\n{}</header>\n",
            escape(name),
            escape(&model.kind.to_string()),
            self.cfg.tasks.len(),
            self.cfg.train.seed,
            self.facts(),
        );
        let warnings: Vec<&str> = self.history.warnings().map(String::as_str).collect();
        if !warnings.is_empty() {
            body += &html::section("Warnings", &html::list(&warnings));
        }
        let tables = |(rows, evaluation): &(&str, &Evaluation)| -> String {
            let weighted = if evaluation.weighted() { format!("; {WEIGHTED}") } else { String::new() };
            let caption = format!("{rows} rows{weighted}");
            metric_grids(evaluation).iter().map(|grid| html::table(grid, &caption)).collect()
        };
        let tables: String = self.evaluations.iter().map(tables).collect();
        body += &html::section("Results", &tables);
        if let Some(found) = self.history.prequential() {
            let caption = format!(
                "{} training rows, scored by the model that the run went on from",
                thousands(found.rows)
            );
            body += &html::section(
                "Before training",
                &html::table(&prequential(found, &self.cfg.tasks), &caption),
            );
        }
        let curves = self.cfg.tasks.iter().zip(self.shapes).map(|(task, shape)| self.task(task, shape));
        body += &html::section("Curves", &curves.collect::<String>());
        let gates = self.history.gates();
        if !gates.is_empty() {
            let map = |gate: &GateHistory| {
                let title = format!("Gate of {}, level {}", gate.gate, gate.level);
                html::heat(&title, "epoch", &gate.experts)
            };
            let maps: Vec<String> = gates.iter().map(map).collect();
            body += &html::section("Gates: mean weight of each expert", &html::charts(&maps));
        }
        let gradients = self.gradients();
        if !gradients.is_empty() {
            body += &html::section("Gradients on a batch", &html::charts(&gradients));
        }
        body +=
            &html::section("Epochs", &html::table(&self.epochs(), "validation rows; * marks the best epoch"));
        body += &html::section("Configuration", &html::details("config.yaml", &self.cfg.to_yaml()?));
        body += &html::section("Environment", &environment(self.device));
        Ok(html::page(name, &body))
    }

    fn facts(&self) -> String {
        let mut facts =
            vec![("parameters", thousands(self.parameters)), ("training", seconds(self.train_seconds))];
        facts.extend(self.rows_per_second.map(|rate| ("speed", format!("{} rows/s", count(rate)))));
        facts.extend(self.best.map(|best| ("best epoch", best.epoch.to_string())));
        html::facts(&facts)
    }

    /// A task's curves: learning beside what was learnt.
    fn task(&self, task: &TaskConfig, shape: &Option<Shape>) -> String {
        let name = &task.name;
        let line = |name: &str, colour, shade, points| Series { name: name.into(), colour, shade, points };
        let ranking = ranking_name(task);
        let mut charts = vec![
            over_epochs(
                "Loss",
                "loss",
                &[
                    line("training", 1, Shade::Faint, self.history.trained(name, |task| Some(task.loss))),
                    line("validation", 0, Shade::Dotted, self.history.valid(name, |task| task.log_loss)),
                ],
            ),
            over_epochs(
                ranking,
                ranking,
                &[
                    line("training", 1, Shade::Faint, self.history.trained(name, |task| task.auc)),
                    line("validation", 0, Shade::Dotted, self.history.valid(name, Valid::ranking)),
                ],
            ),
        ];
        if let Some(Shape { roc: points, calibration: bins }) = shape {
            let rows = self.judged;
            let title = |what: &str| format!("{what}, {rows} rows");
            if let Some(points) = points {
                charts.push(roc(&title("ROC"), &[line(rows, 0, Shade::Plain, points.clone())]));
            }
            let bins = [line(rows, 0, Shade::Dotted, bins.clone())];
            charts.push(calibration(&title("Calibration"), task, &bins));
        }
        format!("<h3>{}</h3>\n{}", escape(name), html::charts(&charts))
    }

    /// How strongly the gradient reaches each part of the model, and how far the tasks agree on it.
    fn gradients(&self) -> Vec<String> {
        let norms = self.history.gradients(|gradients| &gradients.norms);
        let cosines = self.history.gradients(|gradients| &gradients.cosines);
        let kinds =
            [("Norm by part of the model", "norm", norms), ("Cosine between tasks", "cosine", cosines)];
        let chart = |(title, y, curves): (&str, &str, BTreeMap<String, Points>)| {
            let line = |(colour, (name, points))| Series { name, colour, shade: Shade::Dotted, points };
            let lines: Vec<Series> = curves.into_iter().enumerate().map(line).collect();
            (!lines.is_empty()).then(|| over_epochs(title, y, &lines))
        };
        kinds.into_iter().filter_map(chart).collect()
    }

    fn epochs(&self) -> Grid {
        let tasks = &self.cfg.tasks;
        let mut header = vec!["epoch".to_owned(), "time".into(), "rows/s".into()];
        for task in tasks {
            header
                .extend([format!("{} {}", task.name, ranking_name(task)), format!("{} log loss", task.name)]);
        }
        let mut grid = Grid::new(header);
        for epoch in self.history.epochs() {
            let best = if self.best.is_some_and(|best| best.epoch == epoch.epoch) { " *" } else { "" };
            let mut cells =
                vec![format!("{}{best}", epoch.epoch), seconds(epoch.seconds), count(epoch.rows_per_second)];
            for task in tasks {
                let valid = epoch.valid(&task.name);
                cells.push(number(valid.and_then(Valid::ranking), 5));
                cells.push(number(valid.and_then(|valid| valid.log_loss), 5));
            }
            grid.rows.push(cells);
        }
        grid
    }
}

/// A row a task.
fn prequential(found: &Prequential, tasks: &[TaskConfig]) -> Grid {
    let mut grid = Grid::new(["task", "ranking", "log loss"]);
    for task in tasks {
        let of = found.task(&task.name);
        let (ranking, loss) = (of.as_ref().and_then(Valid::ranking), of.as_ref().and_then(|of| of.log_loss));
        grid.rows.push(vec![
            format!("{} ({})", task.name, ranking_name(task)),
            number(ranking, 5),
            number(loss, 5),
        ]);
    }
    grid
}

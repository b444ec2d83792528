//! The page of a comparison.

use std::path::Path;

use candle_core::Device;
use mt_features::TaskConfig;
use mt_train::{Config, write_file};

use super::{FILE, Shape, calibration, environment, over_epochs, ranking_name, roc};
use crate::commands::compare::Over;
use crate::history::{History, Valid};
use crate::html::{self, Effect, Points, Series, Shade, escape, link};
use crate::report::Grid;

/// The runs of one model, one a seed.
pub struct ModelRuns<'a> {
    pub cfg: &'a Config,
    /// Folder of each run within that of the model, and what happened in it.
    pub runs: Vec<(&'a str, &'a History)>,
    /// By task, of the first run.
    pub shapes: &'a [Option<Shape>],
}

/// A finished comparison.
pub struct ComparisonPage<'a> {
    /// What is in the table, as text.
    pub table: &'a Grid,
    /// What the models are compared with.
    pub baseline: &'a str,
    /// What p and intervals take as drawn by chance, and what they do not tell.
    pub over: Over,
    pub caveat: Option<&'a str>,
    /// A sentence a model; none of one seed.
    pub verdicts: &'a [String],
    /// By task: the differences of all models but the baseline.
    pub gains: &'a [Vec<Effect>],
    pub models: &'a [ModelRuns<'a>],
    /// Remarks below the table.
    pub notes: &'a [String],
    pub device: &'a Device,
    pub judged: &'a str,
}

impl ComparisonPage<'_> {
    /// Writes the page into the comparison's folder.
    pub fn write(&self, folder: &Path) -> mt_train::Result<()> {
        Ok(write_file(&folder.join(FILE), self.html()?.as_bytes())?)
    }

    fn html(&self) -> mt_train::Result<String> {
        let names: Vec<&str> = self.models.iter().map(|model| model.cfg.name.as_str()).collect();
        let title = names.join(", ");
        let tasks = self.models.first().map_or(&[][..], |model| &model.cfg.tasks);
        let task_names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
        let seeds = self.models.first().map_or(0, |model| model.runs.len());
        let caption = match self.over {
            Over::Rows => "one seed: p and intervals over the rows only",
            Over::RowsAndSeeds => {
                "mean ± standard deviation over the seeds; p and intervals over rows and seeds"
            }
        };
        let mut body = format!(
            "<header>\n<h1>Comparison of {}</h1>\n<p class=\"quiet\">tasks {}; {seeds} run{} each; judged on the {} \
             rows</p>\n</header>\n",
            escape(&title),
            escape(&task_names.join(", ")),
            if seeds == 1 { "" } else { "s" },
            self.judged,
        );
        let notes = self.caveat.into_iter().chain(self.notes.iter().map(String::as_str));
        let notes: String = notes.map(|note| format!("<p class=\"quiet\">{}</p>\n", escape(note))).collect();
        body += &html::section("Results", &(html::table(self.table, caption) + &notes));
        if self.gains.iter().any(|effects| !effects.is_empty()) {
            let title = match self.over {
                Over::Rows => "Difference to",
                Over::RowsAndSeeds => "Gain over",
            };
            body += &html::section(&format!("{title} {}", self.baseline), &self.gain(tasks));
        }
        let curves = tasks.iter().enumerate().map(|(t, task)| self.task(t, task));
        body += &html::section("Curves", &curves.collect::<String>());
        let mut configs = String::new();
        for ModelRuns { cfg, runs, .. } in self.models {
            configs += &html::details(&cfg.name, &cfg.to_yaml()?);
            let page = |(folder, _): &(&str, &History)| {
                format!("<a href=\"{}\">{}</a>", link(&[&cfg.name, folder, FILE]), escape(folder))
            };
            let pages: Vec<String> = runs.iter().map(page).collect();
            configs += &format!("<p class=\"quiet\">runs: {}</p>\n", pages.join(", "));
        }
        body += &html::section("Configurations and runs", &configs);
        body += &html::section("Environment", &environment(self.device));
        Ok(html::page(&format!("Comparison of {title}"), &body))
    }

    fn gain(&self, tasks: &[TaskConfig]) -> String {
        let verdict = |verdict: &String| format!("<li>{}</li>\n", escape(verdict));
        let mut verdicts: String = self.verdicts.iter().map(verdict).collect();
        if !verdicts.is_empty() {
            verdicts = format!("<ul class=\"verdicts\">\n{verdicts}</ul>\n");
        }
        let charts: Vec<String> = tasks
            .iter()
            .zip(self.gains)
            .filter(|(_, effects)| !effects.is_empty())
            .map(|(task, effects)| {
                let ranking = ranking_name(task);
                let axis = match self.over {
                    Over::Rows => format!("difference in {ranking}, 95 % interval over the rows only"),
                    Over::RowsAndSeeds => format!("gain in {ranking}, 95 % interval"),
                };
                html::forest(&task.name, &axis, effects)
            })
            .collect();
        verdicts + &html::charts(&charts)
    }

    /// The curves of every model on one task.
    fn task(&self, t: usize, task: &TaskConfig) -> String {
        let learning = |points: &dyn Fn(&History) -> Points, shade| -> Vec<Series> {
            let runs = self.models.iter().enumerate().flat_map(|(colour, model)| {
                model.runs.iter().map(move |(_, history)| (colour, &model.cfg.name, *history))
            });
            runs.map(|(colour, name, history)| Series {
                name: name.clone(),
                colour,
                shade,
                points: points(history),
            })
            .collect()
        };
        let learnt = |points: fn(&Shape) -> Option<&Points>, shade| -> Vec<Series> {
            let models = self.models.iter().enumerate();
            models
                .filter_map(|(colour, model)| {
                    let points = points(model.shapes[t].as_ref()?)?.clone();
                    Some(Series { name: model.cfg.name.clone(), colour, shade, points })
                })
                .collect()
        };
        let ranking = ranking_name(task);
        let name = &task.name;
        let mut charts = vec![
            over_epochs(
                &format!("{ranking}, validation rows"),
                ranking,
                &learning(&|history| history.valid(name, Valid::ranking), Shade::Dotted),
            ),
            over_epochs(
                "Loss, training rows",
                "loss",
                &learning(&|history| history.trained(name, |task| Some(task.loss)), Shade::Plain),
            ),
        ];
        let title = |what: &str| format!("{what}, {} rows", self.judged);
        let points = learnt(|shape| shape.roc.as_ref(), Shade::Plain);
        if !points.is_empty() {
            charts.push(roc(&title("ROC"), &points));
        }
        let bins = learnt(|shape| Some(&shape.calibration), Shade::Dotted);
        if !bins.is_empty() {
            charts.push(calibration(&title("Calibration"), task, &bins));
        }
        format!("<h3>{}</h3>\n{}", escape(name), html::charts(&charts))
    }
}

//! The page of runs that go on from day to day.

use mt_train::Config;
use serde::Serialize;

use super::ranking_name;
use crate::history::{Prequential, Valid};
use crate::html::{self, Axis, LineChart, Points, Series, Shade, escape, link};
use crate::report::{Grid, number, thousands};

/// A day that is over; `days.json` has one a day.
#[derive(Debug, Serialize)]
pub struct Done {
    pub day: String,
    /// Folder of its run.
    pub run: String,
    /// What the model of the day before did on its rows; `None` of the first.
    pub prequential: Option<Prequential>,
}

/// Days that are over.
pub struct DaysPage<'a> {
    pub cfg: &'a Config,
    pub days: &'a [Done],
}

impl DaysPage<'_> {
    /// A row a day: by task how well the model of the day before ranked it, and its log loss.
    pub fn table(&self) -> Grid {
        let Self { cfg, days } = self;
        let of_task = |name: &String| [format!("{name} ranking"), format!("{name} log loss")];
        let header = ["day".to_owned(), "rows".to_owned()].into_iter();
        let mut grid = Grid::new(header.chain(cfg.tasks.iter().flat_map(|task| of_task(&task.name))));
        for Done { day, prequential, .. } in *days {
            let rows = prequential.as_ref().map_or_else(|| "-".to_owned(), |found| thousands(found.rows));
            let mut cells = vec![day.clone(), rows];
            for task in &cfg.tasks {
                let found = prequential.as_ref().and_then(|found| found.task(&task.name));
                cells.push(number(found.as_ref().and_then(Valid::ranking), 5));
                cells.push(number(found.as_ref().and_then(|found| found.log_loss), 5));
            }
            grid.rows.push(cells);
        }
        grid
    }

    pub fn html(&self) -> mt_train::Result<String> {
        let Self { cfg, days } = self;
        let (first, last) = (days.first(), days.last());
        let day = |done: Option<&Done>| escape(done.map_or("", |done| &done.day));
        let mut body = format!(
            "<header>\n<h1>{}</h1>\n<p class=\"quiet\">{} days, {} to {}</p>\n</header>\n",
            escape(&cfg.name),
            days.len(),
            day(first),
            day(last)
        );
        let table = html::table(&self.table(), "each day's rows, scored by the model of the day before");
        body += &html::section("Before training on them", &table);
        let charts: Vec<String> = cfg
            .tasks
            .iter()
            .flat_map(|task| {
                let ranking = format!("{}: {}", task.name, ranking_name(task));
                let loss = format!("{}: log loss", task.name);
                [
                    self.chart(&ranking, &task.name, Valid::ranking),
                    self.chart(&loss, &task.name, |valid| valid.log_loss),
                ]
            })
            .flatten()
            .collect();
        body += &html::section("Curves over the days", &html::charts(&charts));
        let runs: String = days
            .iter()
            .map(|done| {
                format!(
                    "<li><a href=\"{}\">{}</a></li>\n",
                    link(&[&done.day, super::FILE]),
                    escape(&done.day)
                )
            })
            .collect();
        body += &html::section("Runs", &format!("<ul>\n{runs}</ul>\n"));
        body += &html::section("Configuration", &html::details("of the last day", &cfg.to_yaml()?));
        Ok(html::page(&cfg.name, &body))
    }

    /// A task's value over the days; nothing where no day has one.
    fn chart(&self, title: &str, task: &str, value: impl Fn(&Valid) -> Option<f64>) -> Option<String> {
        let of = |done: &Done| value(&done.prequential.as_ref()?.task(task)?);
        let points: Points =
            (1..).zip(self.days).filter_map(|(day, done)| Some((f64::from(day), of(done)?))).collect();
        if points.is_empty() {
            return None;
        }
        let series = [Series { name: task.to_owned(), colour: 0, shade: Shade::Dotted, points }];
        let x = Axis { name: "day", holds: Some((1.0, self.days.len() as f64)) };
        Some(
            LineChart { title, x, y: Axis { name: "", holds: None }, diagonal: false, series: &series }
                .html(),
        )
    }
}

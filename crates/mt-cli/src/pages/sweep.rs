//! The page of a sweep.

use std::path::Path;

use candle_core::Device;
use mt_train::write_file;

use super::{FILE, environment};
use crate::html::{self, Axis, LineChart, Points, Series, Shade, escape};
use crate::report::Grid;

/// How trials came out over the values of a key.
pub struct Response {
    pub key: String,
    /// What the horizontal axis says.
    pub axis: String,
    /// Of trials that were stopped there is none: they would say what fewer epochs are worth.
    pub trials: Points,
    pub best: Points,
}

/// A finished sweep.
pub struct SweepPage<'a> {
    pub name: &'a str,
    pub metric: &'a str,
    pub trials: &'a Grid,
    /// The best trial on the test rows.
    pub test: Option<&'a Grid>,
    pub verdict: &'a str,
    /// What the tables do not tell.
    pub caveat: Option<&'a str>,
    pub responses: &'a [Response],
    /// The best configuration, as YAML.
    pub best: &'a str,
    pub device: &'a Device,
}

impl SweepPage<'_> {
    /// Writes the page into the sweep's folder.
    pub fn write(&self, folder: &Path) -> mt_train::Result<()> {
        Ok(write_file(&folder.join(FILE), self.html().as_bytes())?)
    }

    fn html(&self) -> String {
        let title = format!("Sweep over {}", self.name);
        let mut body = format!(
            "<header>\n<h1>{}</h1>\n<p class=\"quiet\">judged by {} on the validation rows</p>\n</header>\n",
            escape(&title),
            escape(self.metric),
        );
        let verdict = format!("<p>{}</p>\n", escape(self.verdict));
        let test = self.test.map(|grid| {
            html::table(grid, "the best trial on the test rows, paired; one seed: p over rows only")
        });
        let caveat = self.caveat.map(|caveat| format!("<p class=\"quiet\">{}</p>\n", escape(caveat)));
        body += &html::section(
            "Best",
            &[
                verdict,
                test.unwrap_or_default(),
                caveat.unwrap_or_default(),
                html::details("best.yaml", self.best),
            ]
            .concat(),
        );
        let charts: Vec<String> = self.responses.iter().map(|response| self.response(response)).collect();
        body += &html::section("Response", &html::charts(&charts));
        body += &html::section(
            "Trials",
            &html::table(self.trials, "the best first; trial 0 is the configuration as it is"),
        );
        body += &html::section("Environment", &environment(self.device));
        html::page(&title, &body)
    }

    fn response(&self, response: &Response) -> String {
        let dots = |name: &str, colour, points: &Points| Series {
            name: name.into(),
            colour,
            shade: Shade::Dots,
            points: points.clone(),
        };
        let series = [dots("trials", 0, &response.trials), dots("best", 1, &response.best)];
        let (x, y) = (&response.axis, self.metric);
        let [x, y] = [x, y].map(|name| Axis { name, holds: None });
        LineChart { title: &response.key, x, y, diagonal: false, series: &series }.html()
    }
}

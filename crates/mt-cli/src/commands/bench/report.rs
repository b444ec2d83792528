//! What was measured, as a table and as JSON.

use serde::{Deserialize, Serialize};

use crate::machine;
use crate::progress::{count, seconds};
use crate::report::{Grid, thousands};

/// The unit of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    #[serde(rename = "rows/s")]
    RowsPerSecond,
    #[serde(rename = "µs")]
    Microseconds,
    #[serde(rename = "MB/s")]
    MegabytesPerSecond,
}

impl Unit {
    fn symbol(self) -> &'static str {
        match self {
            Self::RowsPerSecond => "rows/s",
            Self::Microseconds => "µs",
            Self::MegabytesPerSecond => "MB/s",
        }
    }
}

/// The runs of one measurement.
#[derive(Debug, Serialize, Deserialize)]
pub struct Measured {
    /// `{model}, {what}`, or `{what}` where no model takes part.
    pub name: String,
    pub unit: Unit,
    pub median: f64,
    pub runs: Vec<f64>,
    /// How many times as fast as in the report it was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speedup: Option<f64>,
}

impl Measured {
    pub fn new(name: String, unit: Unit, runs: Vec<f64>) -> Self {
        Self { name, unit, median: median(runs.clone()), runs, speedup: None }
    }

    /// The difference between the largest and the smallest run, as a share of the median.
    fn spread(&self) -> f64 {
        let (low, high) = self.runs.iter().fold((f64::MAX, 0f64), |(l, h), &x| (l.min(x), h.max(x)));
        (high - low) / self.median
    }

    fn text(&self) -> String {
        let text = match self.unit {
            Unit::RowsPerSecond => count(self.median),
            Unit::Microseconds => format!("{:.1}", self.median),
            Unit::MegabytesPerSecond => format!("{:.0}", self.median),
        };
        match self.speedup {
            Some(speedup) => format!("{text} ({speedup:.2}x)"),
            None => text,
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => values[middle],
        _ => values.get(middle).map_or(f64::NAN, |upper| (values[middle - 1] + upper) / 2.0),
    }
}

/// What decides on the numbers besides the program: two reports are comparable where all of it is equal.
#[derive(Debug, Serialize, Deserialize)]
pub struct Setting {
    pub cpu: String,
    /// The widest instruction set the program found.
    pub instructions: String,
    pub threads: usize,
    pub rows: u32,
    pub seconds: f64,
}

impl Setting {
    pub fn here(rows: u32, seconds: f64) -> Self {
        Self {
            cpu: machine::cpu(),
            instructions: mt_kernels::simd::instructions(),
            threads: rayon::current_num_threads(),
            rows,
            seconds,
        }
    }

    /// What is different there.
    pub fn differences(&self, there: &Self) -> Vec<String> {
        let of = |s: &Self| {
            let (threads, rows) =
                (format!("{} threads", s.threads), format!("{} rows", thousands(s.rows as usize)));
            [s.cpu.clone(), s.instructions.clone(), threads, rows, format!("{} s a run", s.seconds)]
        };
        let here = of(self);
        of(there)
            .into_iter()
            .zip(&here)
            .filter(|(there, here)| there != *here)
            .map(|(there, _)| there)
            .collect()
    }
}

/// All measurements of a machine.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    pub version: String,
    #[serde(flatten)]
    pub setting: Setting,
    pub measured: Vec<Measured>,
}

impl Report {
    pub fn new(setting: Setting, measured: Vec<Measured>) -> Self {
        Self { version: env!("CARGO_PKG_VERSION").into(), setting, measured }
    }

    /// Notes how many times as fast each measurement is as in an earlier report that has it, too.
    pub fn compare(&mut self, earlier: &Self) {
        for now in &mut self.measured {
            let same = earlier.measured.iter().find(|then| then.name == now.name && then.unit == now.unit);
            now.speedup = same.map(|then| match now.unit {
                Unit::Microseconds => then.median / now.median,
                Unit::RowsPerSecond | Unit::MegabytesPerSecond => now.median / then.median,
            });
        }
    }

    /// A row a model and a column a measurement; below it, what no model takes part in, and how far to trust it.
    pub fn text(&self) -> String {
        let mut header = vec!["model".to_owned()];
        let mut rows: Vec<Vec<String>> = Vec::new();
        let mut lines = String::new();
        for measured in &self.measured {
            let Some((model, what)) = measured.name.split_once(", ") else {
                lines += &format!("{}: {} {}\n", measured.name, measured.text(), measured.unit.symbol());
                continue;
            };
            let title = format!("{what}, {}", measured.unit.symbol());
            if !header.contains(&title) {
                header.push(title);
            }
            match rows.last_mut().filter(|row| row[0] == model) {
                Some(row) => row.push(measured.text()),
                None => rows.push(vec![model.to_owned(), measured.text()]),
            }
        }
        let Setting { cpu, instructions, threads, rows: count, seconds: s } = &self.setting;
        let runs = self.measured.first().map_or(0, |first| first.runs.len());
        let spreads: Vec<f64> = self.measured.iter().map(|measured| 100.0 * measured.spread()).collect();
        let largest = spreads.iter().copied().fold(0.0, f64::max);
        format!(
            "mt {} on {cpu} ({instructions}), {threads} threads\n{}\n{lines}medians of {runs} runs of {} on {} \
             generated rows x {} columns; runs differ by {:.0} %, at most {largest:.0} %",
            self.version,
            Grid { header, rows }.text(),
            seconds(*s),
            thousands(*count as usize),
            mt_layers::study::WIDTH,
            median(spreads),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(train: f64, predict: f64) -> Report {
        let setting = Setting {
            cpu: "a processor".into(),
            instructions: "x86-64-v3".into(),
            threads: 2,
            rows: 5000,
            seconds: 1.0,
        };
        let measured = vec![
            Measured::new(
                "mmoe, train 32".into(),
                Unit::RowsPerSecond,
                [1.0, 1.1, 0.9].map(|x| x * train).into(),
            ),
            Measured::new("mmoe, predict 1".into(), Unit::Microseconds, vec![predict; 3]),
            Measured::new("read csv".into(), Unit::MegabytesPerSecond, vec![500.0; 3]),
        ];
        Report::new(setting, measured)
    }

    #[test]
    fn a_speedup_above_one_is_faster_in_rates_and_in_times() {
        let (earlier, mut now) = (report(100_000.0, 30.0), report(200_000.0, 10.0));
        now.compare(&earlier);
        let speedups: Vec<_> = now.measured.iter().map(|measured| measured.speedup).collect();
        assert_eq!(speedups, [Some(2.0), Some(3.0), Some(1.0)]);
        let text = now.text();
        for part in ["200k (2.00x)", "10.0 (3.00x)", "read csv: 500 (1.00x) MB/s", "at most 20 %"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn what_is_written_can_be_compared_with() {
        let mut now = report(1.0, 1.0);
        now.compare(&report(2.0, 1.0));
        let text = serde_json::to_string(&now).expect("json");
        let back: Report = serde_json::from_str(&text).expect("the same report");
        assert_eq!(serde_json::to_string(&back).expect("json"), text);
        assert!(now.setting.differences(&back.setting).is_empty());
        let other = Setting { threads: 8, ..back.setting };
        assert_eq!(now.setting.differences(&other), ["8 threads"]);
    }
}

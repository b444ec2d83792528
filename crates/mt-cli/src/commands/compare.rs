//! `mt compare`.

mod comparison;
mod outcome;
mod ranked;
mod row;
mod seesaw;
mod trials;
mod vary;

pub use self::outcome::Over;
pub use self::ranked::Ranked;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use candle_core::Device;
use mt_features::{TaskConfig, TaskKind};
use mt_models::Registry;
use mt_train::{Config, RunDir, write_file, write_json};

use self::comparison::{Comparison, compare, grid};
use self::trials::{Trial, Trials, trials};
use self::vary::Variation;
use crate::args::{CompareArgs, Usage};
use crate::pages::{ComparisonPage, ModelRuns};
use crate::progress::seconds;
use crate::report::{Grid, WEIGHTED};
use crate::{device, print, stop};

pub fn run(args: &CompareArgs, registry: &Registry) -> Result<()> {
    let started = Instant::now();
    let device = device::device(&args.device.device)?;
    let configs = read(&args.configs, &args.overrides.set, &vary::all(&args.vary)?, registry)?;
    let stop = stop::on_signal()?;
    let out = args.out.clone().unwrap_or_else(|| RunDir::next_free(Path::new("reports/compare")));
    let trials = trials(&configs, args.seeds.get(), &out, &device, stop, args.json)?;
    let report = Report::new(&configs, &trials);
    report.write(&out, &device)?;
    if args.json {
        return print::line(serde_json::to_string(&report.comparison)?);
    }
    print::line(report.grid.text())?;
    if !report.verdicts.is_empty() {
        print::line(report.gain("  "))?;
    }
    for note in report.caveat.iter().chain(&report.notes) {
        print::line(note)?;
    }
    print::line(format_args!(
        "{} runs in {}; report.html, tables and runs in {}",
        trials.count(),
        seconds(started.elapsed().as_secs_f64()),
        out.display()
    ))
}

/// Reads the configurations, each with every variation, and gives those with equal names their file's path as name.
fn read(
    paths: &[PathBuf],
    overrides: &[String],
    variations: &[Variation],
    registry: &Registry,
) -> Result<Vec<Config>> {
    let configs = plain(paths, overrides, registry)?;
    let mut varied = Vec::new();
    for (path, plain) in paths.iter().zip(configs) {
        for Variation { set, name } in variations {
            let mut cfg = Config::read_with(path, &[overrides, set].concat(), registry)?;
            cfg.name = [plain.name.as_str(), name].join(" ").trim().to_owned();
            varied.push(cfg);
        }
    }
    Ok(varied)
}

fn plain(paths: &[PathBuf], overrides: &[String], registry: &Registry) -> Result<Vec<Config>> {
    let mut configs = paths
        .iter()
        .map(|path| Config::read_with(path, overrides, registry))
        .collect::<Result<Vec<_>, _>>()?;
    let names: Vec<String> = configs.iter().map(|cfg| cfg.name.clone()).collect();
    for (i, cfg) in configs.iter_mut().enumerate() {
        if names.iter().filter(|name| **name == cfg.name).count() > 1 {
            cfg.name = paths[i].with_extension("").display().to_string().replace(['/', '\\'], "-");
        }
    }
    let names: Vec<&str> = configs.iter().map(|cfg| cfg.name.as_str()).collect();
    if let Some(i) = (1..names.len()).find(|&i| names[..i].contains(&names[i])) {
        return Err(Usage(format!("{} is given twice", paths[i].display())).into());
    }
    // What a prediction is made of may differ, as the network may, and the loss, with as many outputs as it needs.
    let labels = |cfg: &Config| {
        let label = |task: &TaskConfig| {
            let kind = match task.kind {
                TaskKind::ZeroInflated | TaskKind::Ordinal { .. } => TaskKind::Regression,
                TaskKind::BinarySoftmax => TaskKind::Binary,
                kind => kind,
            };
            TaskConfig { kind, prediction: None, imputed: None, labels: None, ..task.clone() }
        };
        cfg.tasks.iter().map(label).collect::<Vec<_>>()
    };
    if let Some(i) = (1..configs.len()).find(|&i| labels(&configs[i]) != labels(&configs[0])) {
        let (first, other) = (paths[0].display(), paths[i].display());
        return Err(
            Usage(format!("{first} and {other} predict different tasks and cannot be compared")).into()
        );
    }
    Ok(configs)
}

/// What a comparison came to, in all forms.
struct Report<'a> {
    configs: &'a [Config],
    trials: &'a Trials,
    comparison: Comparison,
    grid: Grid,
    /// A sentence a model but the baseline; none of one seed.
    verdicts: Vec<String>,
    /// What p and intervals do not tell.
    caveat: Option<String>,
    notes: Vec<String>,
}

impl<'a> Report<'a> {
    fn new(configs: &'a [Config], trials: &'a Trials) -> Self {
        let comparison = compare(configs, trials);
        let verdicts = match comparison.over {
            Over::Rows => Vec::new(),
            Over::RowsAndSeeds => seesaw::verdicts(&comparison.rows, &comparison.baseline),
        };
        let caveat = seesaw::caveat(trials.runs.first().map_or(0, Vec::len)).map(str::to_owned);
        let best = |bayes: &String| format!("best possible test AUC of this generated data: {bayes}");
        let weighted = comparison.weighted().then(|| WEIGHTED.to_owned());
        let notes = weighted.into_iter().chain(trials.bayes.iter().map(best)).collect();
        Self { configs, trials, grid: grid(&comparison), comparison, verdicts, caveat, notes }
    }

    /// The verdicts below what they are about, each behind `bullet`.
    fn gain(&self, bullet: &str) -> String {
        let verdicts: String = self.verdicts.iter().map(|verdict| format!("\n{bullet}{verdict}")).collect();
        format!("gain over {}, at p < 0.05:{verdicts}", self.comparison.baseline)
    }

    /// The table as Markdown, CSV and JSON, and the page.
    fn write(&self, out: &Path, device: &Device) -> Result<()> {
        let mut markdown = self.grid.markdown() + "\n";
        if !self.verdicts.is_empty() {
            markdown += &format!("\n{}\n", self.gain("- "));
        }
        markdown.extend(self.caveat.iter().map(|caveat| format!("\n{caveat}\n")));
        if self.comparison.weighted() {
            markdown += &format!("\n{WEIGHTED}\n");
        }
        write_file(&out.join("table.md"), markdown.as_bytes())?;
        write_file(&out.join("table.csv"), self.grid.csv().as_bytes())?;
        write_json(&out.join("table.json"), &self.comparison)?;
        let model = |(cfg, runs): (&'a Config, &'a Vec<Trial>)| ModelRuns {
            cfg,
            runs: runs.iter().map(|run| (run.folder.as_str(), &run.history)).collect(),
            shapes: runs.first().map_or(&[], |run| &run.shapes),
        };
        let models: Vec<ModelRuns> = self.configs.iter().zip(&self.trials.runs).map(model).collect();
        let Comparison { rows, baseline, over } = &self.comparison;
        let page = ComparisonPage {
            table: &self.grid,
            baseline,
            over: *over,
            caveat: self.caveat.as_deref(),
            verdicts: &self.verdicts,
            gains: &seesaw::gains(rows, self.configs[0].tasks.len(), baseline),
            models: &models,
            notes: &self.notes,
            device,
            judged: self.trials.judged,
        };
        Ok(page.write(out)?)
    }
}

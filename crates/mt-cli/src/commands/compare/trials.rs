//! Training every configuration with every seed.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use candle_core::Device;
use mt_data::Dataset;
use mt_features::{Table, Task};
use mt_train::{Config, Evaluation, Event, Outcome, Owner, RunDir, Scored, train};

use super::ranked::Ranked;
use crate::args::Usage;
use crate::commands::train::epoch_line;
use crate::history::History;
use crate::pages::{RunPage, Shape, shapes};
use crate::print::note;
use crate::progress::Bar;
use crate::report::number;
use crate::source;
use crate::stop::Interrupted;

/// One run.
pub struct Trial {
    pub seed: u64,
    /// Its folder within that of the model.
    pub folder: String,
    pub history: History,
    /// By task, on the test rows.
    pub shapes: Vec<Option<Shape>>,
    pub parameters: usize,
    pub train: Evaluation,
    pub test: Evaluation,
    /// By task; `None` where the test rows do not tell, as those of one class.
    pub ranked: Vec<Option<Ranked>>,
    pub rows_per_second: f64,
    pub train_seconds: f64,
}

/// All runs.
pub struct Trials {
    /// By configuration, then seed.
    pub runs: Vec<Vec<Trial>>,
    /// The best AUC that is possible on the test rows, where it is known.
    pub bayes: Option<String>,
    /// Which rows the models are judged on.
    pub judged: &'static str,
    /// The folder belongs to this process while they are there.
    owner: Option<Owner>,
}

impl Trials {
    /// Number of runs.
    pub fn count(&self) -> usize {
        self.runs.iter().map(Vec::len).sum()
    }
}

pub fn trials(
    configs: &[Config],
    seeds: u64,
    out: &Path,
    device: &Device,
    stop: &AtomicBool,
    quiet: bool,
) -> Result<Trials> {
    let mut trials = Trials { runs: Vec::new(), bayes: None, judged: "test", owner: None };
    let mut loaded: Option<(&Config, Dataset)> = None;
    for (i, cfg) in configs.iter().enumerate() {
        // Most comparisons share their data; it is read again only where the configuration differs.
        let data = match loaded.take() {
            Some((other, data)) if same_data(other, cfg) => data,
            previous => {
                let data = source::load(cfg, None, quiet)?;
                source::in_memory(&data, "mt compare")?;
                cfg.fitting_model(&data)?;
                cfg.train.selection(&data)?;
                check(&data, previous.as_ref().map(|(_, data)| data), cfg)?;
                source::report_leaks(&data);
                data
            }
        };
        if trials.owner.is_none() {
            trials.owner = Some(own(out)?);
        }
        let mut runs = Vec::new();
        for s in 0..seeds {
            let mut cfg = cfg.clone();
            cfg.train.seed = cfg.train.seed.wrapping_add(s);
            let label = format!(
                "[{}/{}] {}",
                i * seeds as usize + s as usize + 1,
                configs.len() * seeds as usize,
                cfg.name
            );
            let label = if seeds > 1 { format!("{label} seed {}", cfg.train.seed) } else { label };
            let dir = out.join(&cfg.name).join(folder(&cfg));
            let trial = trial(&cfg, &data, &dir, device, stop, &label, quiet)?;
            let interrupted = || Interrupted(format!("the runs so far are in {}", out.display()));
            runs.push(trial.ok_or_else(interrupted)?);
        }
        trials.runs.push(runs);
        trials.judged = judged_rows(&data);
        if let Some(bayes) = &data.bayes_auc {
            let text = |(task, auc): (&Task, &Option<f64>)| format!("{} {}", task.name, number(*auc, 4));
            trials.bayes = Some(data.schema.tasks.iter().zip(bayes).map(text).collect::<Vec<_>>().join(", "));
        }
        loaded = Some((cfg, data));
    }
    Ok(trials)
}

/// Whether two configurations read the same for the same tasks, scaled alike: anew, or as the model that they begin from.
fn same_data(a: &Config, b: &Config) -> bool {
    a.data == b.data && a.tasks == b.tasks && a.train.scaled_as() == b.train.scaled_as()
}

/// Makes the folder, which then belongs to this process.
fn own(out: &Path) -> Result<Owner> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let owner = Owner::take(out)?;
    if let Some(problem) = owner.problem() {
        note(format_args!("warning: {problem}"));
    }
    Ok(owner)
}

/// The rows a model is judged on.
fn judged(data: &Dataset) -> Option<&Table> {
    data.test.as_ref().or(data.valid.as_ref())
}

/// What to call them.
fn judged_rows(data: &Dataset) -> &'static str {
    if data.test.is_some() { "test" } else { "validation" }
}

/// Paired tests need the same test rows for every model.
fn check(data: &Dataset, previous: Option<&Dataset>, cfg: &Config) -> Result<()> {
    let Some(table) = judged(data) else {
        return Err(Usage(format!("{}: needs test or validation rows to compare on", cfg.name)).into());
    };
    let same = |other: &Dataset| {
        judged(other).is_some_and(|other| other.labels() == table.labels() && other.mask() == table.mask())
    };
    if previous.is_some_and(|other| !same(other)) {
        return Err(Usage(format!(
            "{}: has other test rows than the one before; cannot be compared",
            cfg.name
        ))
        .into());
    }
    Ok(())
}

/// Trains once; `None` if interrupted.
fn trial(
    cfg: &Config,
    data: &Dataset,
    dir: &Path,
    device: &Device,
    stop: &AtomicBool,
    label: &str,
    quiet: bool,
) -> Result<Option<Trial>> {
    let run = RunDir::create(dir, cfg)?;
    let mut bar = Bar::rows(quiet);
    if !quiet {
        bar.line(label);
    }
    let outcome = train(cfg, data, device, &run, stop, &mut |event| {
        bar.train(event, cfg.train.epochs);
        match event {
            _ if quiet => {}
            Event::Epoch { best: true, .. } => bar.line(&epoch_line(event)),
            Event::Warning { text, .. } => bar.line(&format!("warning: {text}")),
            _ => {}
        }
    })?;
    bar.finish();
    if outcome.interrupted {
        return Ok(None);
    }
    judge(cfg, &run, &outcome, data, device).map(Some)
}

fn judge(cfg: &Config, run: &RunDir, outcome: &Outcome, data: &Dataset, device: &Device) -> Result<Trial> {
    let tasks = &data.schema.tasks;
    let table = judged(data).context("checked before")?;
    let predictions = outcome.scorer.predict(table, device)?;
    let ranked = |(t, task): (usize, &Task)| {
        Ranked::new(task, &Scored::new(&predictions, table, tasks, t, table.mask()))
    };
    let trial = Trial {
        seed: cfg.train.seed,
        folder: folder(cfg),
        history: History::read(run)?,
        shapes: shapes(&predictions, table, tasks),
        parameters: outcome.parameters,
        train: Evaluation::new(&outcome.scorer.predict(&data.train, device)?, &data.train, tasks),
        test: Evaluation::new(&predictions, table, tasks),
        ranked: tasks.iter().enumerate().map(ranked).collect(),
        rows_per_second: outcome.rows as f64 / outcome.seconds,
        train_seconds: outcome.seconds,
    };
    let page = RunPage {
        cfg,
        history: &trial.history,
        parameters: trial.parameters,
        best: outcome.best,
        interrupted: false,
        rows_per_second: Some(trial.rows_per_second),
        train_seconds: trial.train_seconds,
        device,
        evaluations: &[(judged_rows(data), &trial.test), ("training", &trial.train)],
        shapes: &trial.shapes,
        judged: judged_rows(data),
    };
    page.write(run.path())?;
    Ok(trial)
}

/// The folder of a run within that of its model.
fn folder(cfg: &Config) -> String {
    format!("seed-{}", cfg.train.seed)
}

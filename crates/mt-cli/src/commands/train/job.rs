//! One training run with all it says and leaves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Result;
use mt_data::Dataset;
use mt_dist::Collective;
use mt_features::Table;
use mt_train::{
    Best, Config, Evaluation, Event, Metrics, Origin, RunDir, TableSize, TakenInputs, WarmStarted,
    train_among,
};
use serde::Serialize;

use crate::args::TrainArgs;
use crate::history::{History, Prequential};
use crate::pages::{RunPage, Shape, shapes};
use crate::print::{line, note};
use crate::progress::{Bar, count, rate, seconds};
use crate::report::{metrics, number, thousands};
use crate::stop::Interrupted;
use crate::tensorboard::EventFile;
use crate::{device, ranks, source};

/// What a run came to; `summary.json`.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub name: String,
    pub run: String,
    pub seed: u64,
    pub parameters: usize,
    pub epochs: usize,
    pub interrupted: bool,
    pub best: Option<Best>,
    /// `None` if nothing has been trained.
    pub rows_per_second: Option<f64>,
    /// Seconds of training steps, and of everything.
    pub train_seconds: f64,
    pub total_seconds: f64,
    /// Metrics on the training rows of the model that the run went on from, before it was trained on them; only of such a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prequential: Option<Prequential>,
    /// Metrics of the best epoch.
    pub valid: Option<Evaluation>,
    pub test: Option<Evaluation>,
}

/// One run, which begins or goes on.
pub struct Job {
    pub cfg: Config,
    /// The run that goes on.
    pub earlier: Option<RunDir>,
    /// What one that begins goes on from.
    pub origin: Option<Origin>,
    /// Where it begins, if that was said.
    pub dir: Option<PathBuf>,
}

impl Job {
    pub fn run(self, args: &TrainArgs, ranks: &Arc<dyn Collective>, stop: &AtomicBool) -> Result<()> {
        let (first, started) = (ranks.rank() == 0, Instant::now());
        let device = device::device(&args.device.device)?;
        let Self { cfg, earlier, origin, dir } = self;
        cfg.check_ranks(ranks.size(), &device)?;
        let begins = earlier.is_none();
        let data = match &origin {
            Some(origin) => source::load_from(&cfg, origin, args.json)?,
            None => source::load(&cfg, earlier.as_ref(), args.json)?,
        };
        // What is wrong with the budget, the embeddings, the memory they take or the choice of epochs is said before a folder is made.
        cfg.fitting_model(&data)?;
        cfg.train.selection(&data)?;
        let run = match (earlier, &dir) {
            (Some(run), _) => run,
            _ if !first => RunDir::find(&ranks::path(&**ranks, None)?)?,
            (None, Some(dir)) => match &origin {
                Some(origin) => RunDir::create_from(dir, &cfg, origin)?,
                None => RunDir::create(dir, &cfg)?,
            },
            (None, None) => RunDir::create_next(&Path::new("runs").join(&cfg.name), &cfg, origin.as_ref())?,
        };
        if first && begins {
            ranks::path(&**ranks, Some(run.path()))?;
        }
        if let Some(problem) = run.unlocked() {
            note(format_args!("warning: {problem}"));
        }
        let mut bar = Bar::rows(args.json);
        if !args.json {
            note(describe(&data));
        }
        source::report_leaks(&data);
        let mut board = (args.tensorboard && first).then(|| EventFile::create(run.path())).transpose()?;
        let outcome = train_among(ranks.clone(), &cfg, &data, &device, &run, stop, &mut |event| {
            bar.train(event, cfg.train.epochs);
            if let Some(Err(error)) = board.as_mut().map(|board| board.event(event)) {
                bar.line(&format!("warning: {error:#}; no more of it is written"));
                board = None;
            }
            match (args.json, event) {
                // The run goes on although nobody reads about it: the results are in its folder.
                (true, event) => {
                    let _ = print_json(event);
                }
                (false, Event::Started { parameters, embeddings, steps, .. }) => {
                    let (parameters, steps) = (thousands(*parameters), thousands(*steps as usize));
                    let tables =
                        embeddings.map(|n| format!(" and {} in tables", thousands(n))).unwrap_or_default();
                    bar.line(&format!(
                        "{} {}: {parameters} parameters{tables}, {steps} steps an epoch",
                        cfg.name, cfg.model.kind
                    ));
                }
                (false, Event::Resumed { checkpoint, step, damaged, changed, unknown_rows, .. }) => {
                    for problem in damaged {
                        bar.line(&format!("warning: {problem}"));
                    }
                    if *unknown_rows {
                        bar.line(
                        "warning: the checkpoint is of an earlier version and does not say which rows it was trained on: \
                         only columns, scaling and vocabularies could be compared",
                    );
                    }
                    changed.iter().for_each(|change| bar.line(&format!("extended: {change}")));
                    bar.line(&match checkpoint {
                        Some(checkpoint) => {
                            format!("goes on from {checkpoint}, after {} steps", thousands(*step as usize))
                        }
                        None => "no whole checkpoint: begins anew".to_owned(),
                    });
                }
                (false, Event::Prequential { rows, metrics: evaluation, .. }) => bar.line(&format!(
                    "the {} rows, before training on them\n{}",
                    thousands(*rows),
                    metrics(evaluation)
                )),
                (false, Event::WarmStarted(taken)) => {
                    taken_lines(taken).iter().for_each(|line| bar.line(line))
                }
                (false, Event::Warning { text, .. }) => bar.line(&format!("warning: {text}")),
                (false, Event::Health { health, .. }) => {
                    health.warnings.iter().for_each(|warning| bar.line(&format!("warning: {warning}")));
                }
                (false, Event::Tables { tables, .. }) => {
                    tables.iter().for_each(|table| bar.line(&table_line(table)))
                }
                (false, Event::Epoch { .. }) => bar.line(&epoch_line(event)),
                (false, _) => {}
            }
        })?;
        bar.finish();
        if args.extend && outcome.rows == 0 && !outcome.interrupted {
            note(format_args!(
                "nothing was left to train: {} epochs are done; --set train.epochs=N goes on to N",
                outcome.epochs
            ));
        }
        let tasks = &data.schema.tasks;
        let score = |table: &Option<Table>| -> Result<Option<(Evaluation, Vec<Option<Shape>>)>> {
            let Some(table) = table else { return Ok(None) };
            let predictions = outcome.scorer.predict(table, &device)?;
            let evaluation = Evaluation::new(&predictions, table, tasks);
            Ok(Some((evaluation, shapes(&predictions, table, tasks))))
        };
        let (valid, valid_shapes) = score(&data.valid)?.unzip();
        let (test, test_shapes) = score(&data.test)?.unzip();
        if !first {
            return match outcome.interrupted {
                true => Err(Interrupted(String::new()).into()),
                false => Ok(()),
            };
        }
        let history = History::read(&run)?;
        // A run that was finished before has trained nothing now: its log says how fast it was.
        let resting = outcome.rows == 0 && !outcome.interrupted;
        let (train_seconds, rows_per_second) = match resting {
            true => history.speed(),
            false => (outcome.seconds, rate(outcome.rows as f64, outcome.seconds)),
        };
        let summary = Summary {
            name: cfg.name.clone(),
            run: run.path().display().to_string(),
            seed: cfg.train.seed,
            parameters: outcome.parameters,
            epochs: outcome.epochs,
            interrupted: outcome.interrupted,
            best: outcome.best,
            rows_per_second,
            train_seconds,
            total_seconds: started.elapsed().as_secs_f64(),
            prequential: history.prequential().cloned(),
            valid,
            test,
        };
        run.write_summary(&summary)?;
        let named = [("test", &summary.test), ("validation", &summary.valid)];
        let evaluations: Vec<(&str, &Evaluation)> =
            named.into_iter().filter_map(|(name, evaluation)| Some((name, evaluation.as_ref()?))).collect();
        let page = RunPage {
            cfg: &cfg,
            history: &history,
            parameters: summary.parameters,
            best: summary.best,
            interrupted: summary.interrupted,
            rows_per_second: summary.rows_per_second,
            train_seconds: summary.train_seconds,
            device: &device,
            evaluations: &evaluations,
            shapes: &test_shapes.or(valid_shapes).unwrap_or_else(|| vec![None; tasks.len()]),
            judged: evaluations.first().map_or("no", |(name, _)| name),
        };
        page.write(run.path())?;
        if resting {
            note(finished(&summary, cfg.train.epochs));
        }
        if args.json {
            print_json(&serde_json::json!({ "event": "summary", "summary": summary }))?;
        } else {
            print_summary(&summary, &data)?;
        }
        if summary.interrupted {
            return Err(Interrupted(format!("go on with: mt train --resume {}", summary.run)).into());
        }
        Ok(())
    }
}

/// Says that there was nothing left to train, and how there would be.
fn finished(Summary { run, epochs, .. }: &Summary, all: usize) -> String {
    let why = if *epochs < all {
        format!("train.patience ended it after {epochs} of {all} epochs")
    } else {
        format!("its {all} epochs are trained")
    };
    let more = 2 * all.max(1);
    format!(
        "{run} is finished: {why}, and nothing was trained now. To train on: mt train --resume {run} --extend --set \
         train.epochs={more}"
    )
}

fn print_json(value: &impl Serialize) -> Result<()> {
    line(serde_json::to_string(value)?)
}

/// A line about the data.
fn describe(data: &Dataset) -> String {
    let rows = |table: &Option<Table>| table.as_ref().map_or_else(|| "no".into(), |t| thousands(t.len()));
    let form = match data.train.numeric() {
        mt_features::Numeric::Sparse(_) => format!("sparse ({:.1} % non-zero)", 100.0 * data.train.density()),
        mt_features::Numeric::Dense(_) => "dense".into(),
    };
    let train = thousands(data.rows().len());
    let columns = match (data.train.width(), data.schema.fields.len()) {
        (columns, 0) => format!("{columns} columns, {form}"),
        (0, fields) => format!("{fields} fields"),
        (columns, fields) => format!("{fields} fields and {columns} columns"),
    };
    format!("{train} training rows x {columns}; {} valid, {} test", rows(&data.valid), rows(&data.test))
}

/// Lines about what a warm start took and what it did not.
fn taken_lines(taken: &WarmStarted) -> Vec<String> {
    let mut lines = vec![format!("warm start: took {} parameters and tables", taken.loaded.len())];
    for (table, rows) in &taken.rows {
        let (known, fresh) = (thousands(rows.known), thousands(rows.fresh));
        lines.push(format!("  tables.{table}: {known} rows go on, {fresh} start fresh"));
    }
    if let Some(TakenInputs { known, moved, scaled, fresh, unexpected }) = &taken.inputs {
        let [known, moved, scaled] = [known, moved, scaled].map(|n| thousands(*n));
        lines.push(format!(
            "  first layers: {known} inputs go on by name, {moved} of them from another place; {scaled} columns are scaled as \
             there"
        ));
        for (what, names) in
            [("inputs not there, start fresh", fresh), ("inputs there and not here", unexpected)]
        {
            if !names.is_empty() {
                lines.push(format!("  {what}: {}", names.join(", ")));
            }
        }
    }
    let lists = [
        ("not there, start fresh", &taken.missing),
        ("do not fit, start fresh", &taken.mismatched),
        ("there and not taken", &taken.unexpected),
    ];
    for (what, names) in lists.into_iter().filter(|(_, names)| !names.is_empty()) {
        lines.push(format!("  {what}: {}", names.join(", ")));
    }
    lines
}

/// A line about the size of a table that grows.
fn table_line(table: &TableSize) -> String {
    let TableSize { table, rows, capacity, admitted, evicted, waiting, bytes, .. } = table;
    let [admitted, evicted] = [admitted, evicted].map(|n| thousands(*n as usize));
    format!(
        "  table {table}: {} of {} rows, {admitted} new, {evicted} evicted, {} values wait, {} MB",
        thousands(*rows),
        thousands(*capacity),
        thousands(*waiting),
        thousands(bytes.div_ceil(1_000_000))
    )
}

/// A line about an epoch.
pub fn epoch_line(event: &Event) -> String {
    let Event::Epoch { epoch, seconds: s, rows_per_second, valid, best, .. } = event else {
        return String::new();
    };
    let mut line = format!("epoch {epoch:>3}  {:>8}  {:>6} rows/s", seconds(*s), count(*rows_per_second));
    for (name, m) in valid.iter().flat_map(|valid| &valid.tasks) {
        line += &match m.metrics {
            Metrics::Binary(m) => {
                format!("  {name}: auc {} loss {}", number(m.auc, 4), number(m.log_loss, 4))
            }
            Metrics::Multiclass(m) => {
                format!("  {name}: auc {} loss {}", number(m.macro_auc, 4), number(m.log_loss, 4))
            }
            Metrics::Regression(m) => {
                format!("  {name}: xauc {} rmse {}", number(m.xauc, 4), number(m.rmse, 4))
            }
        };
    }
    if *best && valid.is_some() {
        line += "  *";
    }
    line
}

fn print_summary(summary: &Summary, data: &Dataset) -> Result<()> {
    let rate = summary.rows_per_second.map_or_else(|| "-".into(), count);
    if let Some(best) = summary.best {
        let value = best.value.map(|v| format!(" ({v:.5} on the validation rows)")).unwrap_or_default();
        let all = seconds(summary.total_seconds);
        let (epoch, run) = (best.epoch, &summary.run);
        line(format_args!("best epoch {epoch}{value}; {rate} rows/s, {all} in all; run in {run}"))?;
        for (name, evaluation) in [("valid", &summary.valid), ("test", &summary.test)] {
            if let Some(evaluation) = evaluation {
                line(format_args!("{name}\n{}", metrics(evaluation)))?;
            }
        }
    }
    if let Some(bayes) = &data.bayes_auc {
        let of =
            |(task, auc): (&mt_features::Task, &Option<f64>)| format!("{} {}", task.name, number(*auc, 4));
        let best: Vec<_> = data.schema.tasks.iter().zip(bayes).map(of).collect();
        line(format_args!("best possible test AUC of this generated data: {}", best.join(", ")))?;
    }
    Ok(())
}

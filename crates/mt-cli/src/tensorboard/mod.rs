//! Event files for TensorBoard, as far as scalars need them.

mod message;
mod record;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use mt_train::{Event, GateHealth, GradientHealth, Metrics, TableSize};

use self::message::{scalars, version};
use self::record::record;

/// An event file, complete after every event.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Begins a file in the folder `tensorboard` of a run; one that goes on has several, which TensorBoard joins.
    pub fn create(run: &Path) -> Result<Self> {
        let (folder, now) = (run.join("tensorboard"), now());
        let path = folder.join(format!("events.out.tfevents.{}.mt.{}", now as u64, std::process::id()));
        let file = std::fs::create_dir_all(&folder).and_then(|()| File::create(&path));
        let file = file.with_context(|| format!("cannot create {}", path.display()))?;
        let mut events = Self { path, file };
        events.append(&version(now))?;
        Ok(events)
    }

    /// Appends the numbers of an event.
    pub fn event(&mut self, event: &Event) -> Result<()> {
        match numbers(event) {
            Some((step, numbers)) => self.append(&scalars(now(), step, &numbers)),
            None => Ok(()),
        }
    }

    fn append(&mut self, message: &[u8]) -> Result<()> {
        self.file.write_all(&record(message)).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// What an event says in numbers, by tag, and the step they belong to. TensorBoard groups by what is before the slash:
/// by task.
fn numbers(event: &Event) -> Option<(u64, Vec<(String, f64)>)> {
    match event {
        Event::Progress { step, loss, tasks, cosines, .. } => {
            let mut numbers = vec![("train_loss".to_owned(), *loss)];
            for (name, task) in tasks {
                numbers.push((format!("{name}/train_loss"), task.loss));
                numbers.extend(task.auc.map(|auc| (format!("{name}/train_auc"), auc)));
                numbers.extend(task.weight.map(|weight| (format!("{name}/train_weight"), weight)));
            }
            numbers.extend(cosines.iter().map(|(pair, cosine)| (format!("cosine/{pair}"), *cosine)));
            Some((*step, numbers))
        }
        Event::Epoch { step, rows_per_second, valid, .. } => {
            let mut numbers = vec![("rows_per_second".to_owned(), *rows_per_second)];
            for (name, task) in valid.iter().flat_map(|valid| &valid.tasks) {
                let gauc = task.gauc.and_then(|gauc| gauc.value);
                let metrics = match task.metrics {
                    Metrics::Binary(m) => [("auc", m.auc), ("log_loss", m.log_loss), ("gauc", gauc)],
                    Metrics::Multiclass(m) => {
                        [("auc", m.macro_auc), ("log_loss", m.log_loss), ("accuracy", m.accuracy)]
                    }
                    Metrics::Regression(m) => [("xauc", m.xauc), ("rmse", m.rmse), ("mae", m.mae)],
                };
                let defined = metrics.into_iter().filter_map(|(metric, value)| Some((metric, value?)));
                numbers.extend(defined.map(|(metric, value)| (format!("{name}/valid_{metric}"), value)));
            }
            Some((*step, numbers))
        }
        Event::Health { step, health, .. } => {
            let mut numbers = Vec::new();
            for (l, level) in health.levels.iter().enumerate() {
                numbers.push((format!("level_{l}/effective_rank"), level.effective_rank));
                numbers.push((format!("level_{l}/dead_units"), level.dead_units));
                let entropy = |(gate, health): (&String, &GateHealth)| {
                    (format!("level_{l}/entropy_{gate}"), health.entropy)
                };
                numbers.extend(level.gates.iter().map(entropy));
            }
            let GradientHealth { norms, cosines, shared } = &health.gradients;
            numbers.extend(norms.iter().map(|(part, norm)| (format!("gradient_norm/{part}"), *norm)));
            numbers.extend(cosines.iter().map(|(pair, cosine)| (format!("gradient_cosine/{pair}"), *cosine)));
            numbers.extend(shared.iter().map(|(task, norm)| (format!("{task}/gradient_norm"), *norm)));
            Some((*step, numbers))
        }
        Event::Tables { step, tables, .. } => {
            let of = |table: &TableSize| {
                let numbers =
                    [("rows", table.rows as u64), ("admitted", table.admitted), ("evicted", table.evicted)];
                numbers.map(|(what, n)| (format!("table_{}/{what}", table.table), n as f64))
            };
            Some((*step, tables.iter().flat_map(of).collect()))
        }
        _ => None,
    }
}

//! All trials, one after the other or several at the same time.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use candle_core::Device;
use mt_data::Dataset;
use mt_train::{Select, write_file};

use super::plan::Plan;
use super::record::{Ended, Record};
use super::trial::trial;
use crate::progress::Bar;
use crate::report::number;
use crate::stop::Interrupted;

/// The trials of a plan.
pub struct Trials<'a> {
    plan: &'a Plan,
    data: &'a Dataset,
    device: &'a Device,
    select: Select,
    log: Mutex<Log>,
}

/// What is done and under way.
struct Log {
    file: File,
    /// In the order in which they ended.
    records: Vec<Record>,
    begun: Vec<usize>,
}

impl<'a> Trials<'a> {
    /// Reads what is done already; half a line, of a process that was killed, is removed.
    pub fn open(plan: &'a Plan, data: &'a Dataset, device: &'a Device) -> Result<Self> {
        let path = plan.records_path();
        let cannot = || format!("cannot open {}", path.display());
        let mut records: Vec<Record> = Vec::new();
        if path.exists() {
            let text = std::fs::read_to_string(&path).with_context(cannot)?;
            let whole = |line: &&str| line.ends_with('\n') && serde_json::from_str::<Record>(line).is_ok();
            let kept: String = text.split_inclusive('\n').filter(whole).collect();
            records = kept.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
            if kept.len() != text.len() {
                write_file(&path, kept.as_bytes())?;
            }
        }
        let file = OpenOptions::new().create(true).append(true).open(&path).with_context(cannot)?;
        let select = plan.config(&[])?.train.select;
        let log = Log { file, begun: records.iter().map(|record| record.trial).collect(), records };
        Ok(Self { plan, data, device, select, log: Mutex::new(log) })
    }

    /// Runs those that are missing.
    pub fn run(&self, parallel: usize, stop: &AtomicBool, quiet: bool) -> Result<()> {
        let bar = Bar::count("sweeping", self.plan.trials + 1, quiet);
        self.lock().records.iter().for_each(|_| bar.step());
        let done = if parallel == 1 {
            self.work(stop, &bar, quiet)
        } else {
            // A pool for each, as a thread that waits for its loop would otherwise begin another trial.
            let threads = rayon::current_num_threads().div_ceil(parallel);
            let work = || -> Result<()> {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
                pool.install(|| self.work(stop, &bar, quiet))
            };
            std::thread::scope(|scope| {
                let workers: Vec<_> = (0..parallel).map(|_| scope.spawn(work)).collect();
                let joined = workers.into_iter().map(|worker| match worker.join() {
                    Ok(done) => done,
                    Err(panic) => std::panic::resume_unwind(panic),
                });
                joined.fold(Ok(()), Result::and)
            })
        };
        bar.finish();
        done?;
        if stop.load(Ordering::Relaxed) && self.lock().records.len() <= self.plan.trials {
            let left = format!("go on with: mt sweep --resume {}", self.plan.folder.display());
            return Err(Interrupted(left).into());
        }
        Ok(())
    }

    /// Takes one trial after the other until none is left.
    fn work(&self, stop: &AtomicBool, bar: &Bar, quiet: bool) -> Result<()> {
        while !stop.load(Ordering::Relaxed) {
            let Some((number, set, done)) = self.next() else { break };
            let record = trial(self.plan, (number, set), &done, self.data, self.device, stop);
            let Some(record) = record.with_context(|| format!("trial {number}"))? else { break };
            let line = self.finish(record)?;
            bar.step();
            if !quiet {
                bar.line(&line);
            }
        }
        Ok(())
    }

    /// The next trial, with those that are done, the best first.
    fn next(&self) -> Option<(usize, Vec<String>, Vec<Record>)> {
        let mut log = self.lock();
        let number = (0..=self.plan.trials).find(|trial| !log.begun.contains(trial))?;
        log.begun.push(number);
        let done = ranked(&self.select, &log.records);
        Some((number, self.plan.overrides(number, &done), done.into_iter().cloned().collect()))
    }

    /// Keeps a record, in the file first, and says what it is.
    fn finish(&self, record: Record) -> Result<String> {
        let mut log = self.lock();
        let line = serde_json::to_string(&record)? + "\n";
        let cannot = || format!("cannot write {}", self.plan.records_path().display());
        log.file.write_all(line.as_bytes()).and_then(|()| log.file.sync_data()).with_context(cannot)?;
        let before = ranked(&self.select, &log.records).first().and_then(|best| best.value);
        let best = record.value.is_some() && self.select.is_better(record.value, before);
        let ended = match (record.ended, &record.problem) {
            (_, Some(problem)) => format!(": {problem}"),
            (Ended::Hopeless, _) => "  stopped early".into(),
            _ if best => "  *".into(),
            _ => String::new(),
        };
        let set = if record.set.is_empty() { "as it is".to_owned() } else { record.set.join(" ") };
        let said = format!("trial {:>3}  {}  {set}{ended}", record.trial, number(record.value, 5));
        log.records.push(record);
        Ok(said)
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        // A worker that panicked ends the program.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is done, the best first.
    pub fn records(&self) -> Vec<Record> {
        ranked(&self.select, &self.lock().records).into_iter().cloned().collect()
    }
}

/// The best first; of equals the one with the smaller number.
fn ranked<'a>(select: &Select, records: &'a [Record]) -> Vec<&'a Record> {
    let mut ranked: Vec<&Record> = records.iter().collect();
    ranked.sort_by(|a, b| {
        let better = |a: &Record, b: &Record| a.value.is_some() && select.is_better(a.value, b.value);
        better(b, a).cmp(&better(a, b)).then(a.trial.cmp(&b.trial))
    });
    ranked
}

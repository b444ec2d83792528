//! One trial.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use candle_core::Device;
use mt_data::Dataset;
use mt_models::{count, inventory};
use mt_train::{Config, Error, Event, Owner, RunDir, Select, read_state, train, verify};

use super::plan::Plan;
use super::record::{Ended, Record};
use crate::progress::rate;

/// Trials that a median is taken of at least.
const PEERS: usize = 5;

impl Record {
    fn refused(trial: usize, set: Vec<String>, problem: String) -> Self {
        Self {
            trial,
            set,
            value: None,
            best_epoch: None,
            ended: Ended::Refused,
            parameters: 0,
            epochs: Vec::new(),
            rows_per_second: None,
            seconds: 0.0,
            problem: Some(problem),
        }
    }
}

/// Trains a trial, or goes on with it; `None` if `stop` was raised. `done` are other trials.
pub fn trial(
    plan: &Plan,
    (trial, set): (usize, Vec<String>),
    done: &[Record],
    data: &Dataset,
    device: &Device,
    stop: &AtomicBool,
) -> Result<Option<Record>> {
    let heads = data.schema.heads();
    let parameters = |cfg: &Config| -> Result<usize> {
        let inputs = cfg.model.inputs(&data.schema)?;
        Ok(count(&inventory(&cfg.sized_model(&inputs, &heads)?, &inputs, &heads)?))
    };
    let possible = plan.config(&set).and_then(|cfg| Ok((parameters(&cfg)?, cfg)));
    let (parameters, mut cfg) = match possible {
        Ok(possible) => possible,
        Err(error) => return Ok(Some(Record::refused(trial, set, format!("{error:#}")))),
    };
    // The best and the last are what is looked at; thirty trials with ten each would fill a disk.
    cfg.train.keep = 1;
    let select = &cfg.train.select;
    let is_hopeless = |epochs: &[Option<f64>]| trial != 0 && hopeless(select, plan.grace, epochs, done);
    let (run, mut epochs) = open(plan, trial, &cfg)?;
    let (mut ended, mut rows_per_second, mut seconds, mut problem) = (Ended::Done, None, 0.0, None);
    // A trial may have been found hopeless just before the process was killed.
    if let Some(last) =
        (1..=epochs.len()).find(|&last| last < cfg.train.epochs && is_hopeless(&epochs[..last]))
    {
        epochs.truncate(last);
        ended = Ended::Hopeless;
    } else {
        let enough = AtomicBool::new(false);
        let outcome = train(&cfg, data, device, &run, &enough, &mut |event| {
            if let Event::Epoch { epoch, selected, .. } = event {
                epochs.truncate(epoch - 1);
                epochs.push(*selected);
                if *epoch < cfg.train.epochs && is_hopeless(&epochs) {
                    ended = Ended::Hopeless;
                }
            }
            if ended == Ended::Hopeless || stop.load(Ordering::Relaxed) {
                enough.store(true, Ordering::Relaxed);
            }
        });
        match outcome {
            Ok(outcome) if outcome.interrupted && ended != Ended::Hopeless => return Ok(None),
            Ok(outcome) => {
                seconds = outcome.seconds;
                rows_per_second = rate(outcome.rows as f64, seconds);
            }
            // Too large a learning rate, say: others go on.
            Err(error @ (Error::Diverged { .. } | Error::NotFinite { .. })) => {
                (ended, problem) = (Ended::Diverged, Some(error.to_string()))
            }
            Err(error) => return Err(error.into()),
        }
    }
    let best = select.best(&epochs);
    Ok(Some(Record {
        trial,
        set,
        value: best.and_then(|best| best.value),
        best_epoch: best.map(|best| best.epoch),
        ended,
        parameters,
        epochs,
        rows_per_second,
        seconds,
        problem,
    }))
}

/// The folder of a trial, with the values of the epochs that are done there. One that was begun with other values, as
/// may be with several trials at the same time, is begun anew.
fn open(plan: &Plan, trial: usize, cfg: &Config) -> Result<(RunDir, Vec<Option<f64>>)> {
    let path = plan.trial_path(trial);
    match RunDir::resume_with(&path, &cfg.model.registry) {
        Ok((run, found)) if found == *cfg => {
            let whole = |path: &std::path::PathBuf| verify(path).and_then(|()| read_state(path)).ok();
            let state = run.newest_first()?.iter().find_map(whole);
            return Ok((run, state.map(|state| state.selected).unwrap_or_default()));
        }
        Err(error @ Error::Owned { .. }) => return Err(error.into()),
        _ => {}
    }
    if path.exists() {
        let _owner = Owner::take(&path)?;
        std::fs::remove_dir_all(&path)?;
    }
    Ok((RunDir::create(&path, cfg)?, Vec::new()))
}

/// The median rule of Vizier (Golovin et al. 2017, section 3.2.2): a trial is hopeless if the best of its epochs is worse
/// than the median, over the other trials, of the mean of as many of theirs.
fn hopeless(select: &Select, grace: usize, epochs: &[Option<f64>], done: &[Record]) -> bool {
    let n = epochs.len();
    if n < grace.max(1) {
        return false;
    }
    let mean = |record: &Record| {
        let values: Option<Vec<f64>> = record.epochs.get(..n)?.iter().copied().collect();
        values.map(|values| values.iter().sum::<f64>() / n as f64)
    };
    let mut means: Vec<f64> = done.iter().filter_map(mean).collect();
    if means.len() < PEERS {
        return false;
    }
    means.sort_by(f64::total_cmp);
    let median = (means[(means.len() - 1) / 2] + means[means.len() / 2]) / 2.0;
    let best = select.best(epochs).and_then(|best| best.value);
    best.is_none_or(|best| best != median && select.is_better(Some(median), Some(best)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_is_hopeless_when_its_best_epoch_is_below_the_median_mean() {
        let record = |epochs: &[f64]| Record {
            trial: 0,
            set: Vec::new(),
            value: None,
            best_epoch: None,
            ended: Ended::Done,
            parameters: 0,
            epochs: epochs.iter().copied().map(Some).collect(),
            rows_per_second: None,
            seconds: 0.0,
            problem: None,
        };
        // Means of two epochs: 0.6, 0.65, 0.7, 0.75; one was stopped after its first.
        let mut done: Vec<Record> =
            [[0.5, 0.7], [0.6, 0.7], [0.7, 0.7], [0.7, 0.8]].iter().map(|epochs| record(epochs)).collect();
        done.push(record(&[0.1]));
        let hopeless = |grace, epochs: &[f64], done: &[Record], metric| {
            let epochs: Vec<Option<f64>> = epochs.iter().copied().map(Some).collect();
            super::hopeless(&Select::new(metric), grace, &epochs, done)
        };
        let auc = mt_train::SelectMetric::Auc;
        assert!(!hopeless(2, &[0.1, 0.2], &done, auc), "four are too few");
        done.push(record(&[0.9, 0.9, 0.9]));
        assert!(hopeless(2, &[0.69, 0.5], &done, auc));
        assert!(!hopeless(2, &[0.5, 0.7], &done, auc));
        assert!(!hopeless(3, &[0.69, 0.5], &done, auc) && !hopeless(2, &[0.1], &done, auc));
        let loss = mt_train::SelectMetric::LogLoss;
        assert!(hopeless(2, &[0.71, 0.8], &done, loss) && !hopeless(2, &[0.8, 0.69], &done, loss));
    }
}

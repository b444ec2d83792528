//! The training loop.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;
use std::time::Instant;

use candle_core::{DType, Device};
use mt_data::{Dataset, MissingPolicy, permutation};
use mt_layers::{Embeddings, Param, Params, symmetric_weights};
use mt_models::{InputLayer, Readout, Signature, build};
use serde::Serialize;

use crate::checkpoint::{self, State};
use crate::config::{Config, Select, SelectMetric};
use crate::denormals;
use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, Metrics, Scorer};
use crate::objective::Objective;
use crate::optim::Optimizer;
use crate::prefetch::{self, Ready};
use crate::run::{Best, RunDir};
use crate::running::{Running, Step, TaskProgress};

/// What happens during training, in order; also the lines of `metrics.jsonl`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The model stands.
    Started {
        /// Trainable values, those of embedding tables left out.
        parameters: usize,
        /// Values of embedding tables.
        #[serde(skip_serializing_if = "Option::is_none")]
        embeddings: Option<usize>,
        /// Training rows.
        rows: usize,
        /// Steps an epoch.
        steps: u64,
    },
    /// Some steps were taken.
    Progress {
        /// Epoch, from 1.
        epoch: usize,
        /// Steps since the start.
        step: u64,
        /// Rows of this epoch so far.
        rows: usize,
        /// Mean loss since the last such event.
        loss: f64,
        /// By task, over the same steps.
        tasks: BTreeMap<String, TaskProgress>,
    },
    /// An epoch ended.
    Epoch {
        /// Epoch, from 1.
        epoch: usize,
        /// Steps since the start.
        step: u64,
        /// Seconds of training, without evaluation and checkpoint.
        seconds: f64,
        /// Seconds of those spent waiting for data.
        waited: f64,
        /// Training rows a second.
        rows_per_second: f64,
        /// Metrics on the validation rows, if there are any.
        valid: Option<Evaluation>,
        /// Whether this is the best epoch so far.
        best: bool,
    },
}

/// What training came to.
#[derive(Debug)]
pub struct Outcome {
    /// The model with the weights of the best epoch.
    pub scorer: Scorer,
    /// Trainable values, those of embedding tables left out.
    pub parameters: usize,
    /// The best epoch; the last one without validation rows, `None` if not even one was completed.
    pub best: Option<Best>,
    /// Whole epochs trained.
    pub epochs: usize,
    /// Seconds of training steps, without evaluation and checkpoints.
    pub seconds: f64,
    /// Rows trained on, over all epochs.
    pub rows: u64,
    /// Whether `stop` was set.
    pub interrupted: bool,
}

/// Trains the configured model on `data` and leaves its checkpoints in `run`: a new run from the start, an earlier one
/// after its last whole epoch. A run that was stopped and continued ends with the same bytes as one that was not.
///
/// The same configuration and data give bit-identical checkpoints on the CPU, whatever the number of threads.
/// `observe` is called for every event, on this thread. When `stop` becomes true, the step under way is finished, a
/// checkpoint is written, and the outcome says so.
///
/// # Errors
/// [`Error::Symmetric`] before the first step, [`Error::Diverged`] at the first loss that is not finite, and whatever
/// goes wrong with model or files. Checkpoints already written stay valid.
pub fn train(
    cfg: &Config,
    data: &Dataset,
    device: &Device,
    run: &RunDir,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(&Event),
) -> Result<Outcome> {
    std::thread::scope(|scope| run_epochs(scope, cfg, data, device, run, stop, observe))
}

/// The loop itself; `scope` outlives the threads that make batches ready.
fn run_epochs<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    cfg: &'env Config,
    data: &'env Dataset,
    device: &Device,
    run: &RunDir,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(&Event),
) -> Result<Outcome> {
    let _flushed = denormals::flush();
    let tasks = &data.schema.tasks;
    let (seed, optimizer) = (cfg.train.seed, cfg.train.table_optimizer);
    let layer = InputLayer::new(&cfg.model, &data.schema, &data.encoders, optimizer, seed, device)?;
    let model_cfg = cfg.sized_model(layer.width(), tasks)?;
    let params = Params::new(seed);
    let model = build(&model_cfg, layer.width(), tasks, params.builder(DType::F32, device))?;
    let links = cfg.train.links(tasks);
    let scorer = Scorer {
        layer: layer.clone(),
        model: build(&model_cfg, layer.width(), tasks, params.frozen(DType::F32, device))?,
        readout: Readout::new(tasks, &links),
    };
    let (trainable, gradients) = (params.all(), params.gradients());
    if let (Some(name), false) = (symmetric_weights(&trainable)?.first(), cfg.train.allow_symmetry) {
        return Err(Error::Symmetric(name.clone()));
    }
    let signature = Signature {
        format: Signature::FORMAT,
        model: model_cfg,
        schema: data.schema.clone(),
        normalizer: data.normalizer.clone(),
        encoders: data.encoders.clone(),
        links,
        missing: MissingPolicy::of(&cfg.data),
        seed,
    };
    let objective = Objective::new(&cfg.train, tasks);
    let (mut optimizer, mut best, mut step, mut epochs) = (Optimizer::new(cfg.train.optimizer), None, 0, 0);
    if let Some(&last) = run.epochs()?.last() {
        let (path, encoders) = (run.checkpoint(last), Signature::read(&run.checkpoint(last))?.encoders);
        let (checkpoint, data) = (encoders.fingerprint(), data.encoders.fingerprint());
        if checkpoint != data {
            return Err(Error::Vocabulary { path, checkpoint, data });
        }
        let state: State;
        (optimizer, state) =
            checkpoint::read(&run.checkpoint(last), &params, layer.embeddings(), cfg.train.optimizer)?;
        (best, step, epochs) = (best_of(run, cfg.train.select.metric)?, state.step, state.epoch);
    }
    let save = |dir: &Path, optimizer: &Optimizer, epoch, step, selected| {
        let state = |updates| State { epoch, step, seed, updates, selected };
        checkpoint::write(dir, &signature, &params, layer.embeddings(), optimizer, state)
    };
    let mut log = run.log()?;
    let mut tell = |event: Event| {
        observe(&event);
        log.write(&event)
    };
    let rows = data.train.len();
    let steps = rows.div_ceil(cfg.train.batch_size) as u64;
    let embeddings = layer.embeddings().map(Embeddings::count);
    tell(Event::Started { parameters: params.count(), embeddings, rows, steps })?;

    let (mut running, mut unread) = (Running::new(tasks, &scorer.readout), Vec::new());
    let (mut seconds, mut seen) = (0.0, 0u64);
    'training: for epoch in epochs + 1..=cfg.train.epochs {
        let order = move || match cfg.train.shuffle {
            true => permutation(rows as u32, cfg.train.seed, epoch as u64),
            false => (0..rows as u32).collect(),
        };
        let (started, mut done) = (Instant::now(), 0);
        let mut batches = prefetch::ahead(scope, &data.train, cfg.train.batch_size, device, order);
        while let Some(batch) = batches.next().transpose()? {
            let Ready { rows: count, xs, labels, mask } = batch;
            let mut kept = None;
            let total = gradients.collect(|| {
                // In different halves, so that two seeds share no mask.
                let key = seed.rotate_left(32) ^ step;
                let input = layer.forward(&xs).map_err(candle_core::Error::wrap)?;
                let logits = model.forward(&input.dropout(cfg.train.dropout, key)?)?;
                let loss = objective.loss(&logits, &labels, &mask).map_err(candle_core::Error::wrap)?;
                kept = Some((logits.detach(), loss.tasks));
                Ok(loss.total)
            })?;
            if objective.lacks_labels(&mask) {
                forget_zero_gradients(&trainable)?;
            }
            step += 1;
            let batch_rows = done..done + count;
            done = batch_rows.end;
            if let Some((logits, losses)) = kept {
                unread.push(Step { step, epoch, rows: batch_rows, total, losses, logits, labels, mask });
            }
            let log = step.is_multiple_of(cfg.train.log_every) || done == rows;
            // Another device is not waited for between two lines of the log.
            if log || device.is_cpu() {
                unread.drain(..).try_for_each(|step| running.read(step))?;
            }
            optimizer.step(&trainable)?;
            if let Some(embeddings) = layer.embeddings() {
                embeddings.step(cfg.train.table_rate());
            }
            if log {
                let (loss, tasks) = running.take();
                tell(Event::Progress { epoch, step, rows: done, loss, tasks })?;
            }
            if stop.load(Ordering::Relaxed) {
                seconds += started.elapsed().as_secs_f64();
                seen += done as u64;
                save(&run.interrupted(), &optimizer, epoch - 1, step, None)?;
                break 'training;
            }
        }
        let elapsed = started.elapsed().as_secs_f64();
        (seconds, seen, epochs) = (seconds + elapsed, seen + rows as u64, epoch);

        let valid = match &data.valid {
            Some(table) => Some(Evaluation::new(&scorer.predict(table, device)?, table, tasks)),
            None => None,
        };
        let value = valid.as_ref().and_then(|valid| selected(&cfg.train.select, valid));
        let better = best.is_none_or(|best: Best| is_better(cfg.train.select.metric, value, best.value));
        save(&run.checkpoint(epoch), &optimizer, epoch, step, value)?;
        if better {
            best = Some(Best { epoch, value });
            run.set_best(Best { epoch, value })?;
        }
        run.prune(cfg.train.keep, best)?;
        let (rows_per_second, waited) = (rows as f64 / elapsed, batches.waited.as_secs_f64());
        tell(Event::Epoch { epoch, step, seconds: elapsed, waited, rows_per_second, valid, best: better })?;
    }
    if let Some(best) = best {
        checkpoint::read(&run.checkpoint(best.epoch), &params, layer.embeddings(), cfg.train.optimizer)?;
    }
    let interrupted = epochs < cfg.train.epochs;
    Ok(Outcome { scorer, parameters: params.count(), best, epochs, seconds, rows: seen, interrupted })
}

/// Takes gradients that are zero everywhere for none. They are those of the parameters that only a task without a
/// label in the batch has, and momentum or weight decay must not move these.
fn forget_zero_gradients(params: &[Param]) -> Result<()> {
    for param in params {
        let mut gradient = param.gradient.lock();
        let zero = match &gradient.device {
            Some(gradient) => gradient.abs()?.max_all()?.to_scalar::<f32>()? == 0.0,
            None => gradient.host.iter().all(|g| *g == 0.0),
        };
        if zero {
            gradient.clear();
        }
    }
    Ok(())
}

/// The metric by which epochs are chosen.
fn selected(select: &Select, valid: &Evaluation) -> Option<f64> {
    let metric = |metrics: &Metrics| match select.metric {
        SelectMetric::Auc => metrics.ranking(),
        SelectMetric::LogLoss => metrics.log_loss(),
    };
    match &select.task {
        Some(task) => valid.task(task).and_then(|task| metric(&task.metrics)),
        None => valid.mean(metric),
    }
}

/// The best epoch of those whose checkpoints exist; the best of all is always among them.
fn best_of(run: &RunDir, metric: SelectMetric) -> Result<Option<Best>> {
    let mut best: Option<Best> = None;
    for epoch in run.epochs()? {
        let value = checkpoint::read_state(&run.checkpoint(epoch))?.selected;
        if best.is_none_or(|best| is_better(metric, value, best.value)) {
            best = Some(Best { epoch, value });
        }
    }
    Ok(best)
}

/// Whether `value` beats `best`. A later epoch wins over an undefined one, so without validation the last is best.
fn is_better(metric: SelectMetric, value: Option<f64>, best: Option<f64>) -> bool {
    match (value, best) {
        (Some(value), Some(best)) if metric == SelectMetric::Auc => value > best,
        (Some(value), Some(best)) => value < best,
        (value, best) => value.is_some() || best.is_none(),
    }
}

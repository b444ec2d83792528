//! The training loop.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;
use std::time::Instant;

use candle_core::{DType, Device};
use mt_data::{Dataset, MissingPolicy, permutation};
use mt_layers::{Embeddings, Param, Params, TableSize, symmetric_weights};
use mt_models::{InputLayer, Model, Readout, Signature, build};
use serde::Serialize;

use crate::balance::{Balancer, Collected};
use crate::checkpoint::{self, State, Weights};
use crate::config::Config;
use crate::denormals;
use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, Scorer};
use crate::health::Health;
use crate::objective::Objective;
use crate::optim::{Optimizer, average, clip_norm};
use crate::prefetch::{self, Ready};
use crate::rates::Rates;
use crate::resume::{Newest, newest};
use crate::run::{Best, RunDir};
use crate::running::{Running, Step, TaskProgress};
use crate::schedule::Position;
use crate::warm_start::{WarmStarted, warm_start};

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
    /// An earlier run goes on.
    Resumed {
        /// Name of the checkpoint; `None` if there is no whole one, and the run begins anew.
        checkpoint: Option<String>,
        /// Whole epochs done.
        epoch: usize,
        /// Rows done of the epoch after these.
        rows: usize,
        /// Steps done.
        step: u64,
        /// What is wrong with newer checkpoints.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        damaged: Vec<String>,
    },
    /// Weights were taken over from another model.
    WarmStarted(WarmStarted),
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
        /// Mean cosine of the angle between two tasks' gradients of what they share, over the same steps, under `a/b`;
        /// only where loss balancing looks at it.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        cosines: BTreeMap<String, f64>,
    },
    /// How the model uses its experts at the end of an epoch; only of models with gates.
    Health {
        /// Epoch, from 1.
        epoch: usize,
        /// Steps since the start.
        step: u64,
        /// Levels of experts and gates, and what is wrong with them.
        #[serde(flatten)]
        health: Health,
    },
    /// What tables that grow came to in an epoch; only where there are any.
    Tables {
        /// Epoch, from 1.
        epoch: usize,
        /// Steps since the start.
        step: u64,
        /// Their sizes.
        tables: Vec<TableSize>,
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
/// from its newest whole checkpoint. A run that was stopped at any moment and continued ends with the same bytes as one
/// that was not.
///
/// The same configuration and data give bit-identical checkpoints on the CPU, whatever the number of threads.
/// `observe` is called for every event, on this thread. When `stop` becomes true, the step under way is finished (the
/// evaluation too, if it was the epoch's last), a checkpoint is written, and the outcome says so.
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
    let resumed = run.begun().then(|| newest(run, &data.encoders)).transpose()?;
    let newest = resumed.as_ref().and_then(|newest| newest.path.as_deref());
    let mut optimizer = Optimizer::new(cfg.train.optimizer);
    let mut taken = None;
    // A run that goes on has its weights already.
    if let (Some(start), None) = (&cfg.train.warm_start, newest) {
        let (embeddings, rule) = (layer.embeddings(), cfg.train.optimizer);
        let (from_there, report) = warm_start(start, &params.all(), embeddings, &data.encoders, rule)?;
        (optimizer, taken) = (from_there, Some(report));
    }
    let averages = cfg.train.average.map(|decay| Ok::<_, Error>((params.copy()?, decay))).transpose()?;
    let frozen = |params: &Params| build(&model_cfg, layer.width(), tasks, params.frozen(DType::F32, device));
    let updated = frozen(&params)?;
    let scorer = Scorer {
        layer: layer.clone(),
        model: frozen(averages.as_ref().map_or(&params, |(averages, _)| averages))?,
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
    let tables = layer.embeddings().into_iter().flat_map(Embeddings::tables);
    let rates = Rates::new(&cfg.train.rates, &trainable, tables)?;
    rates.check(&data.encoders)?;
    let weights = Weights { params: &params, averages: averages.as_ref().map(|(averages, _)| averages) };
    let (mut state, mut balancer) = (State::new(seed), Balancer::new(&cfg.train, tasks));
    if let Some(path) = newest {
        (optimizer, state) = checkpoint::read(path, weights, layer.embeddings(), cfg.train.optimizer)?;
        if !balancer.restore(state.balance.take()) {
            return Err(Error::Balance { path: path.to_owned() });
        }
    }
    run.remove_partial()?;
    let save = |dir: &Path, optimizer: &Optimizer, state: &State| {
        checkpoint::write(dir, &signature, weights, layer.embeddings(), optimizer, state)
    };
    let mut log = run.log(state.step)?;
    let mut tell = |event: Event| {
        observe(&event);
        log.write(&event)
    };
    let rows = data.train.len();
    let steps = rows.div_ceil(cfg.train.batch_size) as u64;
    let embeddings = layer.embeddings().map(Embeddings::count);
    tell(Event::Started { parameters: params.count(), embeddings, rows, steps })?;
    if let Some(report) = taken {
        tell(Event::WarmStarted(report))?;
    }
    if let Some(Newest { path, damaged }) = resumed {
        let checkpoint = path.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
        tell(Event::Resumed { checkpoint, epoch: state.epoch, rows: state.rows, step: state.step, damaged })?;
    }

    let due = |step, since| cfg.train.checkpoint.is_due(step, cfg.train.log_every, since);
    let (mut running, mut unread) = (Running::new(tasks, &scorer.readout), Vec::new());
    let (epochs, mut seconds, mut seen, mut stopped) = (cfg.train.epochs, 0.0, 0, false);
    let mut saved = Instant::now();
    while state.epoch < epochs && !stopped && !cfg.train.is_patience_over(&state.selected) {
        let (epoch, skipped) = (state.epoch + 1, state.rows);
        let order = move || {
            let mut order = match cfg.train.shuffle {
                true => permutation(rows as u32, cfg.train.seed, epoch as u64),
                false => (0..rows as u32).collect(),
            };
            order.drain(..skipped);
            order
        };
        let started = Instant::now();
        let mut batches = prefetch::ahead(scope, &data.train, cfg.train.batch_size, device, order);
        while let Some(batch) = batches.next().transpose()? {
            let Ready { rows: count, xs, labels, mask } = batch;
            let xs = layer.admit(xs)?;
            // In different halves, so that two seeds share no mask.
            let key = seed.rotate_left(32) ^ state.step;
            let forward = |model: &dyn Model| {
                let input = layer.forward(&xs).map_err(candle_core::Error::wrap)?;
                model.forward(&input.dropout(cfg.train.dropout, key)?)
            };
            let Collected { total, losses, logits } =
                balancer.collect(&gradients, &objective, (&labels, &mask), || forward(&*model))?;
            if objective.lacks_labels(&mask) {
                forget_zero_gradients(&trainable)?;
            }
            let position =
                Position { step: state.step, epoch_steps: steps, epochs, selected: &state.selected };
            let batch_rows = state.rows..state.rows + count;
            (state.step, state.rows) = (state.step + 1, batch_rows.end);
            let step = state.step;
            unread.push(Step { step, epoch, rows: batch_rows, total, losses, logits, labels, mask });
            stopped = stop.load(Ordering::Relaxed);
            let log = step.is_multiple_of(cfg.train.log_every) || state.rows == rows || stopped;
            // Another device is not waited for between two lines of the log.
            if log || device.is_cpu() {
                unread.drain(..).try_for_each(|step| running.read(step))?;
            }
            if let Some(max) = cfg.train.clip_norm {
                clip_norm(&trainable, max)?;
            }
            let factor = cfg.train.schedule.at(position, &cfg.train.select);
            optimizer.step(&trainable, |i| factor * rates.params[i])?;
            if let Some(embeddings) = layer.embeddings() {
                embeddings.step(|table| cfg.train.table_rate() * factor * rates.table(table));
            }
            if let Some((averages, decay)) = &averages {
                average(averages, &trainable, *decay, step - 1)?;
            }
            balancer.after_step(&objective, || forward(&*updated))?;
            if log {
                let (loss, mut tasks) = running.take();
                let cosines = balancer.report(&mut tasks);
                tell(Event::Progress { epoch, step, rows: state.rows, loss, tasks, cosines })?;
                // Nothing is kept of the running metrics here, so a checkpoint need not hold them.
                if state.rows < rows && (stopped || due(step, saved.elapsed())) {
                    state.balance = balancer.state();
                    save(&run.step(step), &optimizer, &state)?;
                    run.prune(usize::MAX, None, KEEP_STEPS)?;
                    saved = Instant::now();
                }
            }
            if stopped {
                break;
            }
        }
        let elapsed = started.elapsed().as_secs_f64();
        let trained = state.rows - skipped;
        (seconds, seen) = (seconds + elapsed, seen + trained as u64);
        if state.rows < rows {
            break;
        }
        let tables = layer.embeddings().map(Embeddings::end_epoch).unwrap_or_default();
        let valid = match &data.valid {
            Some(table) => Some(Evaluation::new(&scorer.predict(table, device)?, table, tasks)),
            None => None,
        };
        state.selected.push(valid.as_ref().and_then(|valid| cfg.train.select.value(valid)));
        balancer.end_epoch();
        (state.epoch, state.rows, state.balance) = (epoch, 0, balancer.state());
        let best = cfg.train.select.best(&state.selected);
        let is_best = best.is_some_and(|best| best.epoch == epoch);
        let (rows_per_second, waited) = (trained as f64 / elapsed, batches.waited.as_secs_f64());
        let looked_at = data.valid.as_ref().unwrap_or(&data.train);
        let health = Health::of(&scorer, &signature.model, looked_at, tasks, device)?;
        if !tables.is_empty() {
            tell(Event::Tables { epoch, step: state.step, tables })?;
        }
        if !health.levels.is_empty() {
            tell(Event::Health { epoch, step: state.step, health })?;
        }
        // Before the checkpoint: a line without one is left out when the run goes on, not the other way round.
        let step = state.step;
        tell(Event::Epoch { epoch, step, seconds: elapsed, waited, rows_per_second, valid, best: is_best })?;
        save(&run.checkpoint(epoch), &optimizer, &state)?;
        saved = Instant::now();
        run.set_best(best)?;
        run.prune(cfg.train.keep, best, 0)?;
    }
    let best = cfg.train.select.best(&state.selected);
    // Once more, for a run that was killed between its last checkpoint and these.
    run.set_best(best)?;
    if state.rows == 0 {
        run.prune(cfg.train.keep, best, 0)?;
    }
    if let Some(best) = best {
        checkpoint::read(&run.checkpoint(best.epoch), weights, layer.embeddings(), cfg.train.optimizer)?;
    }
    let (epochs, parameters) = (state.epoch, params.count());
    let interrupted = stopped && epochs < cfg.train.epochs;
    Ok(Outcome { scorer, parameters, best, epochs, seconds, rows: seen, interrupted })
}

/// Checkpoints within an epoch that are kept: should the last be damaged, there is the one before.
const KEEP_STEPS: usize = 2;

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

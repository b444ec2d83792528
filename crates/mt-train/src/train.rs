//! The training loop.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;
use std::time::{Duration, Instant};

use candle_core::Device;
use mt_bundle::Signature;
use mt_data::Dataset;
use mt_dist::{Collective, Solo};
use mt_features::nearly_tasks;
use mt_layers::{Param, Run};
use mt_tables::Embeddings;

use crate::best::Best;
use crate::checkpoint::{self, State, Weights};
use crate::config::Config;
use crate::dominance::Dominance;
use crate::epochs::Epochs;
use crate::error::Result;
use crate::evaluate::{Evaluation, Scorer};
use crate::event::{Event, Outcome};
use crate::health::Look;
use crate::labelled::{Labelled, together};
use crate::objective::Objective;
use crate::optim::{Optimizer, average, clip};
use crate::order::Draw;
use crate::paths::OffPath;
use crate::prefetch::{self, Steps};
use crate::probe::Probe;
use crate::ranks::{check_alike, to_first};
use crate::rates::Rates;
use crate::resume::Newest;
use crate::run::RunDir;
use crate::running::{Running, Step};
use crate::schedule::Position;
use crate::setup::Setup;
use crate::shards::{Passed, Shards, Wanted};
use crate::target;

/// Trains the configured model on `data` and leaves its checkpoints in `run`: a new run from the start, an earlier one
/// from its newest whole checkpoint. A run that was stopped at any moment and continued ends with the same bytes as one
/// that was not.
///
/// The same configuration and data give bit-identical checkpoints on the CPU, whatever the number of threads.
/// `observe` is called for every event, on this thread. When `stop` becomes true, the step under way is finished (the
/// evaluation too, if it was the epoch's last), a checkpoint is written, and the outcome says so.
///
/// # Errors
/// [`Error::OtherData`](crate::Error::OtherData) if an earlier run began with other data,
/// [`Error::Unselectable`](crate::Error::Unselectable), [`Error::Label`](crate::Error::Label) and
/// [`Error::Symmetric`](crate::Error::Symmetric) before the first step, [`Error::Diverged`](crate::Error::Diverged) at the
/// first loss that is not finite, [`Error::NotFinite`](crate::Error::NotFinite) before a checkpoint with such a parameter, and
/// whatever goes wrong with model or files. Checkpoints already written stay valid.
pub fn train(
    cfg: &Config,
    data: &Dataset,
    device: &Device,
    run: &RunDir,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(&Event),
) -> Result<Outcome> {
    train_among(Arc::new(Solo), cfg, data, device, run, stop, observe)
}

/// As [`train`], as one of several ranks that share the `train.shards` of a step, and tables by their rows. All have the same
/// configuration and data, and see the same folder, which the first one writes into; `observe` is called by that one alone. What comes
/// out is the same on all, and the same bytes as of one rank.
///
/// A rank that fails leaves the others waiting: whoever calls this ends them then, see [`Collective::abort`].
///
/// # Errors
/// As [`train`]; [`Error::Ranks`](crate::Error::Ranks) if ranks differ, or one is gone, and
/// [`Error::TooManyRanks`](crate::Error::TooManyRanks).
pub fn train_among(
    ranks: Arc<dyn Collective>,
    cfg: &Config,
    data: &Dataset,
    device: &Device,
    run: &RunDir,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(&Event),
) -> Result<Outcome> {
    std::thread::scope(|scope| run_epochs(scope, ranks, (cfg, data), device, run, stop, observe))
}

/// The loop itself; `scope` outlives the threads that make batches ready.
fn run_epochs<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    ranks: Arc<dyn Collective>,
    (cfg, data): (&'env Config, &'env Dataset),
    device: &Device,
    run: &RunDir,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(&Event),
) -> Result<Outcome> {
    check_alike(&*ranks, cfg, data, device)?;
    let first = ranks.rank() == 0;
    let _owner = first.then(|| run.own()).transpose()?;
    let (tasks, heads) = (&data.schema.tasks, data.schema.heads());
    let ready = Setup::new(&ranks, cfg, data, device, run)?;
    let selection = cfg.train.selection(data)?;
    Objective::check_rows(cfg, tasks, data.rows())?;
    // Nothing is written before all have read what is there.
    ranks.barrier()?;
    if first {
        run.keep_extended(cfg)?;
        run.remove_partial()?;
    }
    let Setup { layer, params, model, averages, updated, taken, resumed, rows: compared, .. } = ready;
    let Setup { mut scorer, mut signature, mut optimizer, mut state, mut balancer, .. } = ready;
    let (trainable, gradients) = (params.all(), params.gradients());
    let objective = Objective::scaled(cfg, tasks, &signature.targets)?;
    let tables = layer.embeddings().into_iter().flat_map(Embeddings::tables);
    let groups = data.rows().groups().filter(|_| objective.reads_groups());
    let rates = Rates::new(&cfg.train.rates, &trainable, tables)?;
    rates.check(&data.encoders)?;
    let weights = Weights { params: &params, averages: averages.as_ref() };
    let save = |dir: &Path, signature: &Signature, optimizer: &Optimizer, state: &State| -> Result<()> {
        let tables = layer.embeddings().map(Embeddings::saved).transpose();
        let tables = tables.map_err(candle_core::Error::from)?;
        if first {
            checkpoint::write(dir, (signature, &data.identity), weights, tables, optimizer, state)?;
        }
        Ok(ranks.barrier()?)
    };
    let smear = |scorer: &mut Scorer, signature: &mut Signature| {
        target::smear(&cfg.train, scorer, signature, data.rows(), device)
    };
    let mut log = first.then(|| run.log(state.step)).transpose()?;
    let mut tell = |event: Event| {
        let Some(log) = &mut log else { return Ok(()) };
        observe(&event);
        log.write(&event)
    };
    let rows = data.rows().len();
    let draw = Draw {
        rows,
        size: cfg.train.batch_size / cfg.train.shards,
        seed: cfg.train.shuffle.then_some(cfg.train.seed),
        groups: groups.filter(|_| objective.couples_groups()),
    };
    let drawn = Epochs::new(data.rows(), draw, groups.is_some(), cfg.train.epochs);
    let steps = draw.batches().div_ceil(cfg.train.shards) as u64;
    let embeddings = layer.embeddings().map(Embeddings::count);
    tell(Event::Started { parameters: params.count(), embeddings, rows, steps })?;
    if let Some(report) = taken {
        tell(Event::WarmStarted(report))?;
    }
    let mut fresh = false;
    if let Some(Newest { path, foreign, damaged }) = resumed {
        fresh = foreign;
        let name = |path: &Path| match foreign {
            true => Some(path.to_string_lossy().into_owned()),
            false => Some(path.file_name()?.to_string_lossy().into_owned()),
        };
        let checkpoint = path.as_deref().and_then(name);
        let State { epoch, rows, step, .. } = state;
        let (changed, unknown_rows) = (compared.changed, compared.unknown && !foreign);
        tell(Event::Resumed { checkpoint, epoch, rows, step, damaged, changed, unknown_rows })?;
    }
    if fresh {
        // Before a step is taken on them: how yesterday's model does on today's rows.
        let metrics = scorer.evaluate(data.rows(), tasks, device)?;
        tell(Event::Prequential { step: state.step, rows, metrics })?;
    }
    for text in selection.warnings.iter().chain(&nearly_tasks(tasks)) {
        tell(Event::Warning { step: state.step, text: text.clone() })?;
    }

    let probe = Probe {
        cfg,
        data,
        layer: &layer,
        model: &*model,
        params: &trainable,
        gradients: &gradients,
        objective: &objective,
        draw,
        device,
    };
    let due = |step, since| cfg.train.checkpoint.is_due(step, cfg.train.log_every, since);
    let targets = signature.targets.clone();
    let mut dominance = Dominance::new(&cfg.train, tasks, &targets);
    let mut shards = Shards::new(cfg.train.shards, &*ranks, (&trainable, &gradients), layer.embeddings())?;
    let (mut running, mut unread) = (Running::new(tasks, scorer.readout.clone()), Vec::new());
    let (epochs, mut seconds, mut seen, mut stopped) = (cfg.train.epochs, 0.0, 0, false);
    let mut looked = false;
    let mut saved = Instant::now();
    while state.epoch < epochs && !stopped && !cfg.train.is_patience_over(&selection, state.competing()) {
        let (epoch, skipped) = (state.epoch + 1, state.rows);
        let started = Instant::now();
        let own = Steps { size: draw.size, shards: cfg.train.shards, own: shards.own() };
        let (this, next) = (drawn.clone(), drawn.clone());
        let rest = move || this.batches(epoch, skipped);
        let mut batches = prefetch::ahead(scope, own, device, rest, move || next.begin(epoch + 1));
        while let Some((xs, labelled)) = batches.step()? {
            let xs = layer.admit(xs)?;
            let (before, from) = (state.step, shards.own().start);
            let forward =
                |part: usize, run: &mut Run| probe.logits(&*model, &xs[part], before, from + part, run);
            let wanted = || Wanted {
                stop: stop.load(Ordering::Relaxed),
                checkpoint: due(before + 1, saved.elapsed()),
            };
            let mut step =
                |pass: &mut Run| shards.collect(&mut balancer, &objective, &labelled, pass, forward, wanted);
            let passed = if looked {
                step(&mut Run::training())?
            } else {
                looked = true;
                let (collected, detours) = Run::training().detours(step)?;
                let off = OffPath::named(&detours, trainable.iter().map(|p| (&*p.name, p.var.id())));
                if !off.is_empty() {
                    tell(Event::Paths { step: before, off })?;
                }
                collected
            };
            batches.go_on();
            let Passed { total, losses, logits, rows: count, lacks_labels, wanted } = passed;
            if lacks_labels {
                forget_zero_gradients(&trainable)?;
            }
            let Labelled { labels, mask, .. } = together(labelled);
            let position = Position {
                step: state.step - state.before,
                before: state.before,
                epoch_steps: steps,
                epochs,
                selected: &state.selected[state.retired..],
            };
            let batch_rows = state.rows..state.rows + count;
            (state.step, state.rows) = (state.step + 1, batch_rows.end);
            let step = state.step;
            unread.push(Step { step, epoch, rows: batch_rows, total, losses, logits, labels, mask });
            stopped = wanted.stop;
            let log = step.is_multiple_of(cfg.train.log_every) || state.rows == rows || stopped;
            // Another device is not waited for between two lines of the log, nor are other ranks' rows.
            let checked = match (device.is_cpu(), log) {
                (true, _) => unread.len() - 1..,
                (false, true) => 0..,
                (false, false) => unread.len()..,
            };
            unread[checked].iter().try_for_each(Step::check).map_err(|error| probe.explain(error))?;
            let read = match log {
                true => to_first(&*ranks, std::mem::take(&mut unread))?,
                false if device.is_cpu() && ranks.size() == 1 => std::mem::take(&mut unread),
                false => Vec::new(),
            };
            if let Some(max) = cfg.train.clip_norm {
                clip(&trainable, max)?;
            }
            let factor = cfg.train.schedule.at(position, &selection.select);
            let mut update = || optimizer.step(&trainable, |i| factor * rates.params[i]);
            let mut add = || read.iter().try_for_each(|step| running.add(step));
            let update_tables = || {
                if let Some(embeddings) = layer.embeddings() {
                    embeddings.step(|table| cfg.train.table_rate() * factor * rates.table(table));
                }
            };
            // As one parallel part: a thread that is done early goes on with what is left instead of waiting.
            let ((), (moved, added)) = match device.is_cpu() && count >= SHARED {
                true => rayon::join(update_tables, || rayon::join(update, add)),
                false => (update_tables(), (update(), add())),
            };
            moved?;
            added?;
            if let (Some(averages), Some(decay)) = (&averages, cfg.train.average) {
                average(averages, &trainable, decay, step - 1)?;
            }
            let look = || probe.logits(&*updated, &xs[0], before, 0, &mut Run::look());
            balancer.after_step(&objective, look)?;
            if log {
                let taken = running.steps();
                let (loss, mut tasks) = running.take();
                let cosines = balancer.report(&mut tasks);
                dominance.add(&tasks, taken);
                tell(Event::Progress { epoch, step, rows: state.rows, loss, tasks, cosines })?;
                // Nothing is kept of the running metrics here, so a checkpoint need not hold them.
                if state.rows < rows && (stopped || wanted.checkpoint) {
                    probe.check_parameters(epoch, step)?;
                    state.balance = balancer.state();
                    smear(&mut scorer, &mut signature)?;
                    save(&run.step(step), &signature, &optimizer, &state)?;
                    if first {
                        run.prune(usize::MAX, None, KEEP_STEPS)?;
                    }
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
        probe.check_parameters(epoch, state.step)?;
        let tables = layer.embeddings().map(Embeddings::end_epoch).transpose();
        let tables = tables.map_err(mt_models::Error::from)?.unwrap_or_default();
        smear(&mut scorer, &mut signature)?;
        let valid = match &data.valid {
            Some(table) => Some(Evaluation::new(&scorer.predict(table, device)?, table, tasks)),
            None => None,
        };
        let selected = valid.as_ref().and_then(|valid| selection.select.value(valid));
        state.selected.push(selected);
        balancer.end_epoch();
        (state.epoch, state.rows, state.balance) = (epoch, 0, balancer.state());
        let best = state.best(&selection.select);
        let is_best = best.is_some_and(|best| best.epoch == epoch);
        let (rows_per_second, waited) = (trained as f64 / elapsed, batches.waited.as_secs_f64());
        let looked_at = data.valid.as_ref().unwrap_or(&data.train);
        if !tables.is_empty() {
            tell(Event::Tables { epoch, step: state.step, tables })?;
        }
        let look = Look {
            scorer: &scorer,
            cfg: &signature.model,
            table: looked_at,
            heads: &heads,
            device,
            trained: rows,
            epoch: Duration::from_secs_f64(elapsed),
            stop,
        };
        let gradients = probe.gradient()?;
        for text in dominance.end_epoch(&gradients) {
            tell(Event::Warning { step: state.step, text })?;
        }
        if let Some(health) = look.health(gradients)? {
            tell(Event::Health { epoch, step: state.step, health })?;
        }
        // Before the checkpoint: a line without one is left out when the run goes on, not the other way round.
        let step = state.step;
        tell(Event::Epoch {
            epoch,
            step,
            seconds: elapsed,
            waited,
            rows_per_second,
            valid,
            selected,
            best: is_best,
        })?;
        save(&run.checkpoint(epoch), &signature, &optimizer, &state)?;
        saved = Instant::now();
        if first {
            run.set_best(best)?;
            run.prune(cfg.train.keep, best, 0)?;
        }
    }
    let best = state.best(&selection.select);
    // Once more, for a run that was killed between its last checkpoint and these.
    if first {
        run.set_best(best)?;
    }
    if first && state.rows == 0 {
        run.prune(cfg.train.keep, best, 0)?;
    }
    // The last epoch, if it was trained now, is here already.
    let is_here = |best: &Best| best.epoch == state.epoch && state.rows == 0 && seen > 0;
    if let Some(best) = best.filter(|best| !is_here(best)) {
        let path = run.checkpoint(best.epoch);
        checkpoint::verify(&path)?;
        checkpoint::read(&path, weights, layer.embeddings(), cfg.train.optimizer)?;
        scorer.readout = Signature::read(&path)?.readout();
    }
    let (epochs, parameters) = (state.epoch, params.count());
    let interrupted = stopped && epochs < cfg.train.epochs;
    Ok(Outcome { scorer, parameters, best, epochs, seconds, rows: seen, interrupted })
}

/// Rows of a step on the CPU from which its other threads, awake from the passes, take part in what comes after them. On a
/// card each thread's work is in an order of its own.
const SHARED: usize = 1024;

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

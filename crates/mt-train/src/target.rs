//! The scale on which each regression is learned: fitted on training rows, kept with the model.

use std::collections::BTreeMap;

use std::cell::Cell;

use candle_core::Device;
use mt_bundle::Signature;
use mt_data::Rows;
use mt_features::{Table, Task, TaskKind};
use mt_models::{Link, Ordinal, Target, predictions};

use crate::config::TrainConfig;
use crate::config::WarmStart;
use crate::error::Result;
use crate::evaluate::Scorer;
use crate::warm_start::WarmStarted;

/// Rows at least, of those there are, that a smearing factor is a mean over: its relative error is the spread of
/// `e^residual` over the root of their number, 1 % where the residuals spread by 0.9.
const SMEARED: usize = 16_384;

/// The share of the training rows from which on more are taken: they cost a third of a training step each.
const SHARE: usize = 16;

/// Scales of the regressions among `tasks` whose labels are not learned as they are.
pub(crate) fn fit(
    cfg: &TrainConfig,
    links: &BTreeMap<String, Link>,
    tasks: &[Task],
    train: Rows<'_>,
) -> Result<BTreeMap<String, Target>> {
    let failed = Cell::new(None);
    let labelled = |t: usize| labelled(train, t, &failed);
    let of = |(t, task): (usize, &Task)| {
        let link = links.get(&task.name).copied().unwrap_or_default();
        let target = match task.kind {
            TaskKind::Ordinal { thresholds } => {
                let ordinal = Some(Ordinal::fit(labelled(t), thresholds as usize));
                Target { ordinal, ..Target::PLAIN }
            }
            _ if !cfg.standardize => Target::PLAIN,
            TaskKind::ZeroInflated => Target::of_amounts(labelled(t)),
            _ => moments(|| labelled(t), link),
        };
        // A smearing factor, which is known only when there is a model, has its place here.
        let kept = target != Target::PLAIN || (cfg.smearing && is_smeared(task, link));
        kept.then(|| (task.name.clone(), target))
    };
    let regressions = tasks.iter().enumerate().filter(|(_, task)| task.kind.is_regression());
    let targets = regressions.filter_map(of).collect();
    failed.take().map_or(Ok(targets), |error: mt_data::Error| Err(error.into()))
}

/// Whether the mean of a regression with this link takes a factor.
fn is_smeared(task: &Task, link: Link) -> bool {
    link == Link::ExpM1 || task.kind == TaskKind::ZeroInflated
}

/// Labels and weights of the rows with a label. Where rows cannot be read it ends, with the reason in `failed`.
fn labelled<'a>(
    train: Rows<'a>,
    task: usize,
    failed: &'a Cell<Option<mt_data::Error>>,
) -> Box<dyn Iterator<Item = (f32, f64)> + 'a> {
    match train {
        Rows::Table(table) => Box::new(of_table(table, task)),
        Rows::Cached(cached) => match cached.blocks() {
            Err(error) => {
                failed.set(Some(error));
                Box::new(std::iter::empty())
            }
            Ok(blocks) => {
                let whole = blocks.map_while(|block| block.map_err(|error| failed.set(Some(error))).ok());
                Box::new(whole.flat_map(move |block| of_table(&block, task).collect::<Vec<_>>()))
            }
        },
    }
}

fn of_table(train: &Table, task: usize) -> impl Iterator<Item = (f32, f64)> {
    let all = train.labels().iter().zip(train.mask()).skip(task).step_by(train.tasks());
    all.filter(|(_, mask)| **mask > 0.0).map(|(label, mask)| (*label, f64::from(*mask)))
}

/// Mean and standard deviation of what the loss compares, over the rows with a label, as they are weighed; of
/// [`Link::Exp`] the mean label as the unit.
fn moments<I: Iterator<Item = (f32, f64)>>(labelled: impl Fn() -> I, link: Link) -> Target {
    let compared = || labelled().map(|(label, weight)| (Target::compared(link, label), weight));
    let mean_of = |value: &dyn Fn(f64) -> f64| {
        let sums =
            compared().fold((0.0, 0.0), |(sum, all), (y, weight)| (sum + weight * value(y), all + weight));
        if sums.1 > 0.0 { sums.0 / sums.1 } else { 0.0 }
    };
    let mean = mean_of(&|y| y);
    let (mean, sd) = match link {
        Link::Exp => (0.0, mean),
        Link::Identity | Link::ExpM1 => (mean, mean_of(&|y| (y - mean) * (y - mean)).sqrt()),
    };
    // All labels alike have no spread to be divided by.
    let usable = sd.is_normal() && ((1.0 / sd) as f32).is_finite();
    Target { mean, sd: if usable { sd } else { 1.0 }, ..Target::PLAIN }
}

/// Keeps the scales there of regressions whose tower was taken over: it says what it says on them.
///
/// # Errors
/// If the model there cannot be read.
pub(crate) fn take_over(
    cfg: &TrainConfig,
    start: &WarmStart,
    report: &WarmStarted,
    signature: &mut Signature,
) -> Result<()> {
    let there = start.signature()?;
    for task in signature.schema.tasks.iter().filter(|task| task.kind.is_regression()) {
        let last = format!("towers.{}.{}.weight", task.name, signature.model.tower.len());
        let renamed = start.there(&last);
        let Some(name) = renamed.strip_prefix("towers.").and_then(|name| name.split('.').next()) else {
            continue;
        };
        // Of another loss it says another thing anyway.
        if !report.loaded.contains(&last) || there.links.get(name) != signature.links.get(&task.name) {
            continue;
        }
        let link = there.links.get(name).copied().unwrap_or_default();
        let plain = (cfg.smearing && is_smeared(task, link)).then_some(Target::PLAIN);
        match there.targets.get(name).cloned().or(plain) {
            Some(target) => signature.targets.insert(task.name.clone(), target),
            None => signature.targets.remove(&task.name),
        };
    }
    Ok(())
}

/// Takes the smearing factors of the model as it is now into its signature and its readout.
///
/// # Errors
/// If the rows do not fit the model.
pub(crate) fn smear(
    cfg: &TrainConfig,
    scorer: &mut Scorer,
    signature: &mut Signature,
    train: Rows<'_>,
    device: &Device,
) -> Result<()> {
    let Signature { schema, links, targets, .. } = &*signature;
    let is_smeared = |task: &&Task| {
        let link = links.get(&task.name).copied().unwrap_or_default();
        targets.contains_key(&task.name) && is_smeared(task, link)
    };
    let smeared: Vec<String> = schema.tasks.iter().filter(is_smeared).map(|task| task.name.clone()).collect();
    if !cfg.smearing || smeared.is_empty() {
        return Ok(());
    }
    for (_, target) in signature.targets.iter_mut().filter(|(name, _)| smeared.contains(name)) {
        target.smearing = 1.0;
    }
    scorer.readout = signature.readout();
    let (rows, all) = (train.len().min(SMEARED.max(train.len() / SHARE)), train.len());
    let spaced: Vec<u32> = (0..rows).map(|i| (i * all / rows) as u32).collect();
    let table = train.take(&spaced)?;
    let predicted = scorer.predict(&table, device)?;
    let tasks = &signature.schema.tasks;
    let (width, mut at) = (scorer.readout.width(), 0);
    for (t, task) in tasks.iter().enumerate() {
        if let Some(target) = signature.targets.get_mut(&task.name).filter(|_| smeared.contains(&task.name)) {
            let labelled = table.labels().iter().zip(table.mask()).skip(t).step_by(tasks.len());
            let pairs = predicted.iter().skip(at).step_by(width).zip(labelled);
            let rows = pairs.map(|(&p, (&y, &weight))| (p, y, weight)).filter(|(.., weight)| *weight > 0.0);
            target.smearing = match task.kind {
                TaskKind::ZeroInflated => sums(rows),
                _ => smearing(rows),
            };
        }
        at += predictions(task.kind);
    }
    scorer.readout = signature.readout();
    Ok(())
}

/// The mean of `(1 + y) / (1 + p)` over predictions `p` and labels `y` with a weight: `e^residual` where both are
/// logarithms. 1 without a label.
fn smearing(rows: impl Iterator<Item = (f32, f32, f32)>) -> f64 {
    let of = |(sum, all): (f64, f64), (p, y, weight): (f32, f32, f32)| {
        // Of `p` near -1, single precision holds no digit of the sum.
        let ratio = (1.0 + f64::from(y)) / (1.0 + f64::from(p)).max(f64::from(f32::EPSILON));
        (sum + f64::from(weight) * ratio, all + f64::from(weight))
    };
    let (sum, all) = rows.fold((0.0, 0.0), of);
    usable(sum / all)
}

/// The sum of labels `y` over that of predictions `p`. 1 without a label above 0.
fn sums(rows: impl Iterator<Item = (f32, f32, f32)>) -> f64 {
    let of = |(labels, predictions): (f64, f64), (p, y, weight): (f32, f32, f32)| {
        let weight = f64::from(weight);
        (labels + weight * f64::from(y), predictions + weight * f64::from(p))
    };
    let (labels, predictions) = rows.fold((0.0, 0.0), of);
    usable(labels / predictions)
}

fn usable(factor: f64) -> f64 {
    if factor > 0.0 && factor.is_finite() { factor } else { 1.0 }
}

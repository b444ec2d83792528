//! Starting from the weights of another model: all of them, or those whose names fit. Rows of first layers follow the names
//! of their inputs, rows of tables their values.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use mt_bundle::{Manifest, Signature};
use mt_features::fields::KNOWN;
use mt_features::{Encoder, Encoders, Scaling};
use mt_layers::Param;
use mt_tables::Embeddings;
use serde::Serialize;

use crate::checkpoint::{Saved, of_keys};
use crate::config::WarmStart;
use crate::error::{Error, Result};
use crate::input_map::{InputMap, TakenInputs};
use crate::optim::{Optimizer, OptimizerConfig};
use crate::rates::fits;
use crate::run::RunDir;

impl WarmStart {
    /// The model that weights are taken from, those aside.
    pub(crate) fn signature(&self) -> Result<Signature> {
        donor(&self.from)
    }
}

/// What was taken, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WarmStarted {
    /// Parameters and tables that were taken.
    pub loaded: Vec<String>,
    /// Those that were to be taken and are not there.
    pub missing: Vec<String>,
    /// Those that are there and were not taken.
    pub unexpected: Vec<String>,
    /// Those that are there in another shape or encoding, with both.
    pub mismatched: Vec<String>,
    /// Of each table that was taken, the rows.
    pub rows: BTreeMap<String, TakenRows>,
    /// Of first layers that were taken, the inputs; `None` if there is no such layer among what was taken.
    pub inputs: Option<TakenInputs>,
}

/// Rows of a table that was taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TakenRows {
    /// Rows that continue as they were: those trained there whose values are known here.
    pub known: usize,
    /// Other rows of the table, which start fresh.
    pub fresh: usize,
}

/// What the model in the folder `from` is: that of a run, of a checkpoint, or of a bundle.
///
/// # Errors
/// If it holds none, or a damaged one.
pub(crate) fn donor(from: &Path) -> Result<Signature> {
    Ok(Signature::verified(&folder(from)?)?)
}

/// Takes over the weights that `cfg` asks for into the model `here`, and gives the optimizer to go on with.
///
/// # Errors
/// If the folder holds no model, or a damaged one; [`Error::WarmStart`] if `strict` is not met, the data is scaled otherwise
/// than asked for, or there is no optimizer's state.
pub(crate) fn warm_start(
    cfg: &WarmStart,
    params: &[Param],
    embeddings: Option<&Embeddings>,
    here: &Signature,
    optimizer: OptimizerConfig,
) -> Result<(Optimizer, WarmStarted)> {
    let dir = folder(&cfg.from)?;
    let mut saved = Saved::read(&dir, cfg.optimizer)?;
    saved.signature = saved.signature.with(&here.model.registry);
    let map = InputMap::new(here, &saved.signature)?;
    check_scaling(cfg, here, &saved.signature, &dir)?;
    let mut took = Took { cfg, report: WarmStarted::default(), used: BTreeSet::new() };
    let (mut moments, mut updates) = (BTreeMap::new(), BTreeMap::new());
    for param in params {
        let Some(there) = took.name_there(&param.name, |name| saved.weights.contains_key(name)) else {
            continue;
        };
        let tensor = &saved.weights[&there];
        let (found, expected) = (tensor.shape(), param.var.shape());
        let by_input = map.reads(&param.name);
        let own = match by_input {
            true => map.tensor(&param.name, &there, tensor, param.var.as_tensor())?,
            false => (found == expected).then(|| tensor.clone()),
        };
        let Some(own) = own else {
            let why = if by_input && found == expected { ", and no input in common" } else { "" };
            took.report.mismatched.push(format!("{}: {found:?} there, {expected:?} here{why}", param.name));
            continue;
        };
        if by_input {
            took.report.inputs = Some(map.report.clone());
        }
        param.var.set(&own.to_device(param.var.device())?)?;
        for (name, tensor) in &saved.moments {
            let what = name.strip_prefix(&there).and_then(|rest| rest.strip_prefix('.'));
            let Some(what) = what.filter(|what| !what.contains('.')) else { continue };
            // As many values as the parameter has, in one row.
            let own = match by_input && tensor.elem_count() == found.elem_count() {
                true => map.state(&param.name, &there, &tensor.reshape(found.dims())?, expected.dims())?,
                false => Some(tensor.clone()),
            };
            moments.extend(own.map(|own| (format!("{}.{what}", param.name), own)));
        }
        updates.extend(saved.updates.get(&there).map(|n| (param.name.clone(), *n)));
        took.report.loaded.push(param.name.clone());
    }
    if let Some(embeddings) = embeddings {
        took.tables(&saved, embeddings, &here.encoders)?;
    }
    let tables = saved.encoders().tables.iter().map(|table| format!("tables.{}", table.name));
    let there = saved.weights.keys().cloned().chain(tables);
    took.report.unexpected = there.filter(|name| !took.used.contains(name)).collect();
    let report = took.report;
    if let (true, Some(name)) = (cfg.strict, report.missing.iter().chain(&report.mismatched).next()) {
        return Err(Error::WarmStart { path: dir, problem: format!("strict: cannot take {name}") });
    }
    if let (true, Some(name)) = (cfg.strict, report.inputs.iter().flat_map(|inputs| &inputs.fresh).next()) {
        let problem =
            format!("strict: cannot take the input {name:?}: it is not there, or a field of another width");
        return Err(Error::WarmStart { path: dir, problem });
    }
    let at = |error: candle_core::Error| Error::WarmStart { path: dir, problem: error.to_string() };
    let optimizer = Optimizer::import(optimizer, params, &moments, &updates).map_err(at)?;
    Ok((optimizer, report))
}

/// Refuses data whose inputs are not scaled as the other model scales them, where that is asked for.
fn check_scaling(cfg: &WarmStart, here: &Signature, there: &Signature, dir: &Path) -> Result<()> {
    let known = there.fitted();
    let mut columns = here.schema.numeric.iter().zip(&here.normalizer.columns);
    let differs = |(name, own): &(&String, &Scaling)| {
        let plain = |scaling: Scaling| Scaling { fill: None, ..scaling };
        known.scaling(name).is_some_and(|scaling| plain(scaling) != plain(**own))
    };
    match columns.find(differs).filter(|_| cfg.scaling.keeps()) {
        None => Ok(()),
        Some((name, _)) => {
            let problem = format!(
                "the data is not scaled as there, column {name:?} for one: read it by mt_train::load, or set \
                 train.warm_start.scaling: fit"
            );
            Err(Error::WarmStart { path: dir.to_owned(), problem })
        }
    }
}

/// The folder with the model that a path means.
fn folder(from: &Path) -> Result<PathBuf> {
    // A bundle that holds changes may have no model of its own.
    if [Signature::FILE, Manifest::FILE].iter().any(|file| from.join(file).exists()) {
        return Ok(from.to_owned());
    }
    let run = RunDir::find(from)?;
    let best = run.best()?.map(|best| run.checkpoint(best.epoch));
    match best {
        Some(best) => Ok(best),
        None => run.newest_first()?.into_iter().next().ok_or_else(|| {
            let problem = "the run has no checkpoint".to_owned();
            Error::WarmStart { path: from.to_owned(), problem }
        }),
    }
}

/// The keys of a table that grew there.
struct Grown {
    /// The rows here of those trained there.
    rows: Vec<Option<u32>>,
    /// Tensors of the keys that go on.
    keys: BTreeMap<&'static str, Tensor>,
}

impl Grown {
    /// Of the `trained` rows there, `capacity` go on: those seen last.
    fn new(saved: &Saved, there: &str, trained: &[u32], capacity: usize) -> Result<Self> {
        let numbers = |what: &str| {
            let tensor = saved.tables.get(&format!("{there}.{what}"));
            tensor.map(Tensor::to_vec1::<i64>).transpose()
        };
        let reserved = trained.partition_point(|&id| id < KNOWN);
        let own = trained.len() - reserved;
        let keys = numbers("keys")?.filter(|keys| keys.len() == own).unwrap_or_default();
        // A bundle does not say when keys were seen.
        let last = numbers("last")?.filter(|last| last.len() == own).unwrap_or_else(|| vec![0; own]);
        let mut newest: Vec<usize> = (0..keys.len()).collect();
        newest.sort_by_key(|&at| (std::cmp::Reverse(last[at]), keys[at].cast_unsigned()));
        newest.truncate(capacity);
        newest.sort_unstable();
        let mut rows: Vec<Option<u32>> = vec![None; trained.len()];
        (0..reserved).for_each(|at| rows[at] = Some(trained[at]));
        (KNOWN..).zip(&newest).for_each(|(row, at)| rows[reserved + at] = Some(row));
        let of = |all: &[i64]| {
            let all: Vec<i64> = newest.iter().map(|&at| all[at]).collect();
            Tensor::new(all, &Device::Cpu)
        };
        let mut clock = numbers("clock")?.unwrap_or_default();
        clock.resize(3, 0);
        // What came and went there is no part of an epoch here.
        let clock = Tensor::new(&[clock[0], 0, 0], &Device::Cpu)?;
        let mut kept = BTreeMap::from([("keys", of(&keys)?), ("last", of(&last)?), ("clock", clock)]);
        for what in ["waiting", "waiting_last", "waiting_counts"] {
            if let Some(tensor) = saved.tables.get(&format!("{there}.{what}")) {
                kept.insert(what, tensor.clone());
            }
        }
        Ok(Self { rows, keys: kept })
    }
}

struct Took<'a> {
    cfg: &'a WarmStart,
    report: WarmStarted,
    /// Names there that something here has asked for.
    used: BTreeSet<String>,
}

impl Took<'_> {
    /// What `name` is called there, if it is to be taken and is there; notes it where it is not.
    fn name_there(&mut self, name: &str, is_there: impl Fn(&str) -> bool) -> Option<String> {
        if !self.cfg.take.iter().any(|pattern| fits(pattern, name)) {
            return None;
        }
        let there = self.cfg.there(name);
        if !is_there(&there) {
            self.report.missing.push(name.to_owned());
            return None;
        }
        self.used.insert(there.clone());
        Some(there)
    }

    /// Takes the rows of tables whose values are known here; every other row starts fresh.
    fn tables(&mut self, saved: &Saved, embeddings: &Embeddings, encoders: &Encoders) -> Result<()> {
        let mut tensors = embeddings.untrained().map_err(candle_core::Error::from)?;
        for table in embeddings.tables() {
            let name = format!("tables.{table}");
            let is_there =
                |name: &str| name.strip_prefix("tables.").is_some_and(|t| saved.encoders().rows(t).is_some());
            let Some(there) = self.name_there(&name, is_there) else { continue };
            let there = &there["tables.".len()..];
            let (Some(old), Some(new)) = (saved.encoders().encoder(there), encoders.encoder(table)) else {
                continue;
            };
            let trained = saved.trained_rows(there)?;
            let width = tensors.get(&format!("{table}.values")).and_then(|values| values.dim(1).ok());
            let same_width =
                saved.tables.get(&format!("{there}.values")).and_then(|v| v.dim(1).ok()) == width;
            let grown = match (old, new) {
                (Encoder::Growing(_), Encoder::Growing(here)) => {
                    Some(Grown::new(saved, there, &trained, here.capacity as usize)?)
                }
                _ => None,
            };
            let rows = grown.as_ref().map(|grown| grown.rows.clone());
            let rows = rows
                .or_else(|| new.rows_of(old, &trained))
                .filter(|_| same_width && (table == there || !new.is_hash()));
            let Some(rows) = rows else {
                self.report.mismatched.push(format!("{name}: another width or encoding there"));
                continue;
            };
            // Ascending by the row here, as they are kept.
            let mut pairs: Vec<(u32, u32)> =
                (0..).zip(&rows).filter_map(|(from, to)| to.map(|to| (to, from))).collect();
            pairs.sort_unstable();
            let from: Vec<u32> = pairs.iter().map(|(_, from)| *from).collect();
            let from = Tensor::new(from, &Device::Cpu)?;
            let kept = |what: &str| {
                let state = saved.table_state.get(&format!("{there}.{what}"));
                saved.tables.get(&format!("{there}.{what}")).or(state)
            };
            let state: Vec<String> = tensors
                .keys()
                .filter_map(|n| n.strip_prefix(&format!("{table}.")))
                .map(str::to_owned)
                .collect();
            let whole = |what: &str| matches!(what, "ids" | "steps") || of_keys(&format!("{table}.{what}"));
            for what in state.iter().filter(|what| !whole(what)) {
                let tensor = match kept(what) {
                    Some(tensor) => tensor.index_select(&from, 0)?,
                    None => {
                        let shape: Vec<usize> =
                            [&[pairs.len()], &tensors[&format!("{table}.{what}")].dims()[1..]].concat();
                        Tensor::zeros(shape, candle_core::DType::F32, &Device::Cpu)?
                    }
                };
                tensors.insert(format!("{table}.{what}"), tensor);
            }
            if let Some(steps) = kept("steps").filter(|_| self.cfg.optimizer) {
                tensors.insert(format!("{table}.steps"), steps.clone());
            }
            let ids: Vec<u32> = pairs.iter().map(|(to, _)| *to).collect();
            let rows = TakenRows { known: ids.len(), fresh: new.rows() - ids.len() };
            tensors.insert(format!("{table}.ids"), Tensor::new(ids, &Device::Cpu)?);
            for (what, tensor) in grown.into_iter().flat_map(|grown| grown.keys) {
                tensors.insert(format!("{table}.{what}"), tensor);
            }
            self.report.rows.insert(table.to_owned(), rows);
            self.report.loaded.push(name);
        }
        Ok(embeddings.import(&tensors).map_err(candle_core::Error::from)?)
    }
}

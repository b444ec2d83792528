//! Checkpoints: a folder with everything needed to predict, and everything needed to go on.
//!
//! | file | what |
//! |---|---|
//! | `model.json` | the [`Signature`]: network, schema, normaliser |
//! | `weights.safetensors` | the parameters by name, or their averages where these predict |
//! | `tables.safetensors` | the trained rows of embedding tables, and the keys of those that grow; only with fields |
//! | `optimizer.safetensors` | the optimizers' state by parameter name, under `tables.` by table; under `trained.` the parameters, where averages of them predict |
//! | `data.json` | the [`Identity`] of the rows it was trained on |
//! | `state.json` | the [`State`]: epoch, step, rows of the epoch, seed, validation metrics |
//! | `checksums.json` | SHA-256 of each of these |
//!
//! The folder is written under a temporary name and renamed, so one that can be seen is whole, unless the disk lost
//! something: then it differs from its checksums. It holds no times, paths or thread counts: the same run gives the
//! same bytes.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use mt_bundle::{
    Checksums, Manifest, Signature, Stored, Whole, read_json, write_file, write_folder, write_json,
    write_tensors,
};
use mt_features::{Encoders, Identity};
use mt_layers::{Param, Params};
use mt_tables::{Embeddings, SavedTensor, unpack_tables};
use serde::{Deserialize, Serialize};

use crate::balance::BalanceState;
use crate::best::Best;
use crate::config::Select;
use crate::error::{Error, Result};
use crate::optim::{Optimizer, OptimizerConfig};

/// Name of the file with the optimizer's state.
const OPTIMIZER: &str = "optimizer.safetensors";

/// Name of the file that says where training stands.
const STATE: &str = Checksums::STATE;

/// Name of the file that says what the rows are.
const DATA: &str = "data.json";

/// What the state of tables begins with there.
const TABLES: &str = "tables.";

/// What the trained weights begin with there, if averages of them predict.
const TRAINED: &str = "trained.";

/// Whether a tensor of a table is needed to predict, and not only to train on.
fn of_values(name: &str) -> bool {
    matches!(name.rsplit_once('.'), Some((_, "steps" | "ids" | "values"))) || of_keys(name)
}

/// Whether a tensor is about the keys of a table that grows. These stay with the values: a warm start needs them without the
/// optimizer.
pub(crate) fn of_keys(name: &str) -> bool {
    let keys = ["keys", "last", "clock", "waiting", "waiting_last", "waiting_counts"];
    name.rsplit_once('.').is_some_and(|(_, what)| keys.contains(&what))
}

/// Where training stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Whole epochs done.
    pub epoch: usize,
    /// Rows done of the epoch after these.
    pub rows: usize,
    /// Steps done.
    pub step: u64,
    /// The seed of the run.
    pub seed: u64,
    /// The metric by which epochs are chosen, on the validation rows, of each whole epoch.
    pub selected: Vec<Option<f64>>,
    /// Updates of each parameter.
    pub updates: BTreeMap<String, u64>,
    /// How many of these epochs were judged on other validation rows, before a run was extended, and do not compete.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retired: usize,
    /// Steps that were done where a run goes on from another one's checkpoint.
    #[serde(default, skip_serializing_if = "is_none_before")]
    pub before: u64,
    /// What loss balancing remembers; `None` for fixed weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<BalanceState>,
}

impl State {
    /// Where training begins.
    pub(crate) fn new(seed: u64) -> Self {
        let (selected, updates) = (Vec::new(), BTreeMap::new());
        Self { epoch: 0, rows: 0, step: 0, seed, selected, retired: 0, before: 0, updates, balance: None }
    }

    /// Of the epochs that were judged on the rows of today, the values by which they are chosen.
    pub(crate) fn competing(&self) -> &[Option<f64>] {
        &self.selected[self.retired..]
    }

    /// The best of them.
    pub(crate) fn best(&self, select: &Select) -> Option<Best> {
        let best = select.best(self.competing())?;
        Some(Best { epoch: best.epoch + self.retired, ..best })
    }
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

fn is_none_before(n: &u64) -> bool {
    *n == 0
}

/// The weights of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weights<'a> {
    /// Those that are trained.
    pub params: &'a Params,
    /// Averages of them to predict with, where these are wanted.
    pub averages: Option<&'a Params>,
}

/// Writes a checkpoint into the folder `dir`, in place of an older one of that name; `tables` are what [`Embeddings::saved`] gives.
pub(crate) fn write(
    dir: &Path,
    (signature, rows): (&Signature, &Identity),
    weights: Weights<'_>,
    tables: Option<Vec<SavedTensor<'_>>>,
    optimizer: &Optimizer,
    state: &State,
) -> Result<()> {
    write_folder(dir, |dir| {
        let mut names = vec![Signature::WEIGHTS, OPTIMIZER, Signature::FILE, DATA, STATE];
        let mut known = BTreeMap::new();
        let (moments, updates) = optimizer.export()?;
        let stored = |(name, tensor)| (name, Stored::Tensor(tensor));
        let mut moments: Vec<(String, Stored)> = moments.into_iter().map(stored).collect();
        if let Some(tables) = tables {
            let (tables, state): (Vec<_>, Vec<_>) =
                tables.into_iter().partition(|saved| of_values(&saved.name));
            names.push(Signature::TABLES);
            let tables = tables.into_iter().map(|saved| (saved.name.clone(), Stored::Saved(saved)));
            known.insert(Signature::TABLES.to_owned(), write_tensors(&dir.join(Signature::TABLES), tables)?);
            moments.extend(
                state.into_iter().map(|saved| (format!("{TABLES}{}", saved.name), Stored::Saved(saved))),
            );
        }
        let tensors = |params: &Params, prefix: &str| -> Vec<(String, Stored)> {
            let named =
                |p: Param| (format!("{prefix}{}", p.name), Stored::Tensor(p.var.as_detached_tensor()));
            params.all().into_iter().map(named).collect()
        };
        if weights.averages.is_some() {
            moments.extend(tensors(weights.params, TRAINED));
        }
        let predicting = weights.averages.unwrap_or(weights.params);
        let written = write_tensors(&dir.join(Signature::WEIGHTS), tensors(predicting, ""))?;
        known.insert(Signature::WEIGHTS.to_owned(), written);
        known.insert(OPTIMIZER.to_owned(), write_tensors(&dir.join(OPTIMIZER), moments)?);
        write_json(&dir.join(Signature::FILE), signature)?;
        // In one line: there are three numbers a column.
        let fail =
            |error: serde_json::Error| Error::File { path: dir.join(DATA), problem: error.to_string() };
        let rows = serde_json::to_vec(rows).map_err(fail)?;
        write_file(&dir.join(DATA), &rows)?;
        write_json(&dir.join(STATE), &State { updates, ..state.clone() })?;
        Ok(Checksums::write_known(dir, &names, known)?)
    })
}

/// Reads what [`write`] wrote: the weights and tables, the optimizer, and where training stood. It must have been
/// [verified](verify).
pub(crate) fn read(
    dir: &Path,
    weights: Weights<'_>,
    embeddings: Option<&Embeddings>,
    cfg: OptimizerConfig,
) -> Result<(Optimizer, State)> {
    let state = read_state(dir)?;
    let predicting = weights.averages.unwrap_or(weights.params);
    predicting.load(&dir.join(Signature::WEIGHTS)).map_err(at(dir, Signature::WEIGHTS))?;
    let moments =
        candle_core::safetensors::load(dir.join(OPTIMIZER), &Device::Cpu).map_err(at(dir, OPTIMIZER))?;
    let mut moments: BTreeMap<String, Tensor> = moments.into_iter().collect();
    let of_tables = take(&mut moments, TABLES);
    if weights.averages.is_some() {
        weights.params.assign(&take(&mut moments, TRAINED)).map_err(at(dir, OPTIMIZER))?;
    }
    if let Some(embeddings) = embeddings {
        let tables = candle_core::safetensors::load(dir.join(Signature::TABLES), &Device::Cpu);
        let mut tables: BTreeMap<_, _> = tables.map_err(at(dir, Signature::TABLES))?.into_iter().collect();
        tables.extend(of_tables);
        embeddings.import(&tables).map_err(|error| at(dir, Signature::TABLES)(error.into()))?;
    }
    let optimizer = Optimizer::import(cfg, &weights.params.all(), &moments, &state.updates)
        .map_err(at(dir, OPTIMIZER))?;
    Ok((optimizer, state))
}

/// The tensors of a saved model, to take some of them over into another.
#[derive(Debug)]
pub(crate) struct Saved {
    pub signature: Signature,
    /// Parameters by name.
    pub weights: BTreeMap<String, Tensor>,
    /// Trained rows of tables, as [`Embeddings::export`] names them.
    pub tables: BTreeMap<String, Tensor>,
    /// Optimizer state of tables, likewise.
    pub table_state: BTreeMap<String, Tensor>,
    /// Optimizer state by parameter name.
    pub moments: BTreeMap<String, Tensor>,
    /// Updates of each parameter.
    pub updates: BTreeMap<String, u64>,
}

impl Saved {
    /// Reads a checkpoint or a bundle that is as it was written; the `optimizer`'s state, which bundles lack, only on
    /// request.
    pub fn read(dir: &Path, optimizer: bool) -> Result<Self> {
        let whole = Whole::of(dir)?;
        let dir = whole.path();
        let signature = Signature::verified(dir)?;
        if let Some(manifest) = Manifest::find(dir)? {
            // Its tables, too, which a predictor only checks for their size.
            manifest.verify(dir)?;
        } else if optimizer {
            verify(dir)?;
        }
        let load = |name: &str| -> Result<BTreeMap<String, Tensor>> {
            let tensors =
                candle_core::safetensors::load(dir.join(name), &Device::Cpu).map_err(at(dir, name))?;
            Ok(tensors.into_iter().collect())
        };
        let tables =
            if signature.encoders.tables.is_empty() { BTreeMap::new() } else { load(Signature::TABLES)? };
        // A bundle's are packed; a checkpoint's stay as they are.
        let tables = unpack_tables(tables).map_err(|error| at(dir, Signature::TABLES)(error.into()))?;
        let (mut moments, updates) = match optimizer {
            true => (load(OPTIMIZER)?, read_state(dir)?.updates),
            false => Default::default(),
        };
        let table_state = take(&mut moments, TABLES);
        Ok(Self { signature, weights: load(Signature::WEIGHTS)?, tables, table_state, moments, updates })
    }

    /// How values become rows of its tables.
    pub fn encoders(&self) -> &Encoders {
        &self.signature.encoders
    }

    /// Ids of a table's trained rows, ascending.
    pub fn trained_rows(&self, table: &str) -> Result<Vec<u32>> {
        match self.tables.get(&format!("{table}.ids")) {
            Some(ids) => Ok(ids.to_vec1()?),
            // Left out where every row was trained.
            None => Ok((0..self.encoders().rows(table).unwrap_or(0) as u32).collect()),
        }
    }
}

/// Reads where training stood.
///
/// # Errors
/// If the file is missing, or differs from its checksum.
pub fn read_state(dir: &Path) -> Result<State> {
    Checksums::read(dir)?.check(dir, STATE)?;
    Ok(read_json(&dir.join(STATE))?)
}

/// What the rows are that a checkpoint was trained on; `None` in one of a version that did not record it.
///
/// # Errors
/// If the file is damaged.
pub fn read_identity(dir: &Path) -> Result<Option<Identity>> {
    let checksums = Checksums::read(dir)?;
    if !checksums.names().any(|name| name == DATA) {
        return Ok(None);
    }
    checksums.check(dir, DATA)?;
    Ok(Some(read_json(&dir.join(DATA))?))
}

/// Compares every file of a checkpoint with its checksum: all that training goes on from.
///
/// # Errors
/// For the first that is missing, superfluous in the list, or changed.
pub fn verify(dir: &Path) -> Result<()> {
    let checksums = Checksums::read(dir)?;
    // What must be there; then the rest, which only some models have.
    let needed = [Signature::FILE, Signature::WEIGHTS, OPTIMIZER, STATE];
    needed.iter().try_for_each(|name| checksums.check(dir, name))?;
    let more = checksums.names().filter(|name| !needed.contains(name));
    Ok(more.into_iter().try_for_each(|name| checksums.check(dir, name))?)
}

/// Takes out the tensors whose names begin with `prefix`, without it.
fn take(tensors: &mut BTreeMap<String, Tensor>, prefix: &str) -> BTreeMap<String, Tensor> {
    let named = |(name, tensor): (String, Tensor)| (name[prefix.len()..].to_owned(), tensor);
    tensors.extract_if(.., |name, _| name.starts_with(prefix)).map(named).collect()
}

fn at(dir: &Path, name: &str) -> impl FnOnce(candle_core::Error) -> Error {
    let path = dir.join(name);
    move |error| Error::File { path, problem: error.to_string() }
}

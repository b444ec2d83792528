//! Checkpoints: a folder with everything needed to predict, and everything needed to go on.
//!
//! | file | what |
//! |---|---|
//! | `model.json` | the [`Signature`]: network, schema, normaliser |
//! | `weights.safetensors` | the parameters by name |
//! | `tables.safetensors` | the trained rows of embedding tables; only with fields |
//! | `optimizer.safetensors` | the optimizers' state by parameter name, and under `tables.` by table |
//! | `state.json` | the [`State`]: epoch, step, seed, validation metrics |
//!
//! The folder is written under a temporary name and renamed, so one that can be seen is whole. It holds no times,
//! paths or thread counts: the same run gives the same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use candle_core::{Device, Tensor};
use mt_layers::{Embeddings, Params};
use mt_models::{Signature, write_file, write_folder, write_json};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, io};
use crate::optim::{Optimizer, OptimizerConfig};

/// Name of the file with the optimizer's state.
const OPTIMIZER: &str = "optimizer.safetensors";

/// What the state of tables begins with there.
const TABLES: &str = "tables.";

/// Whether a tensor of a table is needed to predict, and not only to train on.
fn of_values(name: &str) -> bool {
    matches!(name.rsplit_once('.'), Some((_, "steps" | "ids" | "values")))
}

/// Where training stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Whole epochs done.
    pub epoch: usize,
    /// Steps done.
    pub step: u64,
    /// The seed of the run.
    pub seed: u64,
    /// Updates of each parameter.
    pub updates: BTreeMap<String, u64>,
    /// The metric by which epochs are chosen, on the validation rows.
    pub selected: Option<f64>,
}

/// Writes a checkpoint into the folder `dir`, which must not exist.
pub(crate) fn write(
    dir: &Path,
    signature: &Signature,
    params: &Params,
    embeddings: Option<&Embeddings>,
    optimizer: &Optimizer,
    state: impl FnOnce(BTreeMap<String, u64>) -> State,
) -> Result<()> {
    write_folder(dir, |dir| {
        let (mut moments, updates) = optimizer.export()?;
        if let Some(embeddings) = embeddings {
            let (tables, state) = embeddings
                .export()
                .map_err(candle_core::Error::from)?
                .into_iter()
                .partition(|(name, _)| of_values(name));
            write_tensors(&dir.join(Signature::TABLES), &tables)?;
            let state: BTreeMap<String, Tensor> = state;
            moments.extend(state.into_iter().map(|(name, tensor)| (format!("{TABLES}{name}"), tensor)));
        }
        let weights = params.all().into_iter().map(|p| (p.name, p.var.as_detached_tensor())).collect();
        write_tensors(&dir.join(Signature::WEIGHTS), &weights)?;
        write_tensors(&dir.join(OPTIMIZER), &moments)?;
        write_json(&dir.join(Signature::FILE), signature)?;
        Ok(write_json(&dir.join("state.json"), &state(updates))?)
    })
}

/// Reads what [`write`] wrote: the weights into `params`, the optimizer, and where training stood.
pub(crate) fn read(
    dir: &Path,
    params: &Params,
    embeddings: Option<&Embeddings>,
    cfg: OptimizerConfig,
) -> Result<(Optimizer, State)> {
    let state = read_state(dir)?;
    let at = |name: &str| {
        let path = dir.join(name);
        move |error: candle_core::Error| Error::File { path, problem: error.to_string() }
    };
    params.load(&dir.join(Signature::WEIGHTS)).map_err(at(Signature::WEIGHTS))?;
    let moments = candle_core::safetensors::load(dir.join(OPTIMIZER), &Device::Cpu).map_err(at(OPTIMIZER))?;
    let (of_tables, moments): (Vec<_>, Vec<_>) =
        moments.into_iter().partition(|(name, _)| name.starts_with(TABLES));
    let moments = moments.into_iter().collect();
    if let Some(embeddings) = embeddings {
        let tables = candle_core::safetensors::load(dir.join(Signature::TABLES), &Device::Cpu);
        let mut tables: BTreeMap<_, _> = tables.map_err(at(Signature::TABLES))?.into_iter().collect();
        tables.extend(of_tables.into_iter().map(|(name, tensor)| (name[TABLES.len()..].to_owned(), tensor)));
        embeddings.import(&tables).map_err(|error| at(Signature::TABLES)(error.into()))?;
    }
    let optimizer = Optimizer::import(cfg, &params.all(), &moments, &state.updates).map_err(at(OPTIMIZER))?;
    Ok((optimizer, state))
}

/// Reads where training stood.
///
/// # Errors
/// If the file is missing or damaged.
pub fn read_state(dir: &Path) -> Result<State> {
    let path = dir.join("state.json");
    let text = fs::read(&path).map_err(io(&path, "read the checkpoint"))?;
    serde_json::from_slice(&text).map_err(|error| Error::File { path, problem: error.to_string() })
}

fn write_tensors(path: &Path, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    // A single metadata key: with more, safetensors writes them in random order.
    let format = serde_json::json!({ "format": Signature::FORMAT }).to_string();
    let metadata = Some([("mt".to_owned(), format)].into());
    let bytes = safetensors::serialize(tensors.iter(), metadata).map_err(candle_core::Error::from)?;
    Ok(write_file(path, &bytes)?)
}

//! Trained rows and optimizer state to and from tensors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use crate::config::TableConfig;
use crate::embeddings::Embeddings;
use crate::error::Error;
use crate::growing::SavedKeys;
use crate::pack::check_ids;
use crate::saved::{SavedTensor, What};
use crate::saved_keys;
use crate::shared::Entry;
use crate::trained::Trained;

/// One table's tensors, checked.
struct Saved {
    steps: u64,
    rows: Trained,
    /// Of a table that grows.
    keys: Option<SavedKeys>,
}

impl Embeddings {
    /// The rows that were updated, with their optimizer state. Its size is that of the trained rows: the others have
    /// their start values, which the seed gives.
    ///
    /// For each table, with `n` trained rows: `{table}.steps` (1), its number of updates; `{table}.ids` (n),
    /// ascending, left out where every row was trained; `{table}.values` (n, K), as they are kept; and the optimizer's state by name:
    /// `mean` and `square` (n, K) for Adam, `z` and `n` (n, K) for FTRL, `sum` (n) for row-wise Adagrad. Gradients
    /// not yet applied are not part of it.
    ///
    /// Of tables that several ranks share, all rows come out on the first one, and nothing on others. All of them call it alike.
    ///
    /// A table that grows also has `{table}.keys`, the key of each of its trained rows from row 2 on, and `last`, the step
    /// that last saw it; `clock` (3): steps, keys admitted and evicted in this epoch; and of the keys that wait for a row
    /// `waiting`, `waiting_last` and `waiting_counts`. Keys are the bits of unsigned numbers.
    ///
    /// # Errors
    /// If a tensor cannot be made.
    pub fn export(&self) -> Result<BTreeMap<String, Tensor>, Error> {
        let tensor = |saved: SavedTensor| Ok((saved.name.clone(), saved.to_tensor()?));
        self.saved()?.into_iter().map(tensor).collect()
    }

    /// The same, to be written piece by piece.
    ///
    /// # Errors
    /// As [`Embeddings::export`].
    pub fn saved(&self) -> Result<Vec<SavedTensor<'_>>, Error> {
        let mut tensors = Vec::new();
        let share = &self.shared.share;
        for entry in &self.shared.tables {
            let table = entry.table();
            let keys = table.keys().map(|keys| share.collect_keys(keys)).transpose()?;
            if share.is_shared() {
                let trained = share.collect(&Trained::of(&table), entry.cfg)?;
                trained.map(|trained| put(&mut tensors, entry, table.steps, trained, keys)).transpose()?;
                continue;
            }
            let places = Arc::new(table.trained());
            let mut rows = |what: &str, of| {
                tensors.push(SavedTensor::rows(format!("{}.{what}", entry.name), entry, &places, of));
            };
            rows("values", What::Values);
            for (part, what) in entry.cfg.optimizer.per_value().iter().enumerate() {
                rows(what, What::Part(part));
            }
            entry.cfg.optimizer.per_row().iter().for_each(|what| rows(what, What::Sums));
            put_others(&mut tensors, entry, table.steps, &places, keys)?;
        }
        Ok(tensors)
    }

    /// What [`Embeddings::export`] gives while no row was trained, on every rank.
    ///
    /// # Errors
    /// If a tensor cannot be made.
    pub fn untrained(&self) -> Result<BTreeMap<String, Tensor>, Error> {
        let mut tensors = Vec::new();
        for entry in &self.shared.tables {
            let parts = vec![Vec::new(); entry.cfg.optimizer.per_value().len()];
            let keys = entry.cfg.growth.map(|_| SavedKeys::default());
            put(&mut tensors, entry, 0, Trained { parts, ..Trained::default() }, keys)?;
        }
        tensors.into_iter().map(|saved| Ok((saved.name.clone(), saved.to_tensor()?))).collect()
    }

    /// Replaces the tables by those that [`Embeddings::export`] gave, of the same seed, sizes and optimizers.
    /// Training goes on as if it had not stopped, to the bit. Gradients not yet applied are dropped.
    ///
    /// # Errors
    /// [`Error::State`] if a tensor is missing, superfluous, or does not fit; then every table is as before.
    pub fn import(&self, tensors: &BTreeMap<String, Tensor>) -> Result<(), Error> {
        let mut left: BTreeSet<&str> = tensors.keys().map(String::as_str).collect();
        let mut all = Vec::with_capacity(self.shared.tables.len());
        for entry in &self.shared.tables {
            let find = |what: &str| {
                let (name, tensor) = tensors.get_key_value(&format!("{}.{what}", entry.name))?;
                left.remove(name.as_str());
                Some(tensor)
            };
            let saved = Saved::new(entry.cfg, find);
            all.push(saved.map_err(|problem| Error::State { table: entry.name.clone(), problem })?);
        }
        if let Some(&name) = left.first() {
            let table = name.rsplit_once('.').map_or(name, |(table, _)| table).to_owned();
            return Err(Error::State { table, problem: format!("nothing takes tensor {name:?}") });
        }
        let part = self.shared.share.part();
        for (entry, Saved { steps, rows, keys }) in self.shared.tables.iter().zip(all) {
            entry.gradients().clear();
            let mut table = entry.table_mut();
            table.reset();
            let (rows, keys) = match (keys, part.spans(entry.cfg)) {
                (Some(keys), Some(spans)) => keys.settled(spans, rows, entry.cfg.width),
                _ => (rows, SavedKeys::default()),
            };
            rows.owned(part.owned(entry.cfg), entry.cfg.width).restore(&mut table);
            table.steps = steps;
            table.restore_keys(&keys);
        }
        Ok(())
    }
}

/// Adds a table's tensors.
fn put(
    tensors: &mut Vec<SavedTensor<'_>>,
    entry: &Entry,
    steps: u64,
    Trained { ids, values, parts, sums }: Trained,
    keys: Option<SavedKeys>,
) -> Result<(), Error> {
    let (n, k, cfg) = (ids.len(), entry.cfg.width, entry.cfg);
    let mut put = |what: &str, tensor: Tensor| {
        tensors.push(SavedTensor::here(format!("{}.{what}", entry.name), tensor));
    };
    let values = Tensor::from_vec(values, (n, k), &Device::Cpu)?;
    put("values", values.to_dtype(cfg.storage.dtype())?);
    for (part, what) in parts.into_iter().zip(cfg.optimizer.per_value()) {
        put(what, Tensor::from_vec(part, (n, k), &Device::Cpu)?);
    }
    if let [what] = cfg.optimizer.per_row() {
        put(what, Tensor::from_vec(sums, n, &Device::Cpu)?);
    }
    put_others(tensors, entry, steps, &ids, keys)
}

/// Adds those that are not about the numbers of rows.
fn put_others(
    tensors: &mut Vec<SavedTensor<'_>>,
    Entry { name, cfg, .. }: &Entry,
    steps: u64,
    ids: &[u32],
    keys: Option<SavedKeys>,
) -> Result<(), Error> {
    let mut put =
        |what: &str, tensor: Tensor| tensors.push(SavedTensor::here(format!("{name}.{what}"), tensor));
    put("steps", Tensor::new(&[steps as i64], &Device::Cpu)?);
    if let Some(keys) = keys {
        saved_keys::to_tensors(&keys)?.into_iter().for_each(|(what, tensor)| put(what, tensor));
    }
    if ids.len() < cfg.rows {
        put("ids", Tensor::from_slice(ids, ids.len(), &Device::Cpu)?);
    }
    Ok(())
}

impl Saved {
    /// Reads a table's tensors, or says what is wrong with them.
    fn new<'a>(cfg: TableConfig, mut find: impl FnMut(&str) -> Option<&'a Tensor>) -> Result<Self, String> {
        let steps = find("steps").and_then(|tensor| tensor.to_vec1::<i64>().ok());
        let steps = steps.filter(|steps| steps.len() == 1).and_then(|steps| u64::try_from(steps[0]).ok());
        let Some(steps) = steps else {
            return Err("\"steps\" is missing or not a number of updates".to_owned());
        };
        let ids = match find("ids") {
            Some(ids) => ids.to_vec1::<u32>().map_err(|_| "\"ids\" is not a list of u32".to_owned())?,
            None => (0..cfg.rows).map(|id| id as u32).collect(),
        };
        check_ids(&ids, cfg.rows)?;
        let mut floats = |what: &str, shape: &[usize], other: DType| {
            let Some(tensor) = find(what) else { return Err(format!("{what:?} is missing")) };
            let (found, dtype) = (tensor.dims(), tensor.dtype());
            if found != shape || dtype != DType::F32 && dtype != other {
                return Err(format!("{what:?} is {found:?} of {dtype:?}, expected {shape:?} of F32"));
            }
            let single = tensor.to_dtype(DType::F32).and_then(|tensor| tensor.flatten_all());
            single.and_then(|tensor| tensor.to_vec1()).map_err(|error| error.to_string())
        };
        let (single, shape) = (DType::F32, [ids.len(), cfg.width]);
        // Or in single precision, as all of a warm start is.
        let values = floats("values", &shape, cfg.storage.dtype())?;
        let state = cfg.optimizer.per_value().iter();
        let parts = state.map(|what| floats(what, &shape, single)).collect::<Result<_, _>>()?;
        let sums = cfg.optimizer.per_row().first();
        let sums = sums.map(|what| floats(what, &[ids.len()], single)).transpose()?.unwrap_or_default();
        let keys = cfg.growth.map(|_| saved_keys::from_tensors(&ids, find)).transpose()?;
        Ok(Self { steps, rows: Trained { ids, values, parts, sums }, keys })
    }
}

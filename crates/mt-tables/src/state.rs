//! Trained rows and optimizer state to and from tensors.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{DType, Device, Tensor};

use crate::config::TableConfig;
use crate::embeddings::Embeddings;
use crate::error::Error;
use crate::growing::SavedKeys;
use crate::owned::Owned;
use crate::pack::check_ids;
use crate::ranks::Ranks;
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
        let mut tensors = BTreeMap::new();
        for entry in &self.shared.tables {
            let table = entry.table();
            let Some(Trained { ids, values, parts, sums }) = self.trained(entry)? else { continue };
            let (n, k, cfg) = (ids.len(), entry.cfg.width, entry.cfg);
            let mut put =
                |what: &str, tensor: Tensor| tensors.insert(format!("{}.{what}", entry.name), tensor);
            put("steps", Tensor::new(&[table.steps as i64], &Device::Cpu)?);
            let values = Tensor::from_vec(values, (n, k), &Device::Cpu)?;
            put("values", values.to_dtype(cfg.storage.dtype())?);
            for (part, what) in parts.into_iter().zip(cfg.optimizer.per_value()) {
                put(what, Tensor::from_vec(part, (n, k), &Device::Cpu)?);
            }
            if let [what] = cfg.optimizer.per_row() {
                put(what, Tensor::from_vec(sums, n, &Device::Cpu)?);
            }
            if let Some(keys) = table.keys() {
                for (what, tensor) in saved_keys::to_tensors(&keys)? {
                    put(what, tensor);
                }
            }
            if n < cfg.rows {
                put("ids", Tensor::from_vec(ids, n, &Device::Cpu)?);
            }
        }
        Ok(tensors)
    }

    /// The trained rows of a table by ascending id, those of all ranks on the first one; `None` on others.
    fn trained(&self, entry: &Entry) -> Result<Option<Trained>, Error> {
        let own = Trained::of(&entry.table());
        match &self.shared.ranks {
            None => Ok(Some(own)),
            Some(ranks) => ranks.collect(&own, entry.cfg),
        }
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
        let owned = self.shared.ranks.as_ref().map_or(Owned::ALL, Ranks::owned);
        for (entry, Saved { steps, rows, keys }) in self.shared.tables.iter().zip(all) {
            entry.gradients().clear();
            let mut table = entry.table_mut();
            table.reset();
            rows.owned(owned, entry.cfg.width).restore(&mut table);
            table.steps = steps;
            if let Some(keys) = keys {
                table.restore_keys(keys);
            }
        }
        Ok(())
    }
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

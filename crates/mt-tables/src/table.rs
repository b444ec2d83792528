//! One table: a record for each row, of which only trained ones take memory.

use mt_kernels::scratch::LINE;

use crate::buckets::Buckets;
use crate::config::TableConfig;
use crate::error::Error;
use crate::growing::{Changes, SavedKeys};
use crate::ids::Ids;
use crate::lookup::{Lookup, Values};
use crate::part::Part;
use crate::records::Records;
use crate::rounding::nearest;
use crate::rules::Update;
use crate::scatter::RowGradients;
use crate::sighted::Sighted;
use crate::start::Start;
use crate::storage::Storage;

/// Rows and optimizer state of one table.
///
/// A record is the row's `K` values, two a word in half precision, then what the optimizer keeps for each of them: against arrays apart from each
/// other, a row that is trained alone takes a third of the pages. Measured with lazy Adam and 10⁷ rows, the step takes
/// as long on pages of 4 KB, and 1.15 times as long on huge pages. What is kept for a row as a whole lies apart: 17
/// floats a record would spread every lookup over two cache lines.
#[derive(Debug)]
pub(crate) struct Table {
    pub cfg: TableConfig,
    start: Start,
    /// Updates so far; a batch without an id of this table is none.
    pub steps: u64,
    records: Vec<f32>,
    /// Floats before the first record, so that records start at a cache line where their size allows it.
    first: usize,
    sums: Vec<f32>,
    seen: Vec<u64>,
    growing: Option<Buckets>,
    /// Whether a step has gradients of its rows on any rank; where it is alone, its own say so.
    pub touched: bool,
}

impl Table {
    /// An untrained table, or the rows of it that are `owned`, each then at its place among these. Its zeroed pages become real memory when a row on them is trained.
    pub fn new(name: &str, cfg: TableConfig, seed: u64, part: Part) -> Result<Self, Error> {
        let error =
            |key: &str, problem: String| Error::Config { key: format!("tables.{name}.{key}"), problem };
        if cfg.rows == 0 || cfg.rows as u64 > 1 << 32 {
            return Err(error("rows", format!("expected 1 to 2^32, found {}", cfg.rows)));
        }
        if cfg.width == 0 {
            return Err(error("width", "expected at least 1, found 0".to_owned()));
        }
        cfg.optimizer.check().map_err(|(key, problem)| error(&format!("optimizer.{key}"), problem))?;
        if let Some(growth) = cfg.growth {
            growth.check(cfg.rows).map_err(|(key, problem)| error(key, problem))?;
        }
        let growing = part.keys(cfg);
        let owned = part.owned(cfg);
        let cfg = TableConfig { rows: owned.room(cfg.rows), ..cfg };
        let state = cfg.width.checked_mul(cfg.optimizer.per_value().len());
        let floats = state.and_then(|state| state.checked_add(cfg.storage.words(cfg.width)));
        let records = floats.and_then(|n| n.checked_mul(cfg.rows)?.checked_add(LINE - 1)).and_then(zeroed);
        let sums = zeroed(if cfg.optimizer.per_row().is_empty() { 0 } else { cfg.rows });
        let (Some(records), Some(sums)) = (records, sums) else {
            return Err(error("rows", format!("{} x {} do not fit in memory", cfg.rows, cfg.width)));
        };
        let (start, seen) = (Start::new(seed, name, cfg.width, owned), vec![0; cfg.rows.div_ceil(64)]);
        Ok(Self {
            cfg,
            start,
            steps: 0,
            first: first(&records),
            records,
            sums,
            seen,
            growing,
            touched: false,
        })
    }

    /// Makes every row untrained again.
    pub fn reset(&mut self) {
        // Each is freed before its successor is made: two of them may not fit in memory.
        for floats in [&mut self.records, &mut self.sums] {
            let len = floats.len();
            *floats = Vec::new();
            *floats = vec![0.0; len];
        }
        self.first = first(&self.records);
        self.seen.fill(0);
        self.steps = 0;
        if let Some(growing) = &mut self.growing {
            growing.reset();
        }
    }

    /// Floats of a record.
    fn stride(&self) -> usize {
        self.cfg.storage.words(self.cfg.width) + self.cfg.width * self.cfg.optimizer.per_value().len()
    }

    pub fn lookup(&self) -> Lookup<'_> {
        let records = &self.records[self.first..];
        let (values, stride) = match self.cfg.storage {
            Storage::F32 => (Values::F32(records), self.stride()),
            Storage::F16 => (Values::F16(bytemuck::cast_slice(records)), 2 * self.stride()),
            Storage::Bf16 => (Values::Bf16(bytemuck::cast_slice(records)), 2 * self.stride()),
        };
        Lookup { values, stride, seen: &self.seen, ranks: &[], start: self.start }
    }

    fn records(&mut self) -> Records<'_> {
        Records {
            stride: self.stride(),
            storage: self.cfg.storage,
            records: &mut self.records[self.first..],
            sums: &mut self.sums,
            seen: &mut self.seen,
            start: self.start,
        }
    }

    /// Updates the rows that have a gradient, and clears the gradients.
    pub fn update(&mut self, gradients: &mut RowGradients, rate: f64) {
        let touched = std::mem::take(&mut self.touched);
        if gradients.ids().is_empty() && !touched {
            return;
        }
        self.steps += 1;
        let TableConfig { width, optimizer, .. } = self.cfg;
        let update = Update { width, step: self.steps, ids: gradients.ids(), gradients: gradients.values() };
        optimizer.update(rate, self.records(), update);
        gradients.clear();
    }

    /// The rows of the ids of a training step, each field's; see [`Buckets::admit`]. Of a table that does not grow, ids
    /// are rows.
    pub fn admit(&mut self, ids: &[&Ids]) -> Vec<Vec<u32>> {
        let Some(growing) = &mut self.growing else {
            return ids.iter().map(|ids| ids.rows.clone()).collect();
        };
        let (found, changes) = growing.admit(ids);
        self.apply(&changes);
        found
    }

    /// Counts the keys of a training step that this rank keeps.
    pub fn count(&mut self, keys: &Sighted) {
        let changes = self.growing.as_mut().map(|growing| growing.count(keys)).unwrap_or_default();
        changes.iter().for_each(|changes| self.apply(changes));
    }

    /// The rows of keys that this rank keeps, 0 of those that have none.
    pub fn rows_of_keys(&self, keys: &[u64]) -> Vec<u32> {
        keys.iter().map(|&key| self.growing.as_ref().map_or(0, |growing| growing.row(key))).collect()
    }

    /// The rows of ids where nothing is counted; `None` where a row belongs to no key.
    pub fn rows_of(&self, ids: &Ids) -> Option<Vec<u32>> {
        let Some(growing) = &self.growing else { return Some(ids.rows.clone()) };
        let rows = growing.rows_of(ids);
        rows.iter().all(|&row| growing.is_row(row)).then_some(rows)
    }

    /// Ends an epoch of training: keys that are too old lose their rows. What has grown of what this rank keeps, `None` for a table
    /// that does not.
    pub fn end_epoch(&mut self) -> Option<Grown> {
        let changes = self.growing.as_mut()?.expire();
        changes.iter().for_each(|changes| self.apply(changes));
        let row = self.stride() + self.cfg.optimizer.per_row().len();
        let growing = self.growing.as_mut()?;
        let [rows, waiting, bytes] = growing.sizes();
        let [admitted, evicted] = growing.take_counts();
        Some([rows as u64, admitted, evicted, waiting as u64, (rows * row * size_of::<f32>() + bytes) as u64])
    }

    /// Clears rows that lost their keys, and sets those that got one to where the key starts.
    fn apply(&mut self, changes: &Changes) {
        let (stride, storage) = (self.stride(), self.cfg.storage);
        let (words, mut values) = (storage.words(self.cfg.width), vec![0.0; self.cfg.width]);
        let at = |row: u32| self.first + row as usize * stride;
        for row in changes.evicted.iter().map(|&row| self.start.place(row)) {
            self.seen[row as usize / 64] &= !(1 << (row % 64));
            self.records[at(row)..][..stride].fill(0.0);
            self.sums.iter_mut().skip(row as usize).take(1).for_each(|sum| *sum = 0.0);
        }
        for (row, key) in changes.admitted.iter().map(|&(row, key)| (self.start.place(row), key)) {
            self.seen[row as usize / 64] |= 1 << (row % 64);
            self.start.fill(key, &mut values);
            store(storage, &values, &mut self.records[at(row)..][..words]);
        }
    }

    /// What is known of keys, of a table that grows.
    pub fn keys(&self) -> Option<SavedKeys> {
        self.growing.as_ref().map(Buckets::save)
    }

    /// Replaces what is known of keys that this rank keeps. Each row that has one must be a trained row, and the other way round.
    pub fn restore_keys(&mut self, saved: &SavedKeys) {
        if let Some(growing) = &mut self.growing {
            growing.restore(saved);
        }
    }

    /// Ids of the trained rows, ascending.
    pub fn trained(&self) -> Vec<u32> {
        let count = self.seen.iter().map(|word| word.count_ones() as usize).sum();
        let mut ids = Vec::with_capacity(count);
        for (w, &word) in self.seen.iter().enumerate().filter(|(_, word)| **word != 0) {
            ids.extend((0..64).filter(|bit| word >> bit & 1 == 1).map(|bit| (64 * w + bit) as u32));
        }
        ids
    }

    /// The id of the row at a place.
    pub fn id(&self, place: u32) -> u32 {
        self.start.id(place)
    }

    /// The values of each of `ids`.
    pub fn values(&self, ids: &[u32]) -> Vec<f32> {
        let (mut values, lookup) = (vec![0.0; ids.len() * self.cfg.width], self.lookup());
        ids.iter().zip(values.chunks_exact_mut(self.cfg.width)).for_each(|(&id, row)| lookup.read(id, row));
        values
    }

    /// Part `part` of the optimizer's state of each of `ids`.
    pub fn gather(&self, ids: &[u32], part: usize) -> Vec<f32> {
        let (k, stride) = (self.cfg.width, self.stride());
        let mut values = Vec::with_capacity(ids.len() * k);
        for &id in ids {
            let at = self.first + id as usize * stride + self.cfg.storage.words(k) + part * k;
            values.extend_from_slice(&self.records[at..at + k]);
        }
        values
    }

    /// The optimizer's state of each row of `ids` as a whole.
    pub fn gather_sums(&self, ids: &[u32]) -> Vec<f32> {
        ids.iter().map(|&id| self.sums[id as usize]).collect()
    }

    /// Makes `ids` trained rows with these values, parts of the optimizer's state and sums.
    pub fn restore(&mut self, ids: &[u32], values: &[f32], parts: &[Vec<f32>], sums: Option<&[f32]>) {
        let (k, stride, words) = (self.cfg.width, self.stride(), self.cfg.storage.words(self.cfg.width));
        for (i, &id) in ids.iter().enumerate() {
            self.seen[id as usize / 64] |= 1 << (id % 64);
            let record = &mut self.records[self.first + id as usize * stride..][..stride];
            store(self.cfg.storage, &values[i * k..][..k], &mut record[..words]);
            for (part, state) in parts.iter().zip(record[words..].chunks_exact_mut(k)) {
                state.copy_from_slice(&part[i * k..][..k]);
            }
            if let Some(sums) = sums {
                self.sums[id as usize] = sums[i];
            }
        }
    }
}

/// Of a table that grows: keys with a row, those that got and lost one in an epoch, keys that wait, bytes.
pub(crate) type Grown = [u64; 5];

/// Writes values into their words.
fn store(storage: Storage, values: &[f32], words: &mut [f32]) {
    match storage {
        Storage::F32 => words.copy_from_slice(values),
        storage => nearest(storage, values, bytemuck::cast_slice_mut(words)),
    }
}

/// Where the first whole cache line of an allocation starts.
fn first(records: &[f32]) -> usize {
    records.as_ptr().align_offset(size_of::<f32>() * LINE).min(LINE - 1)
}

/// Zeroed pages from the allocator, or `None` where it has no room: asked for first, as zeroed memory that is refused
/// would end the program.
fn zeroed(len: usize) -> Option<Vec<f32>> {
    Vec::<f32>::new().try_reserve_exact(len).ok()?;
    Some(vec![0.0; len])
}

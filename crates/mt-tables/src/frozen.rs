//! Tables that are only read, where they lie: in the bytes of a file.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use mt_layers::Input;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::assemble::{self, assemble};
use crate::error::Error;
use crate::field::Field;
use crate::ids::Ids;
use crate::key_index::KeyIndex;
use crate::lookup::{Lookup, Values};
use crate::owned::Owned;
use crate::pack::{bits, places};
use crate::placed::{FieldEntry, Placed};
use crate::sequence::Sequence;
use crate::start::Start;

/// A safetensors file in memory that stays as it is.
pub type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Embedding tables for prediction: nothing is copied but a bit for each row. Clones share the tables.
///
/// Rows that were never trained have the start values that follow from the seed, as in
/// [`Embeddings`](crate::Embeddings).
#[derive(Clone)]
pub struct FrozenEmbeddings {
    bytes: Bytes,
    tables: Arc<[Frozen]>,
    placed: Arc<Placed>,
}

struct Frozen {
    width: usize,
    start: Start,
    seen: Vec<u64>,
    /// Trained rows before each word of `seen`.
    ranks: Vec<u32>,
    format: Dtype,
    /// Where the values are, and of whole numbers the scales.
    values: Range<usize>,
    scales: Range<usize>,
    /// Of a table that grew.
    index: Option<KeyIndex>,
}

impl FrozenEmbeddings {
    /// Tables by name, with their rows `V` and the values `K` of each; the fields in the order of their columns; the
    /// seed of the start values; and a file with the tensors of [`pack_tables`](crate::pack_tables) or those that
    /// [`Embeddings::export`](crate::Embeddings::export) names without optimizer state.
    ///
    /// # Errors
    /// [`Error::State`] if the file is damaged or is that of other tables; else as
    /// [`Embeddings::new`](crate::Embeddings::new).
    pub fn new(
        tables: &[(String, usize, usize)],
        fields: Vec<Field>,
        seed: u64,
        bytes: Bytes,
    ) -> Result<Self, Error> {
        let all = bytes.as_ref().as_ref();
        let file = SafeTensors::deserialize(all).map_err(candle_core::Error::from)?;
        let mut tensors: BTreeMap<String, TensorView<'_>> =
            file.iter().map(|(name, view)| (name.to_owned(), view)).collect();
        let mut read = Vec::with_capacity(tables.len());
        for (name, rows, width) in tables {
            let find = |what: &str| tensors.remove(&format!("{name}.{what}"));
            let start = Start::new(seed, name, *width, Owned::All);
            let frozen = Frozen::new(*rows, *width, start, all, find);
            read.push(frozen.map_err(|problem| Error::State { table: name.clone(), problem })?);
        }
        if let Some(name) = tensors.into_keys().next() {
            let table = name.rsplit_once('.').map_or(&*name, |(table, _)| table).to_owned();
            return Err(Error::State { table, problem: format!("nothing takes tensor {name:?}") });
        }
        let size = |((name, rows, width), frozen): (&(String, usize, usize), &Frozen)| {
            (name.clone(), *rows, *width, frozen.index.is_some())
        };
        let placed = Placed::new(&tables.iter().zip(&read).map(size).collect::<Vec<_>>(), fields)?;
        Ok(Self { bytes, tables: read.into(), placed: Arc::new(placed) })
    }

    /// Columns of all fields, `Σ K_f`.
    pub fn width(&self) -> usize {
        self.placed.width
    }

    /// As [`Embeddings::forward`](crate::Embeddings::forward), always a constant.
    ///
    /// # Errors
    /// As [`Embeddings::forward`](crate::Embeddings::forward).
    pub fn forward(&self, ids: &[Ids], numeric: Option<&Input>) -> Result<Tensor, Error> {
        self.look_up(&self.placed, ids, numeric)
    }

    /// As [`Embeddings::sequence`](crate::Embeddings::sequence).
    ///
    /// # Errors
    /// As [`Embeddings::sequence`](crate::Embeddings::sequence).
    pub fn sequence(&self, names: &[&str]) -> Result<Sequence, Error> {
        Sequence::new(&self.placed, names)
    }

    /// As [`Embeddings::each`](crate::Embeddings::each), always a constant.
    ///
    /// # Errors
    /// As [`Embeddings::forward`](crate::Embeddings::forward).
    pub fn each(&self, sequence: &Sequence, ids: &[Ids]) -> Result<Tensor, Error> {
        self.look_up(&sequence.placed, &sequence.ids(ids), None)
    }

    fn look_up(&self, placed: &Placed, ids: &[Ids], numeric: Option<&Input>) -> Result<Tensor, Error> {
        let rows = placed.check(ids)?;
        let numeric = numeric.map(|input| assemble::on_cpu(input, rows)).transpose()?;
        let bytes = self.bytes.as_ref().as_ref();
        let found;
        let ids = match placed.grows {
            true => {
                found = self.rows_of(placed, ids, bytes);
                &found
            }
            false => ids,
        };
        let lookups: Vec<Lookup<'_>> = self.tables.iter().map(|table| table.lookup(bytes)).collect();
        let stride = assemble::stride(placed, numeric.as_ref())?;
        let out = assemble(placed, &lookups, ids, numeric.as_ref(), rows, stride)?;
        Ok(Tensor::from_vec(out, (rows, stride), &Device::Cpu)?)
    }

    /// Rows in the place of keys.
    fn rows_of(&self, placed: &Placed, ids: &[Ids], bytes: &[u8]) -> Vec<Ids> {
        let of_field = |(entry, ids): (&FieldEntry, &Ids)| {
            let index = self.tables[entry.table].index.as_ref();
            // Checked at construction; the bytes have not moved since.
            let Some(Ok(index)) = index.map(|index| index.lookup(bytes)) else { return ids.clone() };
            let row = |&id: &u32| ids.key(id).map_or(id, |key| index.row(key, entry.rows));
            Ids { rows: ids.rows.iter().map(row).collect(), keys: None, ..ids.clone() }
        };
        placed.fields.iter().zip(ids).map(of_field).collect()
    }

    /// All rows `(V, K)` of a table that a field reads, those that were never trained included.
    ///
    /// # Errors
    /// [`Error::UnknownTable`].
    pub fn table(&self, name: &str) -> Result<Tensor, Error> {
        let Some(entry) = self.placed.fields.iter().find(|entry| entry.field.table == name) else {
            return Err(Error::UnknownTable { table: name.to_owned() });
        };
        let lookup = self.tables[entry.table].lookup(self.bytes.as_ref().as_ref());
        let mut values = vec![0.0; entry.rows * entry.width];
        (0..).zip(values.chunks_exact_mut(entry.width)).for_each(|(id, row)| lookup.read(id, row));
        Ok(Tensor::from_vec(values, (entry.rows, entry.width), &Device::Cpu)?)
    }
}

impl fmt::Debug for FrozenEmbeddings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<&Field> = self.placed.fields.iter().map(|FieldEntry { field, .. }| field).collect();
        f.debug_struct("FrozenEmbeddings").field("fields", &fields).finish_non_exhaustive()
    }
}

impl Frozen {
    /// Finds a table's tensors in the file, or says what is wrong with them.
    fn new<'a>(
        rows: usize,
        width: usize,
        start: Start,
        all: &[u8],
        mut find: impl FnMut(&str) -> Option<TensorView<'a>>,
    ) -> Result<Self, String> {
        // Only training goes on from there.
        ["steps", "clock", "last", "waiting", "waiting_last", "waiting_counts"].iter().for_each(|what| {
            find(what);
        });
        let Some(values) = find("values") else { return Err("\"values\" is missing".to_owned()) };
        let (shape, format) = (values.shape(), values.dtype());
        let trained = match shape {
            [n, k] if *k == width && *n <= rows => *n,
            _ => return Err(format!("\"values\" is {shape:?}, expected up to [{rows}, {width}]")),
        };
        let ids = find("ids");
        let index = key_index(all, ids.as_ref(), rows, &mut find)?;
        let seen = match (find("seen"), ids) {
            (Some(seen), None) if seen.dtype() == Dtype::I64 && seen.shape() == [rows.div_ceil(64)] => {
                seen.data().as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect()
            }
            (None, Some(ids)) if ids.dtype() == Dtype::U32 && ids.shape() == [trained] => {
                bits(&numbers(ids.data()), rows)?
            }
            (None, None) if trained == rows => {
                let mut all = vec![u64::MAX; rows.div_ceil(64)];
                all.iter_mut().rev().take(1).for_each(|last| *last >>= all_but(rows));
                all
            }
            _ => return Err(format!("no list of the {trained} trained of {rows} rows fits")),
        };
        if seen.last().is_some_and(|last| last.leading_zeros() < all_but(rows)) {
            return Err(format!("rows behind the last of {rows} were trained"));
        }
        let mut ranks = Vec::with_capacity(seen.len());
        let mut before = 0;
        for word in &seen {
            ranks.push(before);
            before += word.count_ones();
        }
        if before as usize != trained {
            return Err(format!("{before} rows were trained, \"values\" has {trained}"));
        }
        let scales = match (format, find("scales")) {
            (Dtype::U8, Some(scales)) if scales.dtype() == Dtype::F32 && scales.shape() == [trained] => {
                within(all, scales.data())
            }
            (Dtype::F32 | Dtype::F16 | Dtype::BF16, None) => 0..0,
            (Dtype::U8, _) => return Err(format!("\"scales\" of {trained} rows are missing")),
            (other, _) => return Err(format!("\"values\" of type {other:?}, expected F32, F16, BF16 or U8")),
        };
        let frozen =
            Self { width, start, seen, ranks, format, values: within(all, values.data()), scales, index };
        frozen.values(all).map_err(|error| format!("not aligned: {error}"))?;
        Ok(frozen)
    }

    fn values<'a>(&self, all: &'a [u8]) -> Result<Values<'a>, bytemuck::PodCastError> {
        let values = &all[self.values.clone()];
        Ok(match self.format {
            Dtype::F16 => Values::F16(bytemuck::try_cast_slice(values)?),
            Dtype::BF16 => Values::Bf16(bytemuck::try_cast_slice(values)?),
            Dtype::U8 => Values::Int8(values, bytemuck::try_cast_slice(&all[self.scales.clone()])?),
            _ => Values::F32(bytemuck::try_cast_slice(values)?),
        })
    }

    fn lookup<'a>(&'a self, all: &'a [u8]) -> Lookup<'a> {
        // Checked at construction; the bytes have not moved since.
        let values = self.values(all).unwrap_or(Values::F32(&[]));
        Lookup { values, stride: self.width, seen: &self.seen, ranks: &self.ranks, start: self.start }
    }
}

/// The index of a table that grew: that of the file, or one made from its list of keys.
fn key_index<'a>(
    all: &[u8],
    ids: Option<&TensorView<'a>>,
    rows: usize,
    find: &mut impl FnMut(&str) -> Option<TensorView<'a>>,
) -> Result<Option<KeyIndex>, String> {
    let index = match (find("index_keys"), find("index_rows"), find("keys")) {
        (None, None, None) => return Ok(None),
        (Some(keys), Some(rows), None)
            if (keys.dtype(), rows.dtype()) == (Dtype::I64, Dtype::U32)
                && keys.shape() == rows.shape()
                && matches!(keys.shape(), [n] if n.is_power_of_two()) =>
        {
            KeyIndex::Mapped { keys: within(all, keys.data()), rows: within(all, rows.data()) }
        }
        (None, None, Some(keys)) if keys.dtype() == Dtype::I64 => {
            let keys: Vec<u64> =
                keys.data().as_chunks().0.iter().map(|key| u64::from_le_bytes(*key)).collect();
            let ids = ids.map(|ids| numbers(ids.data()));
            KeyIndex::Made(places(&keys, ids.as_deref(), rows)?)
        }
        _ => return Err("its index of keys does not hold together".to_owned()),
    };
    index.lookup(all).map_err(|error| format!("not aligned: {error}"))?;
    Ok(Some(index))
}

fn numbers(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks().0.iter().map(|id| u32::from_le_bytes(*id)).collect()
}

/// Bits of the last word behind the last of `rows`.
fn all_but(rows: usize) -> u32 {
    (64 - rows as u32 % 64) % 64
}

/// Where `part` lies in `all`.
fn within(all: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - all.as_ptr().addr();
    start..start + part.len()
}

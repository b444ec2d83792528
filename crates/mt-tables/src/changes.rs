//! What changed between two files of packed tables, row by row, and the second from the first and that.

use std::borrow::Cow;
use std::collections::BTreeMap;

use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, View};

use crate::error::Error;
use crate::growth::RESERVED;
use crate::pack::{bits, check_ids, places};

/// The rows of `new` that `base` has not, both of them files of [`pack_tables`](crate::pack_tables) with tables of these names and numbers
/// of rows: another file.
///
/// Of each table `{table}.ids` (n) ascending, with their `{table}.values` (n, K) and, of whole numbers, `{table}.scales` (n); of one that
/// grows the `{table}.keys` of those that have one; `{table}.removed`, rows that are trained no more; and `{table}.listed`, whether the
/// trained rows are a part of all.
///
/// # Errors
/// [`Error::State`] if a file is damaged, or their tables are of other shapes or formats.
pub fn changed_rows(base: &[u8], new: &[u8], tables: &[(String, usize)]) -> Result<Vec<u8>, Error> {
    let (base, new) = (read(base)?, read(new)?);
    let mut parts = BTreeMap::new();
    for (table, rows) in tables {
        let fail = |problem: String| Error::State { table: table.clone(), problem };
        let then = Rows::read(&base, table, *rows).map_err(fail)?;
        let now = Rows::read(&new, table, *rows).map_err(fail)?;
        if !then.is_like(&now) {
            return Err(fail("has another width or format, or its keys grow in one of the two".to_owned()));
        }
        let changed = |at: &usize| {
            let before = then.ids.binary_search(&now.ids[*at]);
            before.map_or(true, |before| then.row(before) != now.row(*at))
        };
        let changed: Vec<usize> = (0..now.ids.len()).filter(changed).collect();
        let removed = then.ids.iter().copied().filter(|id| now.ids.binary_search(id).is_err());
        let mut put = |what: &str, part: Part<'static>| parts.insert(format!("{table}.{what}"), part);
        put("removed", numbers(&removed.collect::<Vec<u32>>()));
        put("listed", Part::new(Dtype::U8, vec![1], vec![u8::from(now.listed)]));
        now.taken(&changed).into_iter().for_each(|(what, part)| drop(put(what, part)));
    }
    write(parts)
}

/// The file that [`changed_rows`] was given as `new`, to the byte, from the `base` and what came of it.
///
/// # Errors
/// [`Error::State`] if a file is damaged, or the two do not belong together.
pub fn with_changed_rows(base: &[u8], changes: &[u8], tables: &[(String, usize)]) -> Result<Vec<u8>, Error> {
    let (base, changes) = (read(base)?, read(changes)?);
    let mut parts = BTreeMap::new();
    for (table, rows) in tables {
        let fail = |problem: String| Error::State { table: table.clone(), problem };
        let then = Rows::read(&base, table, *rows).map_err(fail)?;
        let change = Rows::read_changes(&changes, table, *rows).map_err(fail)?;
        if !then.is_like(&change) {
            return Err(fail("its changes are those of another table".to_owned()));
        }
        let removed = ids_of(&find(&changes, table, "removed").map_err(fail)?, *rows).map_err(fail)?;
        let stays = |id: &u32| removed.binary_search(id).is_err() && change.ids.binary_search(id).is_err();
        // Each row once, as both are in order.
        let old = then.ids.iter().enumerate().filter(|(_, id)| stays(id)).map(|(at, id)| (*id, &then, at));
        let new = change.ids.iter().enumerate().map(|(at, id)| (*id, &change, at));
        let mut all: Vec<(u32, &Rows<'_>, usize)> = old.chain(new).collect();
        all.sort_unstable_by_key(|(id, ..)| *id);
        let (mut ids, mut keys) = (Vec::with_capacity(all.len()), Vec::new());
        let (mut values, mut scales) = (Vec::with_capacity(all.len() * then.bytes), Vec::new());
        for (id, of, at) in all {
            let Row { values: own, scale, key } = of.row(at);
            ids.push(id);
            values.extend_from_slice(own);
            scales.extend_from_slice(scale);
            keys.extend(key);
        }
        let n = ids.len();
        let mut put = |what: &str, part: Part<'static>| parts.insert(format!("{table}.{what}"), part);
        put("values", Part::new(then.dtype, vec![n, then.width], values));
        if then.scales.is_some() {
            put("scales", Part::new(Dtype::F32, vec![n], scales));
        }
        let listed = find(&changes, table, "listed").map_err(fail)?.data() == [1];
        if then.keys.is_some() {
            let places = places(&keys, listed.then_some(&*ids), *rows).map_err(fail)?;
            put("index_keys", words(&places.keys));
            put("index_rows", numbers(&places.rows));
        }
        if listed {
            put("seen", words(&bits(&ids, *rows).map_err(fail)?));
        } else if n != *rows {
            return Err(fail(format!("{n} of {rows} rows were trained, and none is left out")));
        }
    }
    write(parts)
}

/// The trained rows of a table in a file.
struct Rows<'a> {
    ids: Vec<u32>,
    listed: bool,
    /// By row, of those from [`RESERVED`] on; `None` where keys do not grow.
    keys: Option<BTreeMap<u32, u64>>,
    dtype: Dtype,
    width: usize,
    /// Bytes of a row's values.
    bytes: usize,
    values: &'a [u8],
    scales: Option<&'a [u8]>,
}

/// All that a file says of a row.
#[derive(PartialEq)]
struct Row<'a> {
    values: &'a [u8],
    scale: &'a [u8],
    key: Option<u64>,
}

impl<'a> Rows<'a> {
    fn read(file: &SafeTensors<'a>, table: &str, rows: usize) -> Result<Self, String> {
        let seen = find(file, table, "seen").ok();
        let ids: Vec<u32> = match &seen {
            Some(seen) => {
                let of_word = |(word, bits): (u32, &[u8; 8])| {
                    let bits = u64::from_le_bytes(*bits);
                    (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| 64 * word + bit)
                };
                (0..).zip(seen.data().as_chunks().0).flat_map(of_word).collect()
            }
            None => (0..rows as u32).collect(),
        };
        let keys = match (find(file, table, "index_keys"), find(file, table, "index_rows")) {
            (Ok(keys), Ok(rows)) => {
                let rows = rows.data().as_chunks().0.iter().map(|row| u32::from_le_bytes(*row));
                let keys = keys.data().as_chunks().0.iter().map(|key| u64::from_le_bytes(*key));
                Some(rows.zip(keys).filter(|(row, _)| *row >= RESERVED).collect())
            }
            _ => None,
        };
        Self::new(file, table, (ids, seen.is_some(), keys), rows)
    }

    fn read_changes(file: &SafeTensors<'a>, table: &str, rows: usize) -> Result<Self, String> {
        let ids = ids_of(&find(file, table, "ids")?, rows)?;
        let keys = find(file, table, "keys").ok().map(|keys| {
            let keys = keys.data().as_chunks().0.iter().map(|key| u64::from_le_bytes(*key));
            ids.iter().copied().filter(|id| *id >= RESERVED).zip(keys).collect()
        });
        Self::new(file, table, (ids, true, keys), rows)
    }

    fn new(
        file: &SafeTensors<'a>,
        table: &str,
        (ids, listed, keys): (Vec<u32>, bool, Option<BTreeMap<u32, u64>>),
        rows: usize,
    ) -> Result<Self, String> {
        let (values, scales) = (find(file, table, "values")?, find(file, table, "scales").ok());
        let &[n, width] = values.shape() else { return Err("\"values\" are no rows".to_owned()) };
        check_ids(&ids, rows)?;
        if n != ids.len() || scales.as_ref().is_some_and(|scales| scales.data().len() != 4 * n) {
            return Err(format!("{} rows were trained, \"values\" has {n}", ids.len()));
        }
        let own = ids.iter().filter(|id| **id >= RESERVED).count();
        if keys.as_ref().is_some_and(|keys| keys.len() != own) {
            return Err(format!("there are not {own} keys"));
        }
        let bytes = values.data().len().checked_div(n).unwrap_or(0);
        let scales = scales.map(|scales| scales.data());
        Ok(Self { ids, listed, keys, dtype: values.dtype(), width, bytes, values: values.data(), scales })
    }

    fn is_like(&self, other: &Self) -> bool {
        let form = |rows: &Self| (rows.dtype, rows.width, rows.keys.is_some(), rows.scales.is_some());
        form(self) == form(other)
    }

    fn row(&self, at: usize) -> Row<'a> {
        Row {
            values: &self.values[at * self.bytes..][..self.bytes],
            scale: self.scales.map_or(&[], |scales| &scales[4 * at..][..4]),
            key: self.keys.as_ref().and_then(|keys| keys.get(&self.ids[at]).copied()),
        }
    }

    /// Some of the rows, as tensors.
    fn taken(&self, rows: &[usize]) -> Vec<(&'static str, Part<'static>)> {
        let (n, row) = (rows.len(), |&at: &usize| self.row(at));
        let values = rows.iter().map(row).flat_map(|row| row.values.iter().copied()).collect();
        let ids: Vec<u32> = rows.iter().map(|&at| self.ids[at]).collect();
        let mut parts =
            vec![("ids", numbers(&ids)), ("values", Part::new(self.dtype, vec![n, self.width], values))];
        if self.scales.is_some() {
            let scales = rows.iter().map(row).flat_map(|row| row.scale.iter().copied()).collect();
            parts.push(("scales", Part::new(Dtype::F32, vec![n], scales)));
        }
        if self.keys.is_some() {
            parts.push(("keys", words(&rows.iter().map(row).filter_map(|row| row.key).collect::<Vec<_>>())));
        }
        parts
    }
}

/// A tensor to be written.
struct Part<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Cow<'a, [u8]>,
}

impl Part<'static> {
    fn new(dtype: Dtype, shape: Vec<usize>, data: Vec<u8>) -> Self {
        Self { dtype, shape, data: data.into() }
    }
}

impl View for Part<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.data)
    }

    fn data_len(&self) -> usize {
        self.data.len()
    }
}

fn numbers(ids: &[u32]) -> Part<'static> {
    Part::new(Dtype::U32, vec![ids.len()], ids.iter().flat_map(|id| id.to_le_bytes()).collect())
}

fn words(words: &[u64]) -> Part<'static> {
    Part::new(Dtype::I64, vec![words.len()], words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

fn ids_of(tensor: &TensorView<'_>, rows: usize) -> Result<Vec<u32>, String> {
    let ids: Vec<u32> = tensor.data().as_chunks().0.iter().map(|id| u32::from_le_bytes(*id)).collect();
    check_ids(&ids, rows)?;
    Ok(ids)
}

fn find<'a>(file: &SafeTensors<'a>, table: &str, what: &str) -> Result<TensorView<'a>, String> {
    file.tensor(&format!("{table}.{what}")).map_err(|_| format!("{what:?} is missing"))
}

fn read(file: &[u8]) -> Result<SafeTensors<'_>, Error> {
    Ok(SafeTensors::deserialize(file).map_err(candle)?)
}

fn write(parts: BTreeMap<String, Part<'_>>) -> Result<Vec<u8>, Error> {
    Ok(safetensors::serialize(parts, None).map_err(candle)?)
}

fn candle(error: SafeTensorError) -> candle_core::Error {
    error.into()
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;
    use crate::pack::{TableFormat, pack_tables};

    /// A table of 130 rows that grows and one of 3 that does not; of the first `ids` were trained.
    fn file(ids: &[u32], first: f32, format: TableFormat) -> Vec<u8> {
        let at = &Device::Cpu;
        let values: Vec<f32> = ids.iter().flat_map(|id| [*id as f32 - 60.5, first]).collect();
        let keys: Vec<i64> = ids.iter().filter(|id| **id >= 2).map(|id| i64::from(*id) - 99).collect();
        let plain: Vec<f32> = (0..6).map(|i| first * (i / 2) as f32).collect();
        let tensors = BTreeMap::from([
            ("a.ids".to_owned(), Tensor::new(ids, at).expect("ids")),
            ("a.keys".to_owned(), Tensor::new(keys, at).expect("keys")),
            ("a.values".to_owned(), Tensor::from_vec(values, (ids.len(), 2), at).expect("values")),
            ("b.values".to_owned(), Tensor::from_vec(plain, (3, 2), at).expect("values")),
        ]);
        let packed = pack_tables(&tensors, &tables(), format).expect("packs");
        safetensors::serialize(packed.iter(), None).expect("serialises")
    }

    fn tables() -> [(String, usize); 2] {
        [("a".to_owned(), 130), ("b".to_owned(), 3)]
    }

    #[test]
    fn what_changed_makes_the_second_file_of_the_first_to_the_byte() {
        for format in [TableFormat::F32, TableFormat::F16, TableFormat::Bf16, TableFormat::Int8] {
            let base = file(&[1, 2, 64, 128], 0.5, format);
            let cases: [(&[u32], f32); 5] = [
                (&[1, 2, 64, 128], 0.5),
                (&[1, 2, 64, 128], 0.75),
                (&[1, 3, 64, 129], 0.5),
                (&[], 0.5),
                (&[0, 1, 2, 3, 64, 127, 128, 129], 7.0),
            ];
            for (ids, first) in cases {
                let new = file(ids, first, format);
                let changes = changed_rows(&base, &new, &tables()).expect("changes");
                let made = with_changed_rows(&base, &changes, &tables()).expect("applies");
                assert!(made == new, "{format:?} {ids:?}");
                let changes = read(&changes).expect("a file");
                let changed = changes.tensor("a.ids").expect("ids").data().len() / 4;
                let new = ids.iter().filter(|id| ![1, 2, 64, 128].contains(*id)).count();
                match format {
                    TableFormat::F32 if first != 0.5 => assert_eq!(changed, ids.len(), "{ids:?}"),
                    // Of fewer bits, a row may come out as it was.
                    _ => assert!((new..=ids.len()).contains(&changed), "{format:?} {ids:?}"),
                }
                assert!(first != 0.5 || changed == new, "{format:?} {ids:?}");
            }
        }
    }

    #[test]
    fn files_of_other_tables_or_damaged_ones_are_refused() {
        let base = file(&[1, 2], 0.5, TableFormat::F32);
        let half = file(&[1, 2], 0.5, TableFormat::F16);
        assert!(matches!(changed_rows(&base, &half, &tables()), Err(Error::State { .. })));
        assert!(with_changed_rows(&base, &base, &tables()).is_err());
        let changes = changed_rows(&half, &file(&[1], 1.0, TableFormat::F16), &tables()).expect("changes");
        assert!(with_changed_rows(&base, &changes, &tables()).is_err());
        for cut in 0..changes.len() {
            assert!(with_changed_rows(&half, &changes[..cut], &tables()).is_err());
        }
    }
}

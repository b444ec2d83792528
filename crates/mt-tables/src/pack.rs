//! Tables for prediction: the trained rows in fewer bits, found by a bit a row.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::growth::RESERVED;
use crate::key_index::Places;
use crate::lookup::ZERO;

/// How the values of tables are kept in a file for prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TableFormat {
    /// As trained. The default.
    #[default]
    F32,
    /// Half precision, 11 significant bits: half the size.
    F16,
    /// 8 significant bits and the range of `f32`: half the size.
    Bf16,
    /// 256 steps between minus and plus the largest value of each row: a quarter of the size and 4 bytes a row.
    Int8,
}

/// The tensors of a file for [`FrozenEmbeddings`](crate::FrozenEmbeddings), from those that
/// [`Embeddings::export`](crate::Embeddings::export) gave; `tables` are names and numbers of rows.
///
/// For each table with `n` trained of `V` rows: `{table}.values` (n, K), for [`TableFormat::Int8`] as bytes with
/// `{table}.scales` (n), and `{table}.seen` (⌈V/64⌉), a bit for each row that was trained, left out where all were. Of a
/// table that grows, also the places of an open addressing from keys to rows, a power of two of them: `{table}.index_keys`
/// and `{table}.index_rows`, 0 where empty; a key is searched from the place of its hash on.
///
/// # Errors
/// [`Error::State`] if a tensor is missing or does not fit.
pub fn pack_tables(
    tensors: &BTreeMap<String, Tensor>,
    tables: &[(String, usize)],
    format: TableFormat,
) -> Result<BTreeMap<String, Tensor>, Error> {
    let mut packed = BTreeMap::new();
    for (table, rows) in tables {
        let fail = |problem: String| Error::State { table: table.clone(), problem };
        let name = |what: &str| format!("{table}.{what}");
        let values = tensors.get(&name("values")).ok_or_else(|| fail("\"values\" is missing".to_owned()))?;
        match format {
            TableFormat::F32 => packed.insert(name("values"), values.clone()),
            TableFormat::F16 => packed.insert(name("values"), values.to_dtype(DType::F16)?),
            TableFormat::Bf16 => packed.insert(name("values"), values.to_dtype(DType::BF16)?),
            TableFormat::Int8 => {
                let (bytes, scales) = quantise(values)?;
                packed.insert(name("scales"), scales);
                packed.insert(name("values"), bytes)
            }
        };
        let ids = tensors.get(&name("ids")).map(|ids| ids.to_vec1::<u32>()).transpose()?;
        if let Some(keys) = tensors.get(&name("keys")) {
            let keys: Vec<u64> = keys.to_vec1::<i64>()?.into_iter().map(i64::cast_unsigned).collect();
            let places = places(&keys, ids.as_deref(), *rows).map_err(fail)?;
            let keys: Vec<i64> = places.keys.into_iter().map(u64::cast_signed).collect();
            packed.insert(name("index_keys"), Tensor::new(keys, &Device::Cpu)?);
            packed.insert(name("index_rows"), Tensor::new(places.rows, &Device::Cpu)?);
        }
        if let Some(ids) = ids {
            let seen = bits(&ids, *rows).map_err(fail)?;
            let words: Vec<i64> = seen.into_iter().map(u64::cast_signed).collect();
            packed.insert(name("seen"), Tensor::new(words, &Device::Cpu)?);
        }
    }
    Ok(packed)
}

/// The values and ids that [`pack_tables`] was given, up to what its format keeps: `{table}.values` (n, K) as float32, and
/// `{table}.ids` (n) where not all rows were trained, and `{table}.keys` of a table that grows. Tensors that were not packed
/// stay as they are.
///
/// # Errors
/// If a tensor cannot be read, or a scale is missing.
pub fn unpack_tables(packed: BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>, Error> {
    let mut tensors = BTreeMap::new();
    for (name, tensor) in &packed {
        match name.rsplit_once('.') {
            Some((table, "values")) => {
                let values = tensor.to_dtype(DType::F32)?;
                let values = match packed.get(&format!("{table}.scales")) {
                    Some(scales) => (values - f64::from(ZERO))?
                        .broadcast_mul(&scales.to_dtype(DType::F32)?.unsqueeze(1)?)?,
                    None => values,
                };
                tensors.insert(name.clone(), values);
            }
            Some((table, "seen")) => {
                let words = tensor.to_vec1::<i64>()?;
                let of_word = |(w, word): (u32, i64)| {
                    (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| 64 * w + bit)
                };
                let ids: Vec<u32> = (0..).zip(words).flat_map(of_word).collect();
                tensors.insert(format!("{table}.ids"), Tensor::new(ids, &Device::Cpu)?);
            }
            Some((table, "index_rows")) => {
                let keys = packed.get(&format!("{table}.index_keys")).map(|keys| keys.to_vec1::<i64>());
                let places = tensor.to_vec1::<u32>()?.into_iter().zip(keys.transpose()?.unwrap_or_default());
                let mut keys: Vec<(u32, i64)> = places.filter(|(row, _)| *row >= RESERVED).collect();
                keys.sort_unstable();
                let keys: Vec<i64> = keys.into_iter().map(|(_, key)| key).collect();
                tensors.insert(format!("{table}.keys"), Tensor::new(keys, &Device::Cpu)?);
            }
            Some((_, "scales" | "index_keys")) => {}
            _ => {
                tensors.insert(name.clone(), tensor.clone());
            }
        }
    }
    Ok(tensors)
}

/// Whether saved ids are those of different rows, in order: one that came twice would be restored as the last.
pub(crate) fn check_ids(ids: &[u32], rows: usize) -> Result<(), String> {
    if !ids.is_sorted_by(|a, b| a < b) || ids.last().is_some_and(|&id| id as usize >= rows) {
        return Err(format!("\"ids\" do not ascend below {rows} rows"));
    }
    Ok(())
}

/// The index of the keys of a table's trained rows from [`RESERVED`] on; without `ids` all of its `rows` were trained.
pub(crate) fn places(keys: &[u64], ids: Option<&[u32]>, rows: usize) -> Result<Places, String> {
    let own: Vec<u32> = match ids {
        Some(ids) => ids.iter().copied().filter(|&id| id >= RESERVED).collect(),
        None => (RESERVED..rows as u32).collect(),
    };
    if keys.len() != own.len() {
        return Err(format!("{} keys of {} rows", keys.len(), own.len()));
    }
    Ok(Places::new(keys, &own))
}

/// A bit for each of `rows` rows that is one of `ids`.
pub(crate) fn bits(ids: &[u32], rows: usize) -> Result<Vec<u64>, String> {
    check_ids(ids, rows)?;
    let mut seen = vec![0u64; rows.div_ceil(64)];
    ids.iter().for_each(|&id| seen[id as usize / 64] |= 1 << (id % 64));
    Ok(seen)
}

/// Bytes `(n, K)` and a scale a row.
fn quantise(values: &Tensor) -> Result<(Tensor, Tensor), Error> {
    let (n, width) = values.dims2()?;
    let (mut bytes, mut scales) = (Vec::with_capacity(n * width), Vec::with_capacity(n));
    for row in values.to_dtype(DType::F32)?.to_vec2::<f32>()? {
        let largest = row.iter().fold(0f32, |m, x| m.max(x.abs()));
        let scale = largest / 127.0;
        let step = |x: &f32| if scale > 0.0 { (x / scale).round() } else { 0.0 };
        bytes.extend(row.iter().map(|x| (step(x) + ZERO) as u8));
        scales.push(scale);
    }
    Ok((Tensor::from_vec(bytes, (n, width), &Device::Cpu)?, Tensor::new(scales, &Device::Cpu)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_unpacked_as_exactly_as_the_format_allows() -> Result<(), Error> {
        let values: Vec<f32> = (0..3 * 4).map(|i| i as f32 / 16.0 - 0.3).collect();
        let tensors = BTreeMap::from([
            ("t.ids".to_owned(), Tensor::new(&[1u32, 64, 130], &Device::Cpu)?),
            ("t.values".to_owned(), Tensor::from_vec(values.clone(), (3, 4), &Device::Cpu)?),
        ]);
        let formats = [TableFormat::F32, TableFormat::F16, TableFormat::Bf16, TableFormat::Int8];
        for (format, error) in formats.into_iter().zip([0.0, 3e-4, 3e-3, 3e-3]) {
            let found = unpack_tables(pack_tables(&tensors, &[("t".to_owned(), 131)], format)?)?;
            assert!(found.keys().eq(tensors.keys()), "{format:?}: {found:?}");
            assert_eq!(found["t.ids"].to_vec1::<u32>()?, [1, 64, 130]);
            for (a, b) in found["t.values"].flatten_all()?.to_vec1::<f32>()?.iter().zip(&values) {
                assert!((a - b).abs() <= error, "{format:?}: {a}, expected {b}");
            }
        }
        Ok(())
    }
}

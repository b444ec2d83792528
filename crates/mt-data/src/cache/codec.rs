//! A table as bytes and back, to the bit. Numbers are little-endian; columns of small whole numbers take one byte a value.

use std::sync::Arc;

use mt_features::fields::Ids;
use mt_features::{Batch, DenseRows, Numeric, SparseRows, Table};

/// The keys of each field whose table grows. They are the same for all rows of a file, and stand in it once.
pub(super) type Keys = Vec<Option<Arc<Vec<u64>>>>;

/// How the values of a column of numbers are written.
const RAW: u8 = 4;
const BYTES: u8 = 1;
const EQUAL: u8 = 0;

/// Adds a table to `out`.
pub(super) fn encode(table: &Table, out: &mut Vec<u8>) {
    let Batch { numeric, fields, labels, mask, tasks } = table.as_batch();
    put(out, &[table.len() as u32, *tasks as u32, fields.len() as u32, numeric.width() as u32]);
    match numeric {
        Numeric::Dense(dense) => {
            out.push(0);
            put_floats(out, &dense.values);
        }
        Numeric::Sparse(sparse) => {
            out.push(1);
            put_ints(out, &sparse.offsets);
            put_ints(out, &sparse.columns);
            put_floats(out, &sparse.values);
        }
    }
    for ids in fields {
        out.push(u8::from(ids.offsets.is_some()));
        ids.offsets.iter().for_each(|offsets| put_ints(out, offsets));
        put_ints(out, &ids.rows);
    }
    put_floats(out, labels);
    put_floats(out, mask);
    out.push(u8::from(table.labelled().is_some()));
    table.labelled().iter().for_each(|labelled| put_floats(out, labelled));
    out.push(u8::from(table.groups().is_some()));
    table.groups().iter().for_each(|groups| put_ints(out, groups));
}

/// The table at the start of `bytes`, with the keys of its fields; `None` where they hold none.
pub(super) fn decode(bytes: &mut &[u8], keys: &Keys) -> Option<Table> {
    let [_, tasks, fields, width] = *take_raw(bytes, 4)?.as_array()?;
    let width = width as usize;
    let numeric = match byte(bytes)? {
        0 => Numeric::Dense(DenseRows { width, values: floats(bytes)? }),
        _ => {
            let (offsets, columns) = (ints(bytes)?, ints(bytes)?);
            Numeric::Sparse(SparseRows { width, offsets, columns, values: floats(bytes)? })
        }
    };
    let field = |field: usize| {
        let offsets = if byte(bytes)? == 1 { Some(ints(bytes)?) } else { None };
        Some(Ids { offsets, rows: ints(bytes)?, keys: keys.get(field).cloned().flatten() })
    };
    let fields: Option<Vec<Ids>> = (0..fields as usize).map(field).collect();
    let (labels, mask) = (floats(bytes)?, floats(bytes)?);
    let mut table =
        Table::from_batch(Batch { numeric, fields: fields?, labels, mask, tasks: tasks as usize });
    if byte(bytes)? == 1 {
        table = table.with_labelled(floats(bytes)?).ok()?;
    }
    if byte(bytes)? == 1 {
        table = table.with_groups(ints(bytes)?).ok()?;
    }
    Some(table)
}

fn put(out: &mut Vec<u8>, values: &[u32]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

/// Adds whole numbers, each with as many bytes as the largest needs.
pub(super) fn put_ints(out: &mut Vec<u8>, values: &[u32]) {
    put(out, &[values.len() as u32]);
    match values.iter().max() {
        Some(0x1_0000..) => {
            out.push(4);
            put(out, values);
        }
        Some(0x100..) => {
            out.push(2);
            out.extend(values.iter().flat_map(|&value| (value as u16).to_le_bytes()));
        }
        _ => {
            out.push(1);
            out.extend(values.iter().map(|&value| value as u8));
        }
    }
}

fn put_floats(out: &mut Vec<u8>, values: &[f32]) {
    put(out, &[values.len() as u32]);
    let first = values.first().copied().unwrap_or_default().to_bits();
    let exact = |value: &f32| f32::from(*value as u8).to_bits() == value.to_bits();
    if values.iter().all(|value| value.to_bits() == first) {
        out.push(EQUAL);
        put(out, &[first]);
    } else if values.iter().all(exact) {
        out.push(BYTES);
        out.extend(values.iter().map(|&value| value as u8));
    } else {
        out.push(RAW);
        out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
}

fn byte(bytes: &mut &[u8]) -> Option<u8> {
    bytes.split_off_first().copied()
}

fn take_raw(bytes: &mut &[u8], count: usize) -> Option<Vec<u32>> {
    let taken = bytes.split_off(..count.checked_mul(4)?)?;
    Some(taken.as_chunks().0.iter().map(|value| u32::from_le_bytes(*value)).collect())
}

/// What [`put_ints`] added.
pub(super) fn ints(bytes: &mut &[u8]) -> Option<Vec<u32>> {
    let count = take_raw(bytes, 1)?[0] as usize;
    match byte(bytes)? {
        4 => take_raw(bytes, count),
        2 => {
            let taken = bytes.split_off(..count.checked_mul(2)?)?;
            Some(taken.as_chunks().0.iter().map(|value| u16::from_le_bytes(*value).into()).collect())
        }
        _ => Some(bytes.split_off(..count)?.iter().map(|&value| value.into()).collect()),
    }
}

fn floats(bytes: &mut &[u8]) -> Option<Vec<f32>> {
    let count = take_raw(bytes, 1)?[0] as usize;
    match byte(bytes)? {
        EQUAL => Some(vec![f32::from_bits(take_raw(bytes, 1)?[0]); count]),
        BYTES => Some(bytes.split_off(..count)?.iter().map(|&value| value.into()).collect()),
        _ => Some(take_raw(bytes, count)?.into_iter().map(f32::from_bits).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_comes_back_to_the_bit() {
        let single = Ids { rows: vec![7, 70_000, 2], ..Ids::single() };
        let mut list = Ids::list();
        [&[1, 300][..], &[], &[2]].into_iter().for_each(|rows| list.push(rows));
        let keys: Keys = vec![None, Some(Arc::new(vec![5, 6]))];
        let growing = Ids { keys: keys[1].clone(), ..list.clone() };
        let dense = DenseRows { width: 2, values: vec![0.0, -0.0, 1.5, f32::NAN, 3.0, 255.0] };
        for numeric in [Numeric::Sparse(dense.to_sparse()), Numeric::Dense(dense)] {
            let batch = Batch {
                numeric,
                fields: vec![single.clone(), growing.clone()],
                labels: vec![1.0, 0.0, 2.0],
                mask: vec![0.5; 3],
                tasks: 1,
            };
            let table = Table::from_batch(batch).with_groups(vec![3, 3, 9]).expect("groups");
            let table = table.with_labelled(vec![1.0, -0.0, 1.0]).expect("labelled");
            let mut bytes = Vec::new();
            encode(&table, &mut bytes);
            let mut left = &bytes[..];
            let back = decode(&mut left, &keys).expect("a table");
            assert_eq!(format!("{back:?}"), format!("{table:?}"));
            assert!(left.is_empty());
            assert!((0..bytes.len()).all(|end| decode(&mut &bytes[..end], &keys).is_none()));
        }
    }
}

//! Copying rows of columns.

use std::hint::black_box;

use crate::error::{Error, Result};
use crate::rows::{DenseRows, SparseRows};

/// Rows that are read ahead of the copy, so that the waits for memory overlap: they lie anywhere.
const AT_ONCE: usize = 16;

/// Values in a line of the cache.
const LINE: usize = 16;

/// The rows `rows` of `from`, which has `width` values a row.
pub(crate) fn gather_fixed(from: &[f32], width: usize, rows: &[u32], to: &mut Vec<f32>) {
    to.clear();
    for &row in rows {
        let at = row as usize * width;
        to.extend_from_slice(&from[at..at + width]);
    }
}

/// As [`gather_fixed`], of dense rows.
pub(crate) fn gather_dense(from: &DenseRows, rows: &[u32], to: &mut DenseRows) {
    to.width = from.width;
    gather_fixed(&from.values, from.width, rows, &mut to.values);
}

/// As [`gather_fixed`], of sparse rows.
pub(crate) fn gather_sparse(from: &SparseRows, rows: &[u32], to: &mut SparseRows) {
    to.width = from.width;
    to.offsets.clear();
    to.columns.clear();
    to.values.clear();
    to.offsets.push(0);
    for rows in rows.chunks(AT_ONCE) {
        let mut read = 0;
        for &row in rows {
            for at in from.span(row as usize).step_by(LINE) {
                read ^= from.columns[at] ^ from.values[at].to_bits();
            }
        }
        black_box(read);
        for &row in rows {
            let (columns, values) = from.row(row as usize);
            to.columns.extend_from_slice(columns);
            to.values.extend_from_slice(values);
            to.offsets.push(to.values.len() as u32);
        }
    }
}

/// Adds a column that both sides have, or neither.
pub(crate) fn append_rows<T: Copy>(
    to: &mut Option<Vec<T>>,
    from: Option<Vec<T>>,
    what: &'static str,
) -> Result<()> {
    match (to, from) {
        (Some(to), Some(from)) => to.extend_from_slice(&from),
        (None, None) => {}
        (to, _) => {
            let expected = usize::from(to.is_some());
            return Err(Error::Shape { what, expected, found: 1 - expected });
        }
    }
    Ok(())
}

/// Keeps the rows `keep`, ascending, in place.
pub fn retain_fixed<T: Copy>(values: &mut Vec<T>, width: usize, keep: &[u32]) {
    for (to, &from) in keep.iter().enumerate() {
        let from = from as usize * width;
        values.copy_within(from..from + width, to * width);
    }
    values.truncate(keep.len() * width);
}

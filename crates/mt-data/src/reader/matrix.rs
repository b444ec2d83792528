//! Numeric columns to rows: what a block of text has read already, and columns that come one by one.

use mt_features::{DenseRows, Layout, Numeric, SparseRows};

/// Rows of a tile: with a few hundred columns it fits the second-level cache, so that neither columns nor rows are far apart.
const TILE: usize = 64;

/// Joins `columns`, each with its feature, to the `rows` rows of `read`. Zeros are left out, unless most are none.
pub(super) fn join(read: SparseRows, columns: &[(u32, Vec<f32>)], rows: usize) -> Numeric {
    if columns.is_empty() {
        return Numeric::Sparse(read);
    }
    let width = read.width;
    let others = |values: &Vec<f32>| values.iter().filter(|&&x| x != 0.0).count() as u64;
    let stored: u64 = columns.iter().map(|(_, values)| others(values)).sum();
    let form = Layout::choose(stored + read.values.len() as u64, (rows * width) as u64);
    match form {
        Layout::Dense if read.values.is_empty() => Numeric::Dense(dense(columns, rows, width)),
        _ => Numeric::Sparse(sparse(&read, columns, rows)),
    }
}

fn dense(columns: &[(u32, Vec<f32>)], rows: usize, width: usize) -> DenseRows {
    let mut values = vec![0.0; rows * width];
    for (tile, out) in values.chunks_mut(TILE * width.max(1)).enumerate() {
        for (feature, column) in columns {
            let column = &column[tile * TILE..rows.min((tile + 1) * TILE)];
            for (row, &x) in column.iter().enumerate() {
                // Of -0 what sparse rows have of it.
                out[row * width + *feature as usize] = x + 0.0;
            }
        }
    }
    DenseRows { width, values }
}

fn sparse(read: &SparseRows, columns: &[(u32, Vec<f32>)], rows: usize) -> SparseRows {
    let mut offsets = vec![0u32; rows + 1];
    for row in 0..rows {
        offsets[row + 1] = read.span(row).len() as u32;
    }
    for (_, column) in columns {
        for (row, &x) in column.iter().enumerate() {
            offsets[row + 1] += u32::from(x != 0.0);
        }
    }
    for row in 0..rows {
        offsets[row + 1] += offsets[row];
    }
    let all = offsets[rows] as usize;
    let mut sparse = SparseRows { width: read.width, offsets, columns: vec![0; all], values: vec![0.0; all] };
    let mut ends: Vec<usize> = sparse.offsets[..rows].iter().map(|&start| start as usize).collect();
    for (row, end) in ends.iter_mut().enumerate() {
        let (columns, values) = read.row(row);
        sparse.columns[*end..*end + columns.len()].copy_from_slice(columns);
        sparse.values[*end..*end + values.len()].copy_from_slice(values);
        *end += columns.len();
    }
    for (feature, column) in columns {
        for (row, &x) in column.iter().enumerate().filter(|&(_, &x)| x != 0.0) {
            let at = ends[row];
            (sparse.columns[at], sparse.values[at]) = (*feature, x);
            ends[row] += 1;
        }
    }
    let mut pairs = Vec::new();
    for row in 0..rows {
        let span = sparse.span(row);
        sort(&mut sparse.columns[span.clone()], &mut sparse.values[span], &mut pairs);
    }
    sparse
}

/// Brings a row's entries into the order of its columns.
pub(super) fn sort(columns: &mut [u32], values: &mut [f32], pairs: &mut Vec<(u32, f32)>) {
    if columns.is_sorted() {
        return;
    }
    pairs.clear();
    pairs.extend(columns.iter().copied().zip(values.iter().copied()));
    pairs.sort_unstable_by_key(|&(column, _)| column);
    for (i, &(column, value)) in pairs.iter().enumerate() {
        (columns[i], values[i]) = (column, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_hold_what_was_read_and_what_was_joined() {
        let read = DenseRows { width: 4, values: vec![0.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 6.0] }.to_sparse();
        let columns = [(2, vec![1.0, 0.0]), (0, vec![2.0, 0.0])];
        let expected = [2.0, 5.0, 1.0, 0.0, 0.0, 0.0, 0.0, 6.0];
        let joined = join(read, &columns, 2);
        assert_eq!(joined.layout(), Layout::Sparse);
        assert_eq!(joined.to_dense().values, expected);
        joined.check().expect("ascending columns");
        // More rows than a tile, most of them full.
        let column = |by: f32| (0..150).map(|row| by * row as f32).collect::<Vec<f32>>();
        let empty = SparseRows { offsets: vec![0; 151], ..SparseRows::empty(2) };
        let joined = join(empty, &[(1, column(2.0)), (0, column(-1.0))], 150);
        let Numeric::Dense(dense) = joined else { panic!("dense") };
        assert!((0..150).all(|row| dense.row(row) == [-(row as f32), 2.0 * row as f32]));
    }
}

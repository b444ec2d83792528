//! From keys to rows in a file that is read where it lies: open addressing with linear probing.

use std::ops::Range;

use mt_kernels::counter::mix;

use crate::growth::RESERVED;

/// Where the places of keys are; a place whose row is 0 is empty.
#[derive(Debug)]
pub(crate) enum KeyIndex {
    /// In a file, as its tensors `index_keys` and `index_rows`.
    Mapped { keys: Range<usize>, rows: Range<usize> },
    /// Made from a list of keys.
    Made(Places),
}

/// Keys and rows by place, a power of two of them.
#[derive(Debug, Default)]
pub(crate) struct Places {
    pub keys: Vec<u64>,
    pub rows: Vec<u32>,
}

impl Places {
    /// The places of keys with these rows: at most three quarters full, so that a search ends after a few.
    pub fn new(keys: &[u64], rows: &[u32]) -> Self {
        let size = (keys.len() * 4 / 3 + 1).next_power_of_two();
        let mut places = Self { keys: vec![0; size], rows: vec![0; size] };
        for (&key, &row) in keys.iter().zip(rows) {
            let mut at = mix(key) as usize & (size - 1);
            while places.rows[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            (places.keys[at], places.rows[at]) = (key, row);
        }
        places
    }
}

impl KeyIndex {
    /// As kernels read it; `all` is the file.
    pub fn lookup<'a>(&'a self, all: &'a [u8]) -> Result<KeyLookup<'a>, bytemuck::PodCastError> {
        Ok(match self {
            Self::Made(places) => KeyLookup { keys: &places.keys, rows: &places.rows },
            Self::Mapped { keys, rows } => KeyLookup {
                keys: bytemuck::try_cast_slice(&all[keys.clone()])?,
                rows: bytemuck::try_cast_slice(&all[rows.clone()])?,
            },
        })
    }
}

/// Finds rows of keys.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyLookup<'a> {
    keys: &'a [u64],
    rows: &'a [u32],
}

impl KeyLookup<'_> {
    /// The row of a key below `rows`, 0 where it has none.
    pub fn row(self, key: u64, rows: usize) -> u32 {
        let mask = self.keys.len() - 1;
        let mut at = mix(key) as usize & mask;
        // A damaged file may have no empty place.
        for _ in 0..self.keys.len() {
            match self.rows[at] {
                0 => return 0,
                row if self.keys[at] == key && row >= RESERVED && (row as usize) < rows => return row,
                _ => at = (at + 1) & mask,
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_row_and_others_have_none() {
        for n in [0u64, 1, 3, 1000] {
            let key = |i: u64| if i.is_multiple_of(2) { i } else { u64::MAX - i };
            let (keys, rows): (Vec<u64>, Vec<u32>) = (0..n).map(|i| (key(i), i as u32 + RESERVED)).unzip();
            let index = KeyIndex::Made(Places::new(&keys, &rows));
            let lookup = index.lookup(&[]).expect("aligned");
            for (key, row) in keys.iter().zip(&rows) {
                assert_eq!(lookup.row(*key, n as usize + 2), *row);
            }
            assert_eq!(lookup.row(1 << 40, n as usize + 2), 0);
        }
    }

    #[test]
    fn an_index_without_an_empty_place_ends_all_the_same() {
        let index = KeyIndex::Made(Places { keys: vec![7, 7], rows: vec![9, 9] });
        assert_eq!(index.lookup(&[]).expect("aligned").row(8, 10), 0);
    }
}

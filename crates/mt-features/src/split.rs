//! Setting rows aside: seeded, disjoint, in file order.

use crate::shuffle::permutation;

/// Splits `0..n` into one ascending list of rows for each fraction, and the rest last.
///
/// A part has `fraction * n` rows, rounded, and no more than are left. `seed` decides which.
///
/// ```
/// let parts = mt_features::split(10, &[0.2, 0.1], 1);
/// let sizes: Vec<usize> = parts.iter().map(Vec::len).collect();
/// assert_eq!(sizes, [2, 1, 7]);
/// ```
pub fn split(n: u32, fractions: &[f64], seed: u64) -> Vec<Vec<u32>> {
    let mut parts = vec![Vec::new(); fractions.len() + 1];
    let numbers = split_parts(n, fractions, seed);
    (0..n).zip(&numbers).for_each(|(row, &part)| parts[usize::from(part)].push(row));
    parts
}

/// As [`split`], the number of each row's part in that list; there are at most 255 fractions.
pub fn split_parts(n: u32, fractions: &[f64], seed: u64) -> Vec<u8> {
    let order = permutation(n, seed, 0);
    let mut left = &order[..];
    let mut parts = vec![fractions.len() as u8; n as usize];
    for (number, fraction) in fractions.iter().enumerate() {
        // The cast maps NaN and negative fractions to 0.
        let take = ((fraction * f64::from(n)).round() as usize).min(left.len());
        let (part, rest) = left.split_at(take);
        part.iter().for_each(|&row| parts[row as usize] = number as u8);
        left = rest;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_disjoint_sorted_and_complete() {
        let parts = split(1000, &[0.1, 0.25], 3);
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [100, 250, 650]);
        assert!(parts.iter().all(|part| part.is_sorted()));
        let mut all = parts.concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..1000));
    }

    #[test]
    fn another_seed_is_another_split() {
        assert_ne!(split(100, &[0.5], 1), split(100, &[0.5], 2));
        assert_eq!(split(100, &[0.5], 1), split(100, &[0.5], 1));
    }
}

//! Numbers cut into a part for each rank.

use std::ops::Range;

/// Parts begin at multiples of this many floats: 64 bytes, a line of the cache and the widest vector.
const ALIGNED: usize = 16;

/// Part `rank` of `0..n` in `size` parts that differ by one at most; empty from `size` on.
pub(crate) fn part(n: usize, rank: usize, size: usize) -> Range<usize> {
    // Wide, so that no product is too large.
    let at = |rank: usize| (n as u128 * rank.min(size) as u128 / size.max(1) as u128) as usize;
    at(rank)..at(rank.saturating_add(1))
}

/// The part of `n` floats that `rank` of `size` owns: whole runs of 16, but for the last.
///
/// ```
/// let slices: Vec<_> = (0..3).map(|rank| mt_dist::slice(70, rank, 3)).collect();
/// assert_eq!(slices, [0..16, 16..48, 48..70]);
/// ```
pub fn slice(n: usize, rank: usize, size: usize) -> Range<usize> {
    let runs = part(n.div_ceil(ALIGNED), rank, size);
    (runs.start * ALIGNED).min(n)..(runs.end * ALIGNED).min(n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_aligned_and_cover_each_number_once() {
        for n in [0, 1, 15, 16, 17, 64, 100, 173_995] {
            for size in 1..20 {
                let slices: Vec<_> = (0..size).map(|rank| slice(n, rank, size)).collect();
                assert!(slices.iter().flat_map(Range::clone).eq(0..n), "{n} {size}");
                assert!(slices.iter().all(|slice| slice.is_empty() || slice.start % 16 == 0), "{slices:?}");
                let lengths = || slices.iter().map(Range::len);
                assert!(lengths().max() <= lengths().min().map(|least| least + 31), "{slices:?}");
            }
        }
    }

    #[test]
    fn no_product_is_too_large() {
        assert_eq!(part(usize::MAX, 2, 2), usize::MAX..usize::MAX);
        assert_eq!(part(usize::MAX, 1, 3), usize::MAX / 3..usize::MAX / 3 * 2);
        assert_eq!(slice(100, 0, 0), 0..0);
    }
}

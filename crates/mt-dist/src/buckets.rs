//! Whose rows of a table are: by a hash of the id or key, in a fixed number of buckets.

use std::ops::Range;

/// How many buckets a table has, for any number of ranks.
pub const BUCKETS: usize = 256;

/// The bits of `id`, mixed: the finisher of `SplitMix64` (Steele, Lea, Flood 2014), a bijection. It is part of what checkpoints are, so it
/// never changes.
pub fn mix(id: u64) -> u64 {
    let id = (id ^ (id >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let id = (id ^ (id >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    id ^ (id >> 31)
}

/// The bucket of a row: `mix(id) % 256`.
pub fn bucket(id: u64) -> usize {
    (mix(id) % BUCKETS as u64) as usize
}

/// The rank of `size` (1 or more) that owns a bucket: `bucket * size / 256`.
///
/// ```
/// use mt_dist::{bucket, owner};
///
/// assert_eq!(bucket(17), 190);
/// assert_eq!([1, 2, 4].map(|size| owner(bucket(17), size)), [0, 1, 2]);
/// ```
pub fn owner(bucket: usize, size: usize) -> usize {
    bucket * size / BUCKETS
}

/// The buckets that `rank` of `size` owns; empty for some where there are more than 256 ranks.
pub fn buckets_of(rank: usize, size: usize) -> Range<usize> {
    let first = |rank: usize| (rank * BUCKETS).div_ceil(size.max(1)).min(BUCKETS);
    first(rank)..first(rank + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_splitmix64() {
        // The first outputs for the seed 0, from the authors' program: the state goes up by a constant.
        let outputs = [0xe220_a839_7b1d_cdaf_u64, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f];
        for (step, expected) in (1..).zip(outputs) {
            assert_eq!(mix(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(step)), expected);
        }
        assert_eq!(mix(0), 0);
    }

    #[test]
    fn ids_in_a_row_spread_evenly() {
        let mut counts = [0usize; BUCKETS];
        (0..256_000).for_each(|id| counts[bucket(id)] += 1);
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_bucket_is_in_its_owners_range() {
        for size in [1, 2, 3, 5, 8, 100, 255, 256, 300] {
            assert!((0..size).flat_map(|rank| buckets_of(rank, size)).eq(0..BUCKETS), "{size}");
            assert!(
                (0..BUCKETS).all(|bucket| buckets_of(owner(bucket, size), size).contains(&bucket)),
                "{size}"
            );
        }
    }
}
